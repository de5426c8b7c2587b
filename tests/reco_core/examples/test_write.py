"""Examples as a folder: what is in it, that it comes in one step, and that the same input gives the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reco_core import datasets
from reco_core.config import load
from reco_core.errors import ConfigInvalid, DatasetTooSmall, Interrupted, OutputExists
from reco_core.examples import write_examples
from reco_core.progress import SilentReporter

RECORDS = {"examples": {"tfrecord": True}}


def written(document, interactions, folder: Path):
    return write_examples(load(document), interactions, folder, SilentReporter())


@pytest.fixture(scope="module")
def interactions(reference_log):
    return datasets.load(reference_log, datasets.DatasetSpec())


@pytest.mark.parametrize("document", [RECORDS, {}])
def test_the_summary_names_every_file_and_the_same_input_gives_the_same_bytes(document, interactions, tmp_path):
    summary = written(document, interactions, tmp_path / "a")
    assert json.loads((tmp_path / "a" / "summary.json").read_text()) == json.loads(json.dumps(summary))
    files = {
        path.relative_to(tmp_path / "a").as_posix(): path for path in (tmp_path / "a").rglob("*") if path.is_file()
    }
    assert {file["path"]: file["bytes"] for file in summary["files"]} == {
        name: path.stat().st_size for name, path in files.items() if name != "summary.json"
    }
    (tmp_path / "b").mkdir()  # an empty folder is as good as none
    assert written(document, interactions, tmp_path / "b") == summary
    for name, path in files.items():
        assert (tmp_path / "b" / name).read_bytes() == path.read_bytes(), name
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_with_tfrecords_the_counts_are_theirs(interactions, tmp_path):
    summary = written(RECORDS, interactions, tmp_path / "set")
    assert summary["examples"] == {"train": 527, "test": 59}
    assert (summary["users"], summary["dropped_users"]) == (40, 20)
    assert (summary["rows"], summary["items"]) == (656, 140)
    assert summary["protocol"] is None
    assert summary["data_hash"] == datasets.content_hash(interactions)
    assert summary["tfrecord"]["vocabularies"]["movie_vocab.json"] == 140


def test_without_tfrecords_the_counts_are_those_of_training(planted, tmp_path):
    summary = written({}, planted, tmp_path / "set")
    assert summary["protocol"] == "leave_one_out"
    assert summary["examples"]["test"] == summary["users"] == 300
    assert summary["tfrecord"] is None
    ids = (tmp_path / "set" / "vocabulary" / "items.txt").read_text().splitlines()
    assert ids[0] == "<pad>"
    assert sorted(ids[1:]) == sorted(planted.item_ids)


def test_another_seed_draws_other_pairs(interactions, tmp_path):
    train = "train_movielens_1m.tfrecord"
    for seed in (0, 1):
        written({**RECORDS, "seed": seed}, interactions, tmp_path / str(seed))
    assert (tmp_path / "0" / train).read_bytes() != (tmp_path / "1" / train).read_bytes()


def test_a_folder_with_something_in_it_is_left_alone(interactions, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("mine")
    with pytest.raises(OutputExists, match="name another folder"):
        written(RECORDS, interactions, tmp_path / "set")
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "mine.txt"]


def test_failure_leaves_nothing_behind(make_sequences, tmp_path):
    log = make_sequences("u: a b c d; v: b c a")
    with pytest.raises(ConfigInvalid):
        written(RECORDS, log, tmp_path / "set")
    with pytest.raises(DatasetTooSmall):
        written({"examples": {"min_timeline_length": 9}}, log, tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_asked_to_stop_it_leaves_nothing_behind(interactions, tmp_path):
    with pytest.raises(Interrupted):
        write_examples(load(RECORDS), interactions, tmp_path / "set", SilentReporter(), lambda: True)
    assert list(tmp_path.iterdir()) == []
