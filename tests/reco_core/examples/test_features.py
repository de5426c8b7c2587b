"""Features: found, checked, encoded, and shown beside a context."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from reco_core import bundled_features, datasets
from reco_core.bundled_features import BundledFeature
from reco_core.config import FeaturesConfig, load
from reco_core.datasets import DatasetSpec
from reco_core.datasets.types import Interactions, ItemTable
from reco_core.errors import ConfigInvalid
from reco_core.examples import ExampleSet, FeatureTable, feature_windows, generate, out_of_range, resolve
from reco_core.examples.feature_tables import encode
from reco_core.examples.timelines import build_timelines


@pytest.fixture
def log(make_log) -> Interactions:
    """u: a b c d e, v: e d c b a, w: a b (too short); times run backwards in the file."""
    rows = [("u", item, time, 1.0 + time % 5) for time, item in enumerate("abcde")]
    rows += [("v", item, time, 5.0) for time, item in enumerate("edcba")]
    rows += [("w", "a", 1, 2.0), ("w", "b", 2, 2.0)]
    made = make_log(rows[::-1])
    by_item = {"a": 1994, "b": 1994, "c": None, "d": 2001, "e": 1990}
    genres = {"a": ["Drama", "War"], "b": [], "c": ["War"], "d": None, "e": ["War", "Crime", "Drama"]}
    return replace(
        made,
        row_features=pl.DataFrame({"hour": [row[2] * 2 for row in rows[::-1]]}),
        item_features=pl.DataFrame(
            {"year": [by_item[i] for i in made.item_ids], "genres": [genres[i] for i in made.item_ids]},
            schema={"year": pl.Int64, "genres": pl.List(pl.String)},
        ),
        user_features=pl.DataFrame(
            {
                "age": [{"u": 30, "v": 40, "w": 50}[user] for user in made.user_ids],
                "city": [{"u": "Bonn", "v": None, "w": "Köln"}[user] for user in made.user_ids],
                "likes": [{"u": ["x", "y"], "v": ["y"], "w": ["z"]}[user] for user in made.user_ids],
            }
        ),
    )


def made_of(log: Interactions, groups: dict[str, Any], **sections: Any) -> ExampleSet:
    return generate(load({"features": groups, **sections}), log)


def only(log: Interactions, feature: dict[str, Any], *, user: bool = False, **sections: Any) -> FeatureTable:
    kind = "global_groups" if user else "activity_groups"
    (table,) = made_of(log, {kind: [{"features": [feature]}]}, **sections).timelines.features.values()
    return table


def row(table: FeatureTable, number: int) -> list[Any]:
    if table.offsets is None:
        return [table.values[number]]
    return table.values[table.offsets[number] : table.offsets[number + 1]].tolist()


def test_words_of_items_come_by_falling_count_then_by_name_and_index_0_and_1_are_special(log):
    example_set = made_of(log, {"activity_groups": [{"features": [{"type": "string", "name": "genres"}]}]})
    table = example_set.timelines.features["genres"]
    assert table.vocabulary == ("<pad>", "<oov>", "War", "Drama", "Crime")
    assert (table.scope, table.length, table.table_rows, table.oov) == ("item", 3, 5, 1)
    by_item = {raw: row(table, index) for index, raw in enumerate(example_set.vocabulary.item_ids)}
    assert by_item == {"<pad>": [], "a": [3, 2], "b": [], "c": [2], "d": [], "e": [2, 4, 3]}


def test_rarer_words_than_the_vocabulary_has_room_for_are_out_of_it(log):
    table = only(log, {"type": "string", "name": "genres", "vocabulary_size": 1})
    assert table.vocabulary == ("<pad>", "<oov>", "War")
    assert sorted(table.values.tolist()) == [1, 1, 1, 2, 2, 2]


def test_numbers_with_a_vocabulary_are_ordered_as_numbers_and_missing_ones_are_0(log):
    table = only(log, {"type": "int", "name": "year"})
    assert table.vocabulary == ("<pad>", "<oov>", "1994", "1990", "2001")
    assert sorted(table.values.tolist()) == [0, 0, 2, 2, 3, 4]
    small = replace(log, item_features=pl.DataFrame({"year": [10, 9, 100, 9, 10]}))
    assert only(small, {"type": "int", "name": "year"}).vocabulary == ("<pad>", "<oov>", "9", "10", "100")


def test_numbers_without_a_vocabulary_are_their_own_index(log):
    table = only(log, {"type": "int", "name": "hour", "vocabulary": False, "vocabulary_size": 5})
    assert (table.vocabulary, table.table_rows, table.oov) == (None, 6, 5)
    assert table.values.tolist() == [0, 2, 4, 5, 5] * 2  # 6 and 8 are outside
    assert table.scope == "interaction"


def test_numbers_that_mostly_lie_outside_are_warned_of_and_refused_where_all_do(log):
    def history(size: int) -> dict[str, Any]:
        return {"history": [{"type": "int", "name": "hour", "vocabulary": False, "vocabulary_size": size}]}

    # hours 0 2 4 6 8, twice; of training 0 2 4
    (said,) = out_of_range(made_of(log, history(3)).timelines.features)
    assert said.startswith("6 of 8 values of the feature hour lie outside 0 to 2 and are all the same to the model;")
    assert out_of_range(made_of(log, history(9)).timelines.features) == []
    assert out_of_range(made_of(log, {"history": [{"type": "int", "name": "hour"}]}).timelines.features) == []
    with pytest.raises(
        ConfigInvalid, match=r"all 4 values .* in the training data, 2 to 4, lie outside 0 to 1"
    ) as caught:
        made_of(log, history(2))
    (fault,) = caught.value.errors
    assert (fault.pointer, fault.code) == ("/features/history/0/vocabulary_size", "all_out_of_range")
    assert "raise vocabulary_size, or leave vocabulary: false out" in fault.detail


def test_vocabularies_know_only_what_may_be_learned_from(log):
    # the last two of each user are held out: hours 6 and 8 were never seen in training
    table = only(log, {"type": "int", "name": "hour"})
    assert table.vocabulary == ("<pad>", "<oov>", "0", "2", "4")
    assert table.values.tolist() == [2, 3, 4, 1, 1] * 2
    # w is left out as too short, so nobody is 50
    assert only(log, {"type": "int", "name": "age"}, user=True).vocabulary == ("<pad>", "<oov>", "30", "40")


def test_quantities_are_kept_as_they_are_and_missing_ones_stand_at_the_mean(log):
    table = only(log, {"type": "float", "name": "hour"})
    assert (table.mean, table.deviation) == (2.0, pytest.approx(np.std([0, 2, 4])))
    assert table.values.tolist() == [0, 2, 4, 6, 8] * 2
    holes = replace(log, row_features=pl.DataFrame({"hour": [None, float("nan"), float("inf"), *[1.0] * 9]}))
    table = only(holes, {"type": "float", "name": "hour"})
    assert (table.mean, table.deviation, set(table.values.tolist())) == (1.0, 1.0, {1.0})


def test_values_follow_the_order_of_the_timelines_and_low_ratings_take_theirs_along(log):
    groups = {"history": [{"type": "float", "name": "rating"}, {"type": "float", "name": "hour"}]}
    features = made_of(log, groups).timelines.features
    assert features["rating"].values.tolist() == [5, 5, 5, 5, 5, 1, 2, 3, 4, 5]
    high = made_of(log, groups, examples={"min_rating": 3}).timelines
    assert high.features["rating"].values.tolist() == [5, 5, 5, 5, 5, 3, 4, 5]
    assert high.features["hour"].values.tolist() == [0, 2, 4, 6, 8, 4, 6, 8]


def test_an_earlier_vocabulary_can_be_used_again(log):
    config = FeaturesConfig.model_validate(
        {"global_groups": [{"features": [{"type": "string", "name": "city"}, {"type": "float", "name": "age"}]}]}
    )
    config = resolve(config, log)
    raw = build_timelines(log, 3, None)
    arguments = {"index": np.arange(1, 6, dtype=np.int32), "items": 5, "in_training": np.ones(10, bool)}
    first = encode(config, log, raw, **arguments)
    assert first["city"].vocabulary == ("<pad>", "<oov>", "Bonn")
    moved = replace(log, user_features=log.user_features.with_columns(city=pl.lit("Ulm"), age=pl.lit(7, pl.Int64)))
    again = encode(config, moved, raw, **arguments, fitted=first)
    assert again["city"].vocabulary == first["city"].vocabulary
    assert again["city"].values.tolist() == [1, 1]
    assert (again["age"].mean, again["age"].values.tolist()) == (35.0, [7, 7])


def test_items_that_an_earlier_model_knows_and_the_data_lack_have_no_value(log):
    config = resolve(FeaturesConfig.model_validate({"history": [{"type": "int", "name": "year"}]}), log)
    index = np.array([7, 0, 2, 3, 4], np.int32)  # one item that the model doesn't know, and it knows more
    tables = encode(config, log, build_timelines(log, 3, None), index=index, items=8, in_training=np.ones(10, bool))
    years = [tables["year"].vocabulary[value] for value in tables["year"].values]
    expected = ["<pad>"] * 9
    for code, place in enumerate(index):
        year = log.item_features["year"][code]
        expected[place] = "<pad>" if place == 0 or year is None else str(year)
    assert years == expected


# --- what stands beside a context ---


def beside(example_set: ExampleSet, name: str, length: int = 3) -> list[Any]:
    """The feature's windows before each user's test label."""
    test, timelines = example_set.test, example_set.timelines
    return feature_windows(timelines, timelines.features[name], test.users, test.labels, length).tolist()


def test_aligned_values_stand_beside_their_interaction(log):
    groups = {
        "activity_groups": [{"features": [{"type": "string", "name": "genres"}, {"type": "int", "name": "year"}]}]
    }
    example_set = made_of(log, groups)
    # v: d c b before a; u: b c d before e
    assert beside(example_set, "genres") == [
        [[0, 0, 0], [2, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [2, 0, 0], [0, 0, 0]],
    ]
    assert beside(example_set, "year") == [[4, 0, 2], [2, 0, 4]]
    assert beside(example_set, "year", 5) == [[3, 4, 0, 2, 0], [2, 2, 0, 4, 0]]
    ends = example_set.timelines.offsets[:2]  # nothing lies before a user's first interaction
    table = example_set.timelines.features["genres"]
    assert not feature_windows(example_set.timelines, table, np.array([0, 1], np.int32), ends, 3).any()


def original_genres(context: list[str], genres: dict[str, list[str]], length: int) -> list[str]:
    """As the original toolkit lists the genres of a context."""
    found = []
    for item in context:
        found.extend(genres[item])
    found = found[:length]
    return found + ["<pad>"] * (length - len(found))


@pytest.mark.parametrize("length", [1, 4, 9])
@pytest.mark.parametrize("history", [1, 3, 30])
def test_flat_values_come_one_after_the_other_as_in_the_original(make_planted, length, history):
    log = make_planted(5, users=40, untidy=True)
    feature = {"type": "string", "name": "g", "column": "genres", "layout": "flat", "length": length}
    example_set = made_of(log, {"activity_groups": [{"features": [feature]}]})
    timelines, table = example_set.timelines, example_set.timelines.features["g"]
    genres = dict(zip(log.item_ids, map(list, log.item_table.attributes), strict=True))
    train = example_set.train
    found = feature_windows(timelines, table, train.users, train.labels, history)
    assert found.dtype == np.int32
    for number, (user, label) in enumerate(zip(train.users, train.labels, strict=True)):
        context = timelines.items[max(timelines.offsets[user], label - history) : label]
        names = [example_set.vocabulary.item_ids[item] for item in context]
        assert [table.vocabulary[value] for value in found[number]] == original_genres(names, genres, length)


def test_values_of_the_user_stand_alone(log):
    names = ("age", "city", "likes")
    kinds = ({"type": "float"}, {"type": "string"}, {"type": "string"})
    features = [{"name": name, **kind} for name, kind in zip(names, kinds, strict=True)]
    example_set = made_of(log, {"global_groups": [{"features": features}]})
    assert example_set.timelines.user_ids == ("v", "u")
    assert {name: beside(example_set, name) for name in names} == {
        "age": [[40.0], [30.0]],
        "city": [[0], [2]],
        "likes": [[2, 0], [3, 2]],
    }


# --- which columns ---


def test_automatic_takes_what_there_is_and_says_so(log):
    users = log.user_features.with_columns(city=pl.Series(["Bonn", "Bonn", "Ulm"]), age=pl.Series([30, 30, 40]))
    big = replace(log, user_features=pl.concat([users]), item_table=_genre_table(log))
    found = resolve(FeaturesConfig(automatic=True), big)
    assert [(f.name, f.type) for f in found.history] == [("rating", "float"), ("year", "float")]
    assert [(f.name, f.type) for f in found.global_groups[0].features] == [("age", "float")]
    assert not found.automatic
    assert resolve(found, big) == found
    assert FeaturesConfig.model_validate(found.model_dump(mode="json")) == found
    # without the attribute in the item embedding its column is a feature like any other
    assert "genres" not in [f.name for f in found.history]
    plain = resolve(FeaturesConfig(automatic=True), big, item_attribute=None)
    assert "genres" in [f.name for f in plain.history]


def _genre_table(log: Interactions) -> ItemTable:
    return ItemTable((None,) * 5, "genres", ((),) * 5)


def test_automatic_types_by_what_a_column_holds(log):
    # six users, so that values are shared; a code that is nobody else's tells nothing
    frame = pl.DataFrame({"age": [1, 2, 1, 2, 1, 2], "zip": list("abcdef"), "job": list("xxyyxx"), "same": ["s"] * 6})
    six = replace(log, user_ids=tuple("uvwxyz"), user_features=frame.rename({"job": "ids"}))
    (group,) = resolve(FeaturesConfig(automatic=True), six).global_groups
    assert [(f.name, f.type, f.column) for f in group.features] == [
        ("age", "int", "age"),
        ("user_ids", "string", "ids"),
    ]


def test_automatic_leaves_out_what_only_users_without_training_data_have(make_log):
    # six of ten users are too short to take part, and only they say whether they are members
    walks = {f"u{n}": "abcde" if n < 4 else "ab" for n in range(10)}
    made = make_log([(user, item, time, 3.0) for user, items in walks.items() for time, item in enumerate(items)])
    members = [None] * 4 + ["y", "n"] * 3
    ages = [30, 40] * 5
    late = replace(
        made,
        row_features=pl.DataFrame({"shelf": [None if user < 4 else "xy"[user % 2] for user in made.users]}),
        user_features=pl.DataFrame({"member": members, "age": ages, "far": [1e300, 2e300] * 5}),
    )
    found = made_of(late, {"automatic": True})
    assert [feature.name for feature in found.features.every()] == ["age"]
    with pytest.raises(ConfigInvalid, match="'member' holds no value in the training data"):
        only(late, {"type": "string", "name": "member"}, user=True)


def test_automatic_without_further_columns_is_without_features(make_log):
    rows = [("u", item, time, 3.0) for time, item in enumerate("abcd")]
    assert resolve(FeaturesConfig(automatic=True), make_log(rows)) == FeaturesConfig()


@pytest.mark.parametrize(
    ("groups", "pointer", "message"),
    [
        (
            {"activity_groups": [{"features": [{"type": "int", "name": "year"}, {"type": "int", "name": "mood"}]}]},
            "/features/activity_groups/0/features/1/column",
            r"no column 'mood' .*: the log has rating, hour; the item table has year, genres",
        ),
        (
            {"global_groups": [{"features": [{"type": "int", "name": "year"}]}]},
            "/features/global_groups/0/features/0/column",
            r"no column 'year' .*: the user table has age, city, likes",
        ),
        (
            {"history": [{"type": "float", "name": "genres"}]},
            "/features/history/0/column",
            "'genres' is float, but its column holds lists of text; type string can read it",
        ),
        (
            {"history": [{"type": "int", "name": "rating"}]},
            "/features/history/0/column",
            "'rating' is int, but its column holds fractions; type float can read it",
        ),
    ],
)
def test_columns_that_cannot_be_read_are_named(log, groups, pointer, message):
    with pytest.raises(ConfigInvalid, match=message) as caught:
        made_of(log, groups)
    assert [error.pointer for error in caught.value.errors] == [pointer]


def test_a_vocabulary_without_a_value_is_an_error(log):
    empty = replace(log, user_features=pl.DataFrame({"city": [None, None, None]}, schema={"city": pl.String}))
    with pytest.raises(ConfigInvalid, match="'city' holds no value"):
        only(empty, {"type": "string", "name": "city"}, user=True)
    # w, the only one with a city, is left out of training
    late = replace(log, user_features=pl.DataFrame({"city": [("Köln" if u == "w" else None) for u in log.user_ids]}))
    for feature in ({"type": "string", "name": "city"}, {"type": "int", "name": "city"}):
        with pytest.raises(ConfigInvalid) as caught:
            only(late, feature, user=True)
        assert caught.value.errors[0].pointer == "/features/global_groups/0/features/0/column"


def test_lengths_that_disagree_are_refused(log):
    features = [{"type": "string", "name": "city", "length": 2}, {"type": "string", "name": "likes", "length": 3}]
    with pytest.raises(ConfigInvalid, match=r"same length or 1, found city: 2, likes: 3"):
        made_of(log, {"global_groups": [{"features": features}]})
    with pytest.raises(ConfigInvalid, match="one value per interaction or user"):
        made_of(log, {"history": [{"type": "float", "name": "hour", "length": 2}]})


# --- values and the files that hold them ---


def folder_of(tmp_path, table: str, items: int = 12) -> Interactions:
    """What is read of a folder: a log of twelve users, and `table` as items.csv."""
    rows = ["user_id,item_id,timestamp"]
    for user in range(12):
        rows += [
            f"u{user},{item + 1},{time}" for time, item in enumerate(np.random.default_rng(user).permutation(items))
        ]
    (tmp_path / "log.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "items.csv").write_text(table, encoding="utf-8", newline="")
    return datasets.load(tmp_path, DatasetSpec())


def test_data_and_vocabulary_files_agree_whatever_blanks_values_hold(tmp_path):
    names = ["Ana  B", "Ana B", "Ana\u00a0B", "宮崎\u3000駿", '"two\nlines"', "tab\there", "\u2028Kö\u2009ln\u00a0"]
    table = "item_id,title,director,cast\n"
    table += "".join(f"{k + 1},T{k},{names[k % 7]},{names[k % 3]}|x  {k % 4}\n" for k in range(12))
    log = folder_of(tmp_path, table)
    features = [{"type": "string", "name": "director"}, {"type": "string", "name": "cast", "length": 2}]
    config = load({"features": {"history": features}})
    first = generate(config, log).timelines.features
    assert set(first["director"].vocabulary[2:]) == {"Ana B", "宮崎 駿", "two lines", "tab here", "Kö ln"}
    (tmp_path / "vocabulary").mkdir()
    bundled_features.write_vocabularies(tmp_path / "vocabulary", first)
    known = bundled_features.read_features(tmp_path, {"features": bundled_features.describe(first)})
    again = generate(config, log, known).timelines.features
    for name, table in first.items():
        assert known[name].vocabulary == again[name].vocabulary == table.vocabulary
        assert np.array_equal(again[name].values, table.values)
        assert 1 not in table.values


def test_of_a_word_that_a_vocabulary_holds_twice_the_first_counts(log):
    config = load({"features": {"global_groups": [{"features": [{"type": "string", "name": "city"}]}]}})
    known = BundledFeature(
        "city", "category", "user", "aligned", 1, 0, ("<pad>", "<oov>", "x", "Bonn", "Bonn"), 0.0, 1.0
    )
    table = generate(config, log, {"city": known}).timelines.features["city"]
    assert (table.values.tolist(), table.table_rows) == ([0, 3], 5)
    nothing = replace(known, vocabulary=("<pad>", "<oov>"))
    assert generate(config, log, {"city": nothing}).timelines.features["city"].values.tolist() == [0, 1]


def test_in_flat_texts_unk_is_no_value(tmp_path):
    log = folder_of(
        tmp_path, "item_id,title,genres\n" + "".join(f"{k + 1},T,{'UNK|Noir' if k % 2 else 'UNK'}\n" for k in range(12))
    )
    genres = {"type": "string", "name": "genres", "length": 4}
    flat = only(log, {**genres, "layout": "flat"})
    assert flat.vocabulary == ("<pad>", "<oov>", "Noir")
    assert flat.values.tolist() == [2] * 6
    assert only(log, genres).vocabulary == ("<pad>", "<oov>", "UNK", "Noir")
