"""Splits on logs small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.config import load
from reco_core.errors import DatasetTooSmall
from reco_core.examples import ExampleSet, Split, generate, seen_pairs, windows


def pairs(found: ExampleSet, split: Split, length: int = 10) -> list[tuple[str, str, str]]:
    """(user, context, label) in raw ids, contexts as text."""
    examples, timelines = found.split(split), found.timelines
    names = np.array(found.vocabulary.item_ids)
    contexts = windows(timelines, examples.users, examples.labels, length)
    return [
        (timelines.user_ids[user], " ".join(names[context[context > 0]]), str(names[timelines.items[label]]))
        for user, label, context in zip(examples.users, examples.labels, contexts, strict=True)
    ]


def seen(found: ExampleSet, split: Split) -> list[str]:
    """What each example's user had seen before the label."""
    rows, items = seen_pairs(found.timelines, found.split(split))
    names = np.array(found.vocabulary.item_ids)
    return [" ".join(names[items[rows == row]]) for row in range(len(found.split(split)))]


def test_leave_one_out_holds_out_the_last_two(make_sequences):
    found = generate(load({}), make_sequences("u: a b c d e; v: b c a; w: a b"))
    assert found.protocol == "leave_one_out"
    assert pairs(found, "train") == [("u", "a", "b"), ("u", "a b", "c")]
    assert pairs(found, "validation") == [("u", "a b c", "d"), ("v", "b", "c")]
    assert pairs(found, "test") == [("u", "a b c d", "e"), ("v", "b c", "a")]
    assert found.dropped_users == 1
    assert found.in_training.tolist() == [True, True, True, False, False, True, False, False]


def test_counts_are_those_of_training_and_order_the_vocabulary(make_sequences):
    # training holds u: a b c, v: b; d and e only stand in held-out places, f nowhere; w's two are too few
    found = generate(load({}), make_sequences("u: a b c e d; v: b c a; w: f f", more_items=["0"]))
    assert found.vocabulary.item_ids == ("<pad>", "b", "a", "c", "0", "d", "e", "f")
    assert found.vocabulary.counts.tolist() == [0, 2, 1, 1, 0, 0, 0, 0]
    assert found.vocabulary.size == 7


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["10", "9", "-3", "100"], ["-3", "9", "10", "100"]),
        (["10", "9", "x", "100"], ["10", "100", "9", "x"]),
        (["10", "09", "9", "100"], ["09", "10", "100", "9"]),  # not the plain form of a number, so all are text
        (["é", "z", "Z", "a"], ["Z", "a", "z", "é"]),
    ],
)
def test_equal_counts_are_ordered_by_number_or_else_by_code_point(make_sequences, ids, expected):
    found = generate(load({}), make_sequences("u: " + " ".join([*ids, "1", "2"])))
    assert [raw for raw in found.vocabulary.item_ids if raw in ids] == expected


def test_equal_times_keep_file_order_and_later_rows_may_be_earlier(make_log):
    rows = [("u", "d", 7, 5), ("u", "b", 5, 5), ("u", "e", 7, 5), ("u", "a", 1, 5), ("u", "c", 5, 5)]
    assert pairs(generate(load({}), make_log(rows)), "test") == [("u", "a b c d", "e")]


def test_without_times_file_order_counts(make_log):
    rows = [("u", "c", 9, 5), ("v", "a", 9, 5), ("u", "a", 1, 5), ("u", "d", 4, 5), ("u", "b", 2, 5)]
    found = generate(load({}), make_log(rows, timed=False))
    assert pairs(found, "test") == [("u", "c a d", "b")]
    assert found.timelines.timestamps is None


def test_low_ratings_are_neither_context_nor_label_but_count_as_seen(make_log):
    rows = [
        ("u", name, time, rating)
        for time, (name, rating) in enumerate(zip("abcdefg", [5, 1, 4, 3.9, 4, 5, 2], strict=True))
    ]
    found = generate(load({"examples": {"min_rating": 4}}), make_log(rows))
    assert pairs(found, "train") == [("u", "a", "c")]
    assert pairs(found, "validation") == [("u", "a c", "e")]
    assert pairs(found, "test") == [("u", "a c e", "f")]
    assert seen(found, "train") == ["a b"]
    assert seen(found, "validation") == ["a b c d"]
    assert seen(found, "test") == ["a b c d e"]
    assert found.timelines.timestamps.tolist() == [0, 2, 4, 5]
    assert set(found.vocabulary.item_ids[3:]) == set("bdefg")  # never trained on, yet in the vocabulary


def test_low_ratings_do_not_lengthen_a_timeline(make_log):
    rows = [(user, name, time, rating) for user, rating in (("u", 5), ("v", 1)) for time, name in enumerate("abcd")]
    found = generate(load({"examples": {"min_rating": 4}}), make_log(rows))
    assert found.timelines.user_ids == ("u",)
    assert found.dropped_users == 1
    everyone = generate(load({}), make_log(rows))
    assert everyone.timelines.user_ids == ("u", "v")


@pytest.mark.parametrize(("least", "users"), [(3, ("u", "v")), (4, ("u", "v")), (5, ("u",))])
def test_short_timelines_are_dropped(make_sequences, least, users):
    log = make_sequences("u: a b c d e; v: a b c d")
    found = generate(load({"examples": {"min_timeline_length": least}}), log)
    assert found.timelines.user_ids == users


def test_repeats_are_labels_only_where_they_may_be_recommended(make_sequences):
    log = make_sequences("u: a b a c b d e")
    assert pairs(generate(load({}), log), "train") == [("u", "a", "b"), ("u", "a b a", "c")]
    found = generate(load({"repeats": True}), log)
    assert pairs(found, "train") == [("u", "a", "b"), ("u", "a b", "a"), ("u", "a b a", "c"), ("u", "a b a c", "b")]
    # counts don't depend on it: the interaction took place
    assert dict(zip(found.vocabulary.item_ids, found.vocabulary.counts.tolist(), strict=True)) == {
        "<pad>": 0,
        "a": 2,
        "b": 2,
        "c": 1,
        "d": 0,
        "e": 0,
    }


def test_titles_and_attributes_follow_the_items(make_sequences):
    attributes = {"a": ("Drama",), "b": ("Comedy", "Drama"), "d": ("Action",)}
    vocabulary = generate(load({}), make_sequences("u: c b a d e", attributes=attributes)).vocabulary
    assert vocabulary.item_ids == ("<pad>", "a", "b", "c", "d", "e")
    assert vocabulary.titles == (None, "Title of a", "Title of b", "Title of c", "Title of d", "Title of e")
    attribute = vocabulary.attribute
    assert attribute is not None
    assert attribute.values == ("<pad>", "Drama", "Action", "Comedy")  # by falling number of items, then by name
    rows = [attribute.indices[a:b].tolist() for a, b in zip(attribute.offsets[:-1], attribute.offsets[1:], strict=True)]
    assert rows == [[], [1], [3, 1], [], [2], []]


def test_reference_splits_pairs_at_random_whoever_they_belong_to(make_sequences):
    log = make_sequences("; ".join(f"u{n}: " + " ".join(f"{i}" for i in range(n, n + 11)) for n in range(10)))
    config = {"evaluation": {"protocol": "reference"}, "examples": {"train_data_fraction": 0.8}}
    found = generate(load(config), log)
    assert found.protocol == "reference"
    # 100 pairs: 80 for training, of which a tenth validates; 20 for test
    assert [len(found.train), len(found.validation), len(found.test)] == [72, 8, 20]
    everything = [pair for split in ("train", "validation", "test") for pair in pairs(found, split)]
    whole = [
        (f"u{n}", " ".join(map(str, range(n, n + step))), str(n + step)) for n in range(10) for step in range(1, 11)
    ]
    assert sorted(everything) == sorted(whole)
    assert found.in_training.sum() == 110 - 28
    # some user's later pair is trained on although an earlier one is tested: what leave_one_out rules out
    assert any(
        (found.train.labels[found.train.users == u] > p).any()
        for u, p in zip(found.test.users, found.test.labels, strict=True)
    )
    again = generate(load({**config, "seed": 1}), log)
    assert pairs(again, "test") != pairs(found, "test")
    assert pairs(generate(load(config), log), "test") == pairs(found, "test")


@pytest.mark.parametrize(
    ("text", "document", "said"),
    [
        ("u: a b; v: a", {}, "none of the 2 users has 3 interactions; give a longer log"),
        ("u: a b c d", {"examples": {"min_timeline_length": 5}}, "none of the 1 users has 5 interactions"),
        ("u: a b c d", {"examples": {"min_rating": 6}}, "rated at least 6"),
        ("u: a a a a a", {}, "single item"),
        ("u: a b c; v: b c a", {}, "no training example is left"),
        ("u: a a b c", {}, "no training example is left"),
        ("u: a b c", {"evaluation": {"protocol": "reference"}}, "no validation example is left"),
    ],
)
def test_logs_too_small_say_what_is_missing(make_sequences, text, document, said):
    with pytest.raises(DatasetTooSmall) as caught:
        generate(load(document), make_sequences(text))
    assert said in caught.value.message
    assert "single item" in said or ";" in caught.value.message  # a remedy follows


def test_the_smallest_log_that_is_enough(make_sequences):
    found = generate(load({}), make_sequences("u: a b c d"))
    assert [len(found.train), len(found.validation), len(found.test)] == [1, 1, 1]
