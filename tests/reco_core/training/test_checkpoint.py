"""Checkpoint files: complete or absent, checked when read."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from reco_core.errors import CheckpointMismatch

SHAPES = {"model": [(2, 3), ()], "optimizer": [(4,)]}


@pytest.fixture
def files(tensorflow_runtime):
    from reco_core.training import checkpoint

    return checkpoint


@pytest.fixture
def one(files):
    random = np.random.default_rng(0)
    return files.Checkpoint(
        identity="a run",
        progress=files.Progress(
            epoch=3, step=7, loss_sum=1 / 3, best_epoch=2, best_value=0.1, history=({"loss": 0.1},) * 3
        ),
        model=(random.normal(size=(2, 3)).astype(np.float32), np.float32(5)),
        optimizer=(np.arange(4),),
        best=(random.normal(size=(2, 3)).astype(np.float32), np.float32(6)),
        kept={2: (np.arange(3.0), np.float32(7)), 10: (np.arange(4.0), np.float32(8))},
        points=random.normal(size=(2, 5)),
        before=files.Before(((np.arange(2.0),), (np.arange(3.0),)), 9),
    )


def at_step(one, step: int):
    return replace(one, progress=replace(one.progress, step=step))


def test_all_of_it_comes_back(files, one, tmp_path):
    path = files.write_checkpoint(tmp_path / "new", one)
    found = files.read_checkpoint(path, "a run")
    found.require(SHAPES)
    assert (found.identity, found.progress) == (one.identity, one.progress)
    for group in ("model", "optimizer", "best"):
        for left, right in zip(getattr(found, group), getattr(one, group), strict=True):
            assert np.array_equal(left, right)
            assert left.dtype == np.asarray(right).dtype
    assert list(found.kept) == [2, 10]
    for epoch, arrays in one.kept.items():
        assert all(np.array_equal(*pair) for pair in zip(found.kept[epoch], arrays, strict=True))
    assert np.array_equal(found.points, one.points)
    assert [[array.tolist() for array in arrays] for arrays in found.before.teachers] == [[[0, 1]], [[0, 1, 2]]]
    assert found.before.steps == 9
    assert path.name == "checkpoint-00003-0000007.npz"


@pytest.mark.parametrize(
    ("identity", "shapes", "said"),
    [
        ("another run", SHAPES, "another config, dataset or version"),
        ("a run", {**SHAPES, "model": [(2, 4), ()]}, "model arrays have shapes"),
        ("a run", {**SHAPES, "optimizer": []}, "optimizer arrays have shapes"),
    ],
)
def test_what_belongs_elsewhere_is_refused(files, one, tmp_path, identity, shapes, said):
    path = files.write_checkpoint(tmp_path, one)
    with pytest.raises(CheckpointMismatch, match=said):
        files.read_checkpoint(path, identity).require(shapes)


def test_every_damaged_file_is_refused(files, one, tmp_path):
    whole = files.write_checkpoint(tmp_path, one).read_bytes()
    path = tmp_path / "damaged.npz"
    for length in [0, 1, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointMismatch, match="not a readable checkpoint"):
            files.read_checkpoint(path, "a run")
    at = whole.index(np.asarray(one.model[0]).tobytes())
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(CheckpointMismatch, match="not a readable checkpoint"):
        files.read_checkpoint(path, "a run")


@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY\x01\x00", b"PK\x05\x06" + bytes(18), None])
def test_other_files_are_refused(files, tmp_path, content):
    path = tmp_path / "other.npz"
    if content is None:
        with path.open("wb") as file:
            np.save(file, np.arange(3))  # a single array
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointMismatch, match="not a readable checkpoint"):
        files.read_checkpoint(path, "a run")


@pytest.mark.parametrize("header", [b"{", b"{}", b"[]", b'{"identity": "a run", "progress": {"other": 1}}'])
def test_a_header_that_says_something_else_is_refused(files, tmp_path, header):
    path = tmp_path / "other.npz"
    np.savez(path, header=np.frombuffer(header, np.uint8))
    with pytest.raises(CheckpointMismatch, match="not a readable checkpoint"):
        files.read_checkpoint(path, "a run")


def test_those_of_other_versions_are_refused_by_what_they_are(files, tmp_path):
    path = tmp_path / "older.npz"  # it says nothing of teachers
    header = b'{"identity": "another run", "progress": {}, "kept": []}'
    np.savez(path, header=np.frombuffer(header, np.uint8))
    with pytest.raises(CheckpointMismatch, match="another config, dataset or version"):
        files.read_checkpoint(path, "a run")


def test_pickled_objects_are_refused(files, tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, header=np.array([{"a": 1}], dtype=object))
    with pytest.raises(CheckpointMismatch):
        files.read_checkpoint(path, "a run")


def test_an_absent_file_is_refused(files, tmp_path):
    with pytest.raises(CheckpointMismatch):
        files.read_checkpoint(tmp_path / "absent.npz", "a run")


def test_a_write_that_dies_leaves_the_old_checkpoint(files, one, tmp_path, monkeypatch):
    old = files.write_checkpoint(tmp_path, one)
    before = old.read_bytes()

    def die(file, **_):
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", die)
    with pytest.raises(KeyboardInterrupt):
        files.write_checkpoint(tmp_path, replace(one, identity="b"))  # the same name
    monkeypatch.undo()
    assert files.latest_checkpoint(tmp_path) == old
    assert old.read_bytes() == before
    files.write_checkpoint(tmp_path, one)  # what the dead one left is no obstacle
    assert [path.name for path in tmp_path.iterdir()] == [old.name]


def test_the_last_three_are_kept(files, one, tmp_path):
    written = [files.write_checkpoint(tmp_path, at_step(one, step)) for step in (1, 2, 3, 10)]
    assert sorted(tmp_path.iterdir()) == sorted(written[1:])
    assert files.latest_checkpoint(tmp_path) == written[-1]


def test_there_may_be_none(files, tmp_path):
    assert files.latest_checkpoint(tmp_path / "absent") is None


def test_a_run_that_came_further_before_does_not_push_out_this_one(files, one, tmp_path):
    for step in (90, 91, 92):
        old = files.write_checkpoint(tmp_path, at_step(one, step))
        os.utime(old, (1, 1))
    first = files.write_checkpoint(tmp_path, at_step(one, 1))
    assert first.exists()
    assert files.latest_checkpoint(tmp_path) == first
