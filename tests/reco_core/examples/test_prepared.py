"""Examples kept as files: what comes back is what was stored, and nothing damaged comes back."""

from __future__ import annotations

import dataclasses
import errno
import json
import resource
from pathlib import Path

import numpy as np
import pytest

from reco_core import datasets, examples
from reco_core.config import load
from reco_core.errors import ExamplesUnreadable
from reco_core.examples import FeatureTable, Prepared, cache_key, columns, prepare, restore_prepared, store_prepared

CONFIGS = [
    {},
    {"repeats": True, "examples": {"min_rating": 3}},
    {"evaluation": {"protocol": "reference"}, "model": {"item_attribute": None}},
]


def assert_same(found: object, expected: object) -> None:
    """Equal in every field, arrays in dtype and content."""
    if dataclasses.is_dataclass(expected):
        assert type(found) is type(expected)
        for field in dataclasses.fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    else:
        assert found == expected


def with_features(prepared: Prepared) -> Prepared:
    """The same with feature tables of every shape."""
    timelines = prepared.example_set.timelines
    rows = len(timelines.items)
    tables = {
        "hour": FeatureTable("hour", "interaction", np.arange(rows, dtype=np.int32), None, 1, table_rows=rows + 1),
        "price": FeatureTable(
            "price", "item", np.ones(7, np.float32), np.arange(8, dtype=np.int64), 2, mean=1.5, deviation=float("0.25")
        ),
        "city": FeatureTable("city", "user", np.array([2, 1], np.int32), None, 1, ("<pad>", "<oov>", "São Paulo"), 3),
    }
    timelines = dataclasses.replace(timelines, features=tables)
    return dataclasses.replace(prepared, example_set=dataclasses.replace(prepared.example_set, timelines=timelines))


@pytest.mark.parametrize("document", CONFIGS)
def test_what_is_stored_comes_back(document, planted_untidy, tmp_path):
    prepared = with_features(prepare(load(document), planted_untidy))
    assert prepared.data_hash == datasets.content_hash(planted_untidy)
    store_prepared(prepared, tmp_path / "set")
    assert_same(restore_prepared(tmp_path / "set"), prepared)


def test_a_log_without_times_table_or_dropped_users_comes_back(make_sequences, tmp_path):
    prepared = prepare(load({}), make_sequences("u: a b c d; v: d c b a", timed=False))
    assert prepared.example_set.timelines.timestamps is None
    store_prepared(prepared, tmp_path)
    assert_same(restore_prepared(tmp_path), prepared)


def test_storing_again_gives_the_same_bytes_and_replaces_what_was_there(planted, tmp_path):
    store_prepared(with_features(prepare(load({}), planted)), tmp_path / "a")
    for folder in ("a", "b"):
        store_prepared(prepare(load({}), planted), tmp_path / folder)
    assert_same(restore_prepared(tmp_path / "a"), restore_prepared(tmp_path / "b"))
    named = set(json.loads((tmp_path / "b" / "meta.json").read_text())["files"]) | {"meta.json"}
    assert {path.name for path in (tmp_path / "b").iterdir()} == named
    for name in named:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_columns_are_mapped_and_what_is_the_same_is_stored_once(planted, tmp_path):
    store_prepared(prepare(load({}), planted), tmp_path)
    timelines = restore_prepared(tmp_path).example_set.timelines
    assert timelines.items is timelines.seen_items
    assert isinstance(timelines.items.base, np.memmap)


def damage(folder: Path, how: str) -> None:
    column, meta = folder / "timelines.items.npy", folder / "meta.json"
    content = bytearray(column.read_bytes())
    document = json.loads(meta.read_text())
    if how == "a bit":
        content[-3] ^= 1
        column.write_bytes(content)
    elif how == "cut short":
        column.write_bytes(content[:-8])
    elif how == "missing column":
        column.unlink()
    elif how == "missing meta":
        meta.unlink()
    elif how == "meta cut short":
        meta.write_text(meta.read_text()[:-40])
    elif how == "meta without a column":
        del document["files"]["train.labels.npy"]
        meta.write_text(json.dumps(document))
    elif how == "meta without workload":
        del document["workload"]
        meta.write_text(json.dumps(document))
    elif how == "meta is a list":
        meta.write_text("[1]")
    else:
        meta.write_text(json.dumps({**document, "version": 99}))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("a bit", "timelines.items.npy isn't as it was written"),
        ("cut short", "timelines.items.npy isn't as it was written"),
        ("missing column", "not a complete set"),
        ("missing meta", "not a complete set"),
        ("meta cut short", "not a complete set"),
        ("meta without a column", "train.labels.npy is missing"),
        ("meta without workload", "workload"),
        ("meta is a list", "not a complete set"),
        ("another version", "another version"),
    ],
)
def test_damage_is_a_typed_error_with_a_remedy(how, said, planted, tmp_path):
    store_prepared(prepare(load({}), planted), tmp_path)
    damage(tmp_path, how)
    with pytest.raises(ExamplesUnreadable) as caught:
        restore_prepared(tmp_path)
    assert said in caught.value.message
    assert caught.value.message.endswith("make the examples again")


SAME = [
    {"training": {"learning_rate": 0.5}, "encoder": {"type": "rnn"}, "export": {"top_k": 3}},
    {"examples": {"max_history_length": 50, "tfrecord": True, "train_data_fraction": 0.5}},
    {"seed": 9},
    {"examples": {"min_timeline_length": 1}},
]
OTHER = [
    {"repeats": True},
    {"examples": {"min_rating": 3}},
    {"examples": {"min_timeline_length": 4}},
    {"evaluation": {"protocol": "reference"}},
    {"features": {"history": [{"type": "float", "name": "rating"}]}},
    {"model": {"item_attribute": None}},
]


def test_the_key_follows_what_the_examples_are_made_of_and_nothing_else():
    key = cache_key(load({}), "aa")
    assert len(key) == 64
    assert {cache_key(load(document), "aa") for document in SAME} == {key}
    others = {cache_key(load(document), "aa") for document in OTHER} | {cache_key(load({}), "ab")}
    assert key not in others
    assert len(others) == len(OTHER) + 1
    drawn = [{"seed": 0}, {"seed": 1}, {"examples": {"train_data_fraction": 0.5}}]
    assert len({cache_key(load({**one, "evaluation": {"protocol": "reference"}}), "aa") for one in drawn}) == 3


@pytest.mark.parametrize("document", SAME)
def test_where_the_key_is_the_same_the_examples_are(document, planted_untidy):
    """The other half of the promise: a key may leave out only what changes nothing."""
    assert_same(prepare(load(document), planted_untidy), prepare(load({}), planted_untidy))


@pytest.mark.slow
def test_a_bundle_from_stored_examples_is_the_same_to_the_byte(planted, make_config, tmp_path):
    from reco_core import pipeline

    config = make_config(training={"max_epochs": 2})
    store_prepared(prepare(config, planted), tmp_path / "set")
    for name, source in (("log", planted), ("stored", restore_prepared(tmp_path / "set"))):
        (tmp_path / f"{name}.work").mkdir()
        pipeline.run(config, source, tmp_path / name, work=tmp_path / f"{name}.work")
    files = sorted(path.relative_to(tmp_path / "log") for path in (tmp_path / "log").rglob("*") if path.is_file())
    assert len(files) > 8
    for file in files:
        assert (tmp_path / "log" / file).read_bytes() == (tmp_path / "stored" / file).read_bytes(), file
    ranks = [(tmp_path / f"{name}.work" / "ranks.npz").read_bytes() for name in ("log", "stored")]
    assert ranks[0] == ranks[1]


def test_the_stage_has_all_of_it_at_its_door():
    assert set(examples.__all__) >= {"Prepared", "prepare", "cache_key", "store_prepared", "restore_prepared"}


def test_a_write_that_is_cut_short_says_why(tmp_path):
    # a limit on files stands for a disk that is nearly full: both take a part of what is written
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            columns.save_column(tmp_path / "column.npy", np.arange(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG


@pytest.mark.parametrize(
    "column", [np.arange(7, dtype=np.int32), np.zeros((0, 3), np.float32), np.array([True, False])]
)
def test_columns_are_written_as_numpy_does(column, tmp_path):
    columns.save_column(tmp_path / "ours.npy", column)
    np.save(tmp_path / "theirs.npy", column, allow_pickle=False)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()
