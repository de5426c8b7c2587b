"""Examples kept for later jobs: bounded, by project, gone with their data; on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from registry import datasets, example_sets, jobs, tables
from registry.errors import LeaseLost

KEYS = ["1" * 64, "2" * 64, "3" * 64]
DATA = "c" * 64  # what `world.dataset()` has


@pytest.fixture
def keep(world: Any, make_file: Any) -> Any:
    """Keeps a set of two files, `size` bytes in all, as a job of the default project; whether it was kept."""
    claim = world.claim(world.job().id)

    def make(key: str, size: int = 100, max_bytes: int = 250) -> bool:
        entries = [make_file("a.npy", key[0], size - 1), make_file("meta/b.json", "b", 1)]
        world.clock.advance(1)
        kept: bool = world.write(
            example_sets.keep, claim, key=key, data_hash=DATA, entries=entries, max_bytes=max_bytes
        )
        return kept

    return make


def kept(world: Any) -> list[str]:
    return [key for key in KEYS if world.read(example_sets.find, "default", key) is not None]


def test_a_set_is_found_by_its_key_with_its_files(world: Any, keep: Any) -> None:
    assert keep(KEYS[0])
    found = world.read(example_sets.find, "default", KEYS[0])
    assert [entry.path for entry in found.files] == ["a.npy", "meta/b.json"]
    assert (found.bytes, found.data_hash) == (100, DATA)
    assert world.read(example_sets.find, "another", KEYS[0]) is None
    assert world.read(example_sets.find, "default", KEYS[1]) is None


def test_what_was_unused_for_longest_makes_room(world: Any, keep: Any) -> None:
    assert keep(KEYS[0])
    assert keep(KEYS[1])
    world.clock.advance(1)
    world.write(example_sets.touch, "default", KEYS[0])
    assert keep(KEYS[2])
    assert kept(world) == [KEYS[0], KEYS[2]]
    rows = world.dump()
    assert len(rows["example_sets"]) == 2
    assert len(rows["files"]) == 4


def test_the_same_key_again_is_a_use_of_it(world: Any, keep: Any) -> None:
    assert keep(KEYS[0])
    assert keep(KEYS[1])
    assert keep(KEYS[0])
    assert keep(KEYS[2])
    assert kept(world) == [KEYS[0], KEYS[2]]


def test_a_set_larger_than_the_limit_is_not_kept_and_nothing_makes_room_for_it(world: Any, keep: Any) -> None:
    assert keep(KEYS[0])
    assert not keep(KEYS[1], size=251)
    assert not keep(KEYS[1], max_bytes=0)
    assert kept(world) == [KEYS[0]]


def test_only_the_holder_of_the_job_keeps_any(world: Any, make_file: Any) -> None:
    claim = world.claim(world.job().id)
    world.write(jobs.release, claim)
    before = world.dump()
    with pytest.raises(LeaseLost):
        world.write(example_sets.keep, claim, key=KEYS[0], data_hash=DATA, entries=[make_file("a")], max_bytes=1000)
    assert world.dump() == before


def test_dropping(world: Any, keep: Any) -> None:
    keep(KEYS[0])
    keep(KEYS[1])
    assert world.write(example_sets.drop, "default", KEYS[0])
    assert not world.write(example_sets.drop, "default", KEYS[0])
    assert not world.write(example_sets.drop, "another", KEYS[1])
    assert kept(world) == [KEYS[1]]


def test_they_go_with_the_last_dataset_of_the_same_content(world: Any, keep: Any) -> None:
    one, other = world.dataset("one"), world.dataset("other")
    keep(KEYS[0])
    world.write(datasets.delete, one.id)
    assert kept(world) == [KEYS[0]]
    world.write(datasets.delete, other.id)
    assert kept(world) == []
    with world.database.read() as session:
        assert session.execute(tables.files.select().where(tables.files.c.owner_id.like("exs_%"))).all() == []


def test_many_keep_the_same_at_once(world: Any, make_file: Any, in_parallel: Any) -> None:
    claims = [world.claim(world.job().id) for _ in range(4)]

    def one(index: int) -> bool:
        entries = [make_file("a.npy"), make_file("b.npy", "b")]
        done: bool = world.write(
            example_sets.keep, claims[index], key=KEYS[0], data_hash=DATA, entries=entries, max_bytes=1000
        )
        return done

    assert in_parallel(4, one) == [True] * 4
    assert len(world.dump()["example_sets"]) == 1
    assert len(world.read(example_sets.find, "default", KEYS[0]).files) == 2
