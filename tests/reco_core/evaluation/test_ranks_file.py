from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reco_core.errors import RanksUnreadable
from reco_core.evaluation import HistoryBatch, evaluate, read_ranks, write_ranks
from reco_core.evaluation.ranks_file import hash_test_set
from reco_core.examples import Examples, ExampleSet

HASH = "d" * 64


def by_index(batch: HistoryBatch) -> np.ndarray:
    return np.tile(-np.arange(42, dtype=np.float32), (len(batch), 1))


def test_what_was_written_is_read_back_and_names_nobody(random_set: ExampleSet, tmp_path: Path) -> None:
    found = evaluate(by_index, random_set, "test", bootstrap_samples=0)
    for name in ("a", "b"):
        write_ranks(tmp_path / name, found, random_set, HASH, repeats=False)
    read = read_ranks(tmp_path / "a")
    assert np.array_equal(read.ranks, found.ranks)
    assert np.array_equal(read.users, np.arange(90))
    assert read.test_set == hash_test_set(random_set, random_set.test, HASH, repeats=False)
    content = (tmp_path / "a").read_bytes()
    assert content == (tmp_path / "b").read_bytes()
    assert len(content) < 90 * 8 + 1200  # two numbers an example and the header: no room for ids


def test_users_are_numbered_in_order(random_set: ExampleSet, tmp_path: Path) -> None:
    chosen = Examples(random_set.test.users[[3, 3, 7]], random_set.test.labels[[3, 3, 7]])
    few = replace(random_set, test=chosen)
    write_ranks(tmp_path / "few", evaluate(by_index, few, "test", bootstrap_samples=0), few, HASH, repeats=False)
    assert read_ranks(tmp_path / "few").users.tolist() == [0, 0, 1]


def test_the_hash_tells_test_sets_apart(random_set: ExampleSet) -> None:
    test, timelines = random_set.test, random_set.timelines
    other_items = replace(timelines, items=np.roll(timelines.items, 1))
    other_seen = replace(timelines, seen_items=np.roll(timelines.seen_items, 1))
    hashes = [
        hash_test_set(random_set, test, HASH, repeats=False),
        hash_test_set(random_set, test, HASH, repeats=True),
        hash_test_set(random_set, test, "e" * 64, repeats=False),
        hash_test_set(random_set, random_set.validation, HASH, repeats=False),
        hash_test_set(random_set, Examples(test.users[:-1], test.labels[:-1]), HASH, repeats=False),
        hash_test_set(replace(random_set, timelines=other_items), test, HASH, repeats=False),
        hash_test_set(replace(random_set, timelines=other_seen), test, HASH, repeats=False),
    ]
    assert len(set(hashes)) == len(hashes)
    assert hash_test_set(random_set, test, HASH, repeats=False) == hashes[0]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"{}", b"x" * 100])
def test_something_else_is_a_typed_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ranks.npz").write_bytes(content)
    with pytest.raises(RanksUnreadable, match=r"ranks\.npz"):
        read_ranks(tmp_path / "ranks.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"ranks": np.ones(2, np.int32)},
        {"ranks": np.ones(3, np.float64)},
        {"header": np.frombuffer(b'{"format_version": 2, "test_set": "x"}', np.uint8)},
        {"header": np.frombuffer(b"[]", np.uint8)},
        {"users": np.array([None], object)},
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path: Path, change: dict[str, np.ndarray]) -> None:
    header = np.frombuffer(b'{"format_version": 1, "test_set": "x"}', np.uint8)
    arrays = {"header": header, "users": np.arange(3, dtype=np.int32), "ranks": np.ones(3, np.int32)}
    np.savez(tmp_path / "ranks.npz", **{**arrays, **change})
    with pytest.raises(RanksUnreadable):
        read_ranks(tmp_path / "ranks.npz")
