"""The original toolkit's own output under three option sets, beside ours from the same files.

Its examples are kept as one JSON object a line, train and test together, its vocabularies as it wrote them.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from reco_core import datasets
from reco_core.config import load
from reco_core.examples.tfrecord import write_tfrecords
from reco_core.progress import SilentReporter

SETS = ("defaults", "app", "rated")
TRAIN, TEST = "train_movielens_1m.tfrecord", "test_movielens_1m.tfrecord"


def config_of(options: dict[str, Any], **tfrecord: Any) -> Any:
    """Our config for the original's options."""
    return load(
        {
            "examples": {
                "min_timeline_length": options["min_timeline_length"],
                "max_history_length": options["max_context_length"],
                "min_rating": options.get("min_rating"),
                "train_data_fraction": options.get("train_data_fraction", 0.9),
                "tfrecord": {"max_genre_length": options["max_context_movie_genre_length"], **tfrecord},
            }
        }
    )


def counted(examples: list[dict[str, list[Any]]]) -> Counter[str]:
    return Counter(json.dumps(example, sort_keys=True, ensure_ascii=True) for example in examples)


@pytest.fixture(scope="module")
def interactions(reference_log):
    return datasets.load(reference_log, datasets.DatasetSpec())


@pytest.fixture(params=SETS)
def reference(request, reference_log, interactions, tmp_path):
    """(the original's folder, its options file, our folder, our summary)."""
    folder = reference_log / request.param
    facts = json.loads((folder / "options.json").read_text())
    summary = write_tfrecords(config_of(facts["options"]), interactions, tmp_path, SilentReporter())
    return folder, facts, tmp_path, summary


def originals(folder: Path) -> Counter[str]:
    lines = (folder / "examples.jsonl").read_text(encoding="utf-8").splitlines()
    return counted([json.loads(line) for line in lines])


def test_the_examples_are_the_originals(reference, read_examples):
    folder, facts, ours, summary = reference
    train, test = read_examples(ours / TRAIN), read_examples(ours / TEST)
    assert counted(train + test) == originals(folder)
    assert (len(train), len(test)) == (facts["train_size"], facts["test_size"])
    assert summary["examples"] == {"train": facts["train_size"], "test": facts["test_size"]}


def test_the_vocabularies_are_the_originals_to_the_byte(reference):
    folder, facts, ours, summary = reference
    names = sorted(path.name for path in folder.iterdir() if "vocab" in path.name)
    assert names == ["movie_genre_vocab.txt", "movie_vocab.json", "movie_year_vocab.txt"]
    for name in names:
        assert (ours / name).read_bytes() == (folder / name).read_bytes(), name
    assert summary["vocabularies"]["movie_vocab.json"] == facts["vocab_size"]
    # what the app reads says the same of the same movies
    app = json.loads((ours / "sorted_movie_vocab.json").read_text())
    listed = [[movie["id"], movie["title"], "|".join(movie["genres"]), movie["count"]] for movie in app]
    assert listed == json.loads((folder / "movie_vocab.json").read_text())
    assert max(movie["id"] for movie in app) == facts["vocab_max_id"]


@pytest.mark.slow
def test_tensorflow_reads_the_same_examples(tensorflow_runtime, reference):
    import tensorflow as tf

    folder, facts, ours, _ = reference
    length, genres = facts["options"]["max_context_length"], facts["options"]["max_context_movie_genre_length"]
    spec = {
        "context_movie_id": tf.io.FixedLenFeature([length], tf.int64),
        "context_movie_rating": tf.io.FixedLenFeature([length], tf.float32),
        "context_movie_genre": tf.io.FixedLenFeature([genres], tf.string),
        "context_movie_year": tf.io.FixedLenFeature([length], tf.int64),
        "label_movie_id": tf.io.FixedLenFeature([1], tf.int64),
    }
    found = []
    for record in tf.data.TFRecordDataset([str(ours / TRAIN), str(ours / TEST)]):
        example = {name: value.numpy().tolist() for name, value in tf.io.parse_single_example(record, spec).items()}
        example["context_movie_genre"] = [genre.decode() for genre in example["context_movie_genre"]]
        found.append(example)
    assert counted(found) == originals(folder)


def test_shards_hold_the_same_examples_in_the_same_order(reference, interactions, read_examples):
    _, facts, whole, _ = reference
    for name in (TRAIN, TEST):
        assert (whole / name).exists()
    sharded = whole / "sharded"
    summary = write_tfrecords(config_of(facts["options"], shards=3), interactions, sharded, SilentReporter())
    names = [f"{name}-{number:05d}-of-00003" for name in (TRAIN, TEST) for number in range(3)]
    assert [file["path"] for file in summary["files"]] == names
    assert {path.name for path in sharded.iterdir() if ".tfrecord" in path.name} == set(names)
    for name in (TRAIN, TEST):
        parts = [sharded / f"{name}-{number:05d}-of-00003" for number in range(3)]
        assert b"".join(part.read_bytes() for part in parts) == (whole / name).read_bytes()
        sizes = [len(read_examples(part)) for part in parts]
        assert max(sizes) - min(sizes) <= 1


def test_a_table_in_another_order_gives_ties_in_that_order(reference_log, tmp_path):
    """The original sorts what the file has, and its sort is stable."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "ratings.dat").write_bytes((reference_log / "ratings.dat").read_bytes())
    lines = (reference_log / "movies.dat").read_bytes().splitlines(keepends=True)
    (tmp_path / "log" / "movies.dat").write_bytes(b"".join(reversed(lines)))
    log = datasets.load(tmp_path / "log", datasets.DatasetSpec())
    write_tfrecords(load({"examples": {"tfrecord": True}}), log, tmp_path / "set", SilentReporter())
    movies = json.loads((reference_log / "defaults" / "movie_vocab.json").read_text())
    by_id = sorted(movies, key=lambda movie: -movie[0])  # the file's order, turned round
    expected = sorted(by_id, key=lambda movie: -movie[3])
    assert json.loads((tmp_path / "set" / "movie_vocab.json").read_text()) == expected
    genres = Counter(genre for movie in by_id for genre in movie[2].split("|"))
    assert (tmp_path / "set" / "movie_genre_vocab.txt").read_text().splitlines() == [
        "UNK",
        *(genre for genre, _ in genres.most_common()),
    ]
