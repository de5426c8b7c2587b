"""Files of weights: self-contained, atomic, and checked when read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reco_core.errors import CheckpointMismatch

HISTORY = ({"loss": 3.0, "ndcg@10": 0.1}, {"loss": 2.0, "ndcg@10": 0.3}, {"loss": 1.0, "ndcg@10": 0.3})


@pytest.fixture
def files(tensorflow_runtime):
    from reco_core.training import weights

    return weights


@pytest.fixture
def one(files, make_config):
    info = files.info_of(make_config("cnn", export={"top_k": 3}), "ab" * 32, HISTORY, 1)
    arrays = (np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(4, np.float32))
    return files.ModelWeights(info, ("<pad>", "é", "b"), ("table", "bias"), arrays)


def test_all_of_it_comes_back(files, one, tmp_path):
    path = tmp_path / "new" / "one.npz"
    files.write_weights(path, one)
    found = files.read_weights(path)
    assert (found.info, found.item_ids, found.names) == (one.info, one.item_ids, one.names)
    assert all(np.array_equal(*pair) for pair in zip(found.arrays, one.arrays, strict=True))
    assert (found.info.epoch, found.info.epochs, found.info.best_epoch) == (1, 3, 2)  # the first of equals
    assert found.info.metrics == HISTORY[0]
    assert "tensorflow" in " ".join(found.info.packages)


def test_the_same_weights_give_the_same_bytes_and_no_pickle(files, one, tmp_path):
    for name in ("a.npz", "b.npz"):
        files.write_weights(tmp_path / name, one)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x05\x06" + bytes(18), None])
def test_other_files_are_refused(files, tmp_path, content):
    path = tmp_path / "other.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointMismatch, match="not a readable file of weights"):
        files.read_weights(path)


def altered(files, one, path: Path, change) -> None:
    """The file with another header."""
    files.write_weights(path, one)
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays.pop("header").tobytes())
    change(header)
    files.write_arrays(path, header, arrays)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda header: header.update(format_version=9), "has format 9"),
        (lambda header: header["info"]["config"]["model"].update(depth=3), "/model/depth"),
        (lambda header: header["info"].update(more=1), "isn't what this version writes"),
    ],
)
def test_what_another_version_wrote_is_named(files, one, tmp_path, change, said):
    path = tmp_path / "one.npz"
    altered(files, one, path, change)
    with pytest.raises(CheckpointMismatch, match=said):
        files.read_weights(path)


def test_weights_are_assigned_by_name(files, tensorflow_runtime, make_planted, make_config):
    from reco_core import model
    from reco_core.examples import generate

    config = make_config("cnn")
    vocabulary = generate(config, make_planted(4, users=30, items=20)).vocabulary
    source = model.build(config, vocabulary)
    names = files.weight_names(source)
    assert len(set(names)) == len(names) == len(source.trainable_variables)
    arrays = tuple(variable.numpy() + 1 for variable in source.trainable_variables)
    info = files.info_of(config, "ab" * 32, HISTORY, 1)
    shuffled = files.ModelWeights(info, vocabulary.item_ids, names[::-1], arrays[::-1])
    target = model.build(config, vocabulary)
    files.assign_weights(target, shuffled)
    assert all(np.array_equal(v.numpy(), a) for v, a in zip(target.trainable_variables, arrays, strict=True))
    with pytest.raises(CheckpointMismatch, match="there is a weight more, which this model lacks"):
        files.assign_weights(target, replace(shuffled, names=(*names[::-1], "more"), arrays=(*arrays[::-1], arrays[0])))
