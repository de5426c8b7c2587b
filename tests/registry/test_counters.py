from __future__ import annotations

import pytest

from registry import counters


def values(world):
    return {(one.name, counters.canonical(one.labels)): one.value for one in world.read(counters.read_all)}


def test_sums_grow_over_transactions(world):
    for _ in range(2):
        with world.database.write() as session:
            counters.add(session, "made", {"type": "train", "a": "1"})
            counters.add(session, "made", {"a": "1", "type": "train"}, 2.5)
            counters.add(session, "made", {"a": "2", "type": "train"})
    assert values(world) == {("made", '{"a":"1","type":"train"}'): 7.0, ("made", '{"a":"2","type":"train"}'): 2.0}


def test_a_rolled_back_transaction_counts_nothing(world):
    def break_off(session):
        counters.add(session, "made", {})
        raise InterruptedError

    with pytest.raises(InterruptedError):
        world.write(break_off)
    assert values(world) == {}


def test_sums_never_fall(world):
    world.write(counters.add, "made", {}, 3)
    world.write(counters.add, "made", {}, -5)
    assert values(world) == {("made", "{}"): 3.0}


def test_a_duration_is_in_one_bucket_and_in_the_sum(world):
    for seconds in (0.05, 5.0, 5.1, 1e9, -2):
        world.write(counters.observe, "wait", {"queue": "train"}, seconds)
    assert values(world) == {
        ("wait_bucket", '{"le":"1.0","queue":"train"}'): 2.0,
        ("wait_bucket", '{"le":"5.0","queue":"train"}'): 1.0,
        ("wait_bucket", '{"le":"15.0","queue":"train"}'): 1.0,
        ("wait_bucket", '{"le":"+Inf","queue":"train"}'): 1.0,
        ("wait_sum", '{"queue":"train"}'): pytest.approx(1e9 + 10.15),
    }


def test_many_at_once_lose_nothing_and_never_wait_for_each_other(world, in_parallel):
    """Half of them in the opposite order: rows locked one by one would be a deadlock."""

    def count(index):
        names = ["a", "b", "c"] if index % 2 else ["c", "b", "a"]
        for _ in range(10):
            with world.database.write() as session:
                for name in names:
                    counters.add(session, name, {})

    in_parallel(6, count)
    assert set(values(world).values()) == {60.0}
