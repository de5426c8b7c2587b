"""TFRecords of logs written by hand and of random ones, beside a plain loop over rows."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import tracemalloc
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from reco_core.config import load
from reco_core.datasets.types import ItemTable
from reco_core.errors import ConfigInvalid, DatasetTooSmall, Interrupted
from reco_core.examples import generate
from reco_core.examples.tfrecord import serialize, write_tfrecords
from reco_core.progress import SilentReporter

TRAIN, TEST = "train_movielens_1m.tfrecord", "test_movielens_1m.tfrecord"
GENRES = ["Drama", "Sci-Fi", "Ünïcode ☃", "A very long name of a genre, " * 6]
TITLES = {n: f"Film {n} ({1950 + n})" if n % 3 else f"Film {n}" for n in range(1, 9)}
TABLE = {n: tuple(GENRES[: n % 5]) for n in range(1, 9)}

rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 8), st.integers(0, 5), st.integers(1, 10)), min_size=2, max_size=60
)
documents = st.fixed_dictionaries(
    {
        "examples": st.fixed_dictionaries(
            {
                "min_timeline_length": st.integers(1, 5),
                "max_history_length": st.sampled_from([1, 2, 3, 10, 200]),
                "min_rating": st.sampled_from([None, 2.5]),
                "train_data_fraction": st.sampled_from([0.1, 0.5, 0.9]),
                "tfrecord": st.fixed_dictionaries(
                    {
                        "layout": st.sampled_from(["original", "original_2020"]),
                        "max_genre_length": st.sampled_from([1, 3, 40]),
                        "shards": st.sampled_from([1, 3]),
                    }
                ),
            }
        )
    }
)


def named_log(make_log, given_rows):
    """The rows with ratings in halves, ids far apart, and the table above."""
    log = make_log([(f"u{user}", str(item), time, rating / 2) for user, item, time, rating in given_rows])
    numbers = [int(item) for item in log.item_ids]
    table = ItemTable(tuple(TITLES[n] for n in numbers), "genres", tuple(TABLE[n] for n in numbers))
    return dataclasses.replace(log, item_table=table, item_ids=tuple(str(big(n)) for n in numbers))


def big(item: int) -> int:
    """Ids whose varints are of one to ten bytes."""
    return [0, 1, 127, 128, 16_384, 2**31, 2**56, 2**63 - 1, -5][item]


def expected(given_rows, options: dict[str, Any]) -> tuple[Counter[str], Counter[str]]:
    """(all but each user's last example, those) as JSON."""
    record = options["tfrecord"]
    length, genre_length = options["max_history_length"], record["max_genre_length"]
    timelines = defaultdict(list)
    for user, item, time, rating in given_rows:
        if options["min_rating"] is None or rating / 2 >= options["min_rating"]:
            timelines[user].append((time, item, rating / 2))
    earlier, last = Counter(), Counter()
    for timeline in timelines.values():
        if len(timeline) < options["min_timeline_length"]:
            continue
        timeline.sort(key=lambda entry: entry[0])
        for at in range(1, len(timeline)):
            context = timeline[max(0, at - length) : at]
            pads = [0] * (length - len(context))
            ids, label = [big(item) for _, item, _ in context] + pads, [big(timeline[at][1])]
            if record["layout"] == "original_2020":
                example: dict[str, Any] = {"context": ids, "label": label}
            else:
                genres = [genre for _, item, _ in context for genre in TABLE[item]]
                example = {
                    "context_movie_id": ids,
                    "context_movie_rating": [rating for _, _, rating in context] + [0.0] * len(pads),
                    "context_movie_genre": (genres + ["UNK"] * genre_length)[:genre_length],
                    "context_movie_year": [1950 + item if item % 3 else 0 for _, item, _ in context] + pads,
                    "label_movie_id": label,
                }
            (last if at == len(timeline) - 1 else earlier)[json.dumps(example, sort_keys=True)] += 1
    return earlier, last


def counted(examples) -> Counter[str]:
    return Counter(json.dumps(example, sort_keys=True) for example in examples)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(rows, documents, st.sampled_from([3, 4096]))
def test_examples_are_those_of_a_plain_loop(make_log, read_examples, given_rows, document, block):
    options = document["examples"]
    earlier, last = expected(given_rows, options)
    log = named_log(make_log, given_rows)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr("reco_core.examples.tfrecord.serialize.BLOCK", block)
        folder = Path(name)
        if not earlier and not last:
            with pytest.raises(DatasetTooSmall, match="lower examples"):
                write_tfrecords(load(document), log, folder, SilentReporter())
            return
        summary = write_tfrecords(load(document), log, folder, SilentReporter())
        files = [file["path"] for file in summary["files"]]
        assert len(files) == 2 * options["tfrecord"]["shards"]
        train = [one for file in files if file.startswith("train") for one in read_examples(folder / file)]
        test = [one for file in files if file.startswith("test") for one in read_examples(folder / file)]
    if options["tfrecord"]["layout"] == "original_2020":
        assert (counted(train), counted(test)) == (earlier, last)
    else:
        assert counted(train + test) == earlier + last
        assert len(train) == round(len(train + test) * options["train_data_fraction"])
    assert summary["examples"] == {"train": len(train), "test": len(test)}


def test_the_older_layout_by_hand(make_log, read_examples, tmp_path):
    log = make_log([("u", item, 0, 5.0) for item in ("3", "1", "7")] + [("v", "1", 0, 5.0), ("v", "3", 0, 5.0)])
    document = {
        "examples": {"max_history_length": 2, "min_timeline_length": 2, "tfrecord": {"layout": "original_2020"}}
    }
    write_tfrecords(load(document), log, tmp_path, SilentReporter())
    assert read_examples(tmp_path / TRAIN) == [{"context": [3, 0], "label": [1]}]
    assert read_examples(tmp_path / TEST) == [{"context": [3, 1], "label": [7]}, {"context": [1, 0], "label": [3]}]
    assert {path.name for path in tmp_path.iterdir()} == {TRAIN, TEST, "movie_vocab.json", "sorted_movie_vocab.json"}


def test_a_log_without_ratings_titles_or_genres(make_log, read_examples, tmp_path):
    log = make_log([("u", item, time, 5.0) for time, item in enumerate(("5", "6", "5", "8"))])
    log = dataclasses.replace(log, ratings=None)
    document = {"examples": {"max_history_length": 3, "min_rating": 4, "tfrecord": {"max_genre_length": 2}}}
    write_tfrecords(load(document), log, tmp_path, SilentReporter())
    found = read_examples(tmp_path / TRAIN) + read_examples(tmp_path / TEST)
    assert sorted(example["context_movie_id"] for example in found) == [[5, 0, 0], [5, 6, 0], [5, 6, 5]]
    for example in found:
        assert example["context_movie_rating"] == [0.0] * 3
        assert example["context_movie_year"] == [0] * 3
        assert example["context_movie_genre"] == ["UNK", "UNK"]
    assert json.loads((tmp_path / "movie_vocab.json").read_text()) == [[5, "", "", 2], [6, "", "", 1], [8, "", "", 1]]
    assert (tmp_path / "movie_genre_vocab.txt").read_text() == "UNK\n"
    assert (tmp_path / "movie_year_vocab.txt").read_text() == "0\n"


def test_genres_come_as_often_as_the_table_has_them(make_log, read_examples, tmp_path):
    log = make_log([("u", item, time, 5.0) for time, item in enumerate("123")], attributes={"1": ("Drama", "War")})
    column = pl.Series("genres", [["Drama", "War", "Drama"], None, []], dtype=pl.List(pl.String))
    log = dataclasses.replace(log, item_features=pl.DataFrame([column]))
    write_tfrecords(load({"examples": {"tfrecord": {"max_genre_length": 4}}}), log, tmp_path, SilentReporter())
    for example in read_examples(tmp_path / TRAIN) + read_examples(tmp_path / TEST):
        assert example["context_movie_genre"] == ["Drama", "War", "Drama", "UNK"]
    assert (tmp_path / "movie_genre_vocab.txt").read_text() == "UNK\nDrama\nWar\n"


def test_what_is_as_frequent_stays_in_the_order_of_the_item_table(make_log, tmp_path):
    log = make_log([("u", item, time, 5.0) for time, item in enumerate("3124")], attributes={})
    table = ItemTable(
        titles=("C (1990)", "A (2000)", None, "D"),
        attribute_name="genres",
        attributes=(("War",), ("Drama", "War"), (), ("Comedy",)),
        file_rows=np.array([2, 4, -1, 0], np.int32),
    )
    config = load({"examples": {"tfrecord": True}})
    write_tfrecords(config, dataclasses.replace(log, item_table=table), tmp_path, SilentReporter())
    assert [movie[0] for movie in json.loads((tmp_path / "movie_vocab.json").read_text())] == [4, 3, 1, 2]
    assert (tmp_path / "movie_genre_vocab.txt").read_text().split() == ["UNK", "War", "Comedy", "Drama"]
    # film 4 has a title without a year, which counts as the year 0; item 2 has no title, and counts as nothing
    assert (tmp_path / "movie_year_vocab.txt").read_text().split() == ["0", "0", "1990", "2000"]


def test_vocabularies_can_be_left_out(make_log, tmp_path):
    log = make_log([("u", item, time, 5.0) for time, item in enumerate("123")])
    config = load({"examples": {"tfrecord": {"build_vocabs": False}}})
    assert write_tfrecords(config, log, tmp_path, SilentReporter())["vocabularies"] == {}
    assert {path.name for path in tmp_path.iterdir()} == {TRAIN, TEST}


@pytest.mark.parametrize(
    ("ids", "code", "said"),
    [
        (("1", "B00X", "3"), "ids_not_integers", "'B00X' is none; number the items"),
        (("1", "1.5", "3"), "ids_not_integers", "'1.5' is none"),
        (("1", "٣", "3"), "ids_not_integers", "is none"),
        (("1", "9223372036854775808", "3"), "ids_not_integers", "'9223372036854775808' is none"),
        (("1", "0", "3"), "id_is_padding", "number the items from 1"),
        (("7", "07", "3"), "ids_not_distinct", "'7' and '07' are the same number"),
    ],
)
def test_ids_that_integers_cannot_stand_for_are_refused(make_log, tmp_path, ids, code, said):
    log = make_log([("u", item, time, 5.0) for time, item in enumerate(ids)])
    with pytest.raises(ConfigInvalid) as caught:
        write_tfrecords(load({"examples": {"tfrecord": True}}), log, tmp_path / "set", SilentReporter())
    assert said in caught.value.message
    assert "leave examples.tfrecord out" in caught.value.message
    assert [(error.pointer, error.code) for error in caught.value.errors] == [("/examples/tfrecord", code)]
    assert not (tmp_path / "set").exists()


def test_progress_ends_at_the_number_of_examples(make_log, tmp_path):
    said = []

    class Listening(SilentReporter):
        def progress(self, done, total, unit, eta_seconds=None):
            said.append((done, total, unit))

    log = make_log([("u", str(item), item, 5.0) for item in range(1, 100)])
    write_tfrecords(load({"examples": {"tfrecord": True}}), log, tmp_path, Listening())
    assert said[-1] == (98, 98, "examples")


def test_many_blocks_and_the_most_genres_fit_the_room_for_headers(make_log, read_examples, tmp_path):
    random = np.random.default_rng(0)
    items = random.integers(1, 500, 2 * serialize.BLOCK + 100)
    names = tuple(f"genre {n} " + "x" * 300 for n in range(9))
    attributes = {str(item): names for item in range(1, 500)}
    log = make_log([("u", str(item), time, 5.0) for time, item in enumerate(items)], attributes=attributes)
    document = {"examples": {"max_history_length": 3, "tfrecord": {"max_genre_length": 12}}}
    write_tfrecords(load(document), log, tmp_path, SilentReporter())
    found = read_examples(tmp_path / TEST)
    assert {tuple(example["context_movie_genre"]) for example in found} <= {
        (names + names[:3]),
        (names + ("UNK",) * 3),
    }
    by_label = Counter((tuple(e["context_movie_id"]), e["label_movie_id"][0]) for e in found)
    pairs = Counter((tuple(map(int, items[at - 3 : at])), int(items[at])) for at in range(3, len(items)))
    assert sum((by_label - pairs).values()) <= 3  # those of the first three places have padding


def long_genres(make_log, count: int):
    """One user who goes along `count` places; ten genres of 40 letters an item."""
    names = tuple(f"genre {n:02d} " + "x" * 31 for n in range(10))
    items = np.random.default_rng(1).integers(1, 90, count)
    attributes = {str(item): names for item in range(1, 90)}
    return make_log([("u", str(item), time, 5.0) for time, item in enumerate(items)], attributes=attributes)


def test_how_many_examples_a_block_has_changes_no_byte(make_log, tmp_path, monkeypatch):
    log = long_genres(make_log, 700)
    config = load({"examples": {"max_history_length": 9, "tfrecord": {"max_genre_length": 80, "shards": 2}}})
    for name, most in (("a", serialize.BLOCK), ("b", 1), ("c", 97)):
        monkeypatch.setattr(serialize, "BLOCK", most)
        write_tfrecords(config, log, tmp_path / name, SilentReporter())
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert len(files["train_movielens_1m.tfrecord-00000-of-00002"]) > 300 * 80 * 40
    for other in ("b", "c"):
        assert {path.name: path.read_bytes() for path in (tmp_path / other).iterdir()} == files


def test_longer_examples_take_no_more_memory(make_log, tmp_path):
    log = long_genres(make_log, 1500)
    peaks, sizes = [], []
    for genres in (100, 1600):
        config = load({"examples": {"max_history_length": 200, "tfrecord": {"max_genre_length": genres}}})
        tracemalloc.start()
        write_tfrecords(config, log, tmp_path / str(genres), SilentReporter())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        sizes.append((tmp_path / str(genres) / TRAIN).stat().st_size)
    assert sizes[1] > 10 * sizes[0]  # 7 MB, which is a block, and 88 MB
    assert peaks[1] < 2 * peaks[0]


def test_asked_to_stop_it_stops_before_the_next_block(make_log, tmp_path, monkeypatch):
    monkeypatch.setattr(serialize, "BLOCK", 10)
    log = long_genres(make_log, 200)
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(1)
        return len(asked) == 4

    with pytest.raises(Interrupted):
        write_tfrecords(load({"examples": {"tfrecord": True}}), log, tmp_path, SilentReporter(), should_stop)
    assert len(asked) == 4
    monkeypatch.setattr(serialize, "BLOCK", 30)
    (tmp_path / "three").mkdir()
    write_tfrecords(load({"examples": {"tfrecord": True}}), log, tmp_path / "three", SilentReporter())
    assert (tmp_path / "three" / TRAIN).read_bytes().startswith((tmp_path / TRAIN).read_bytes())


@pytest.mark.parametrize("fraction", [0.29, 0.57, 0.9])
def test_the_same_lots_as_the_protocol_reference_draws(make_sequences, read_examples, tmp_path, fraction):
    # as floats, 100 * .29 and 100 * .57 lie below 29 and 57
    log = make_sequences("; ".join(f"u{n}: " + " ".join(f"{n + step}" for step in range(1, 12)) for n in range(10)))
    options = {"train_data_fraction": fraction, "tfrecord": True}
    drawn = generate(load({"examples": options, "evaluation": {"protocol": "reference"}, "repeats": True}), log)
    write_tfrecords(load({"examples": options}), log, tmp_path, SilentReporter())
    # user n goes n + 1, n + 2, ... and contexts reach back to the first item: where a label stands follows from its id
    found = [
        11 * (example["context_movie_id"][0] - 1) + example["label_movie_id"][0] - example["context_movie_id"][0]
        for example in read_examples(tmp_path / TEST)
    ]
    assert sorted(found) == drawn.test.labels.tolist()
    assert len(drawn.train) + len(drawn.validation) == round(100 * fraction)
