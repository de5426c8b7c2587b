"""Work that one process at a time does, by clocks that may be wrong and set right."""

from __future__ import annotations

from typing import Any

import pytest

from registry import duties

NAME = "work"
YEAR = 365 * 86400.0


@pytest.fixture
def take(world: Any) -> Any:
    def call(owner: str, every_seconds: float = 0) -> bool:
        taken: bool = world.write(duties.take, NAME, owner, seconds=60, every_seconds=every_seconds)
        return taken

    return call


@pytest.fixture
def owner(world: Any) -> Any:
    return lambda: world.write(duties.owner_of, NAME, seconds=60)


def test_one_at_a_time(world, take, owner):
    assert owner() is None
    assert take("one")
    assert not take("two")
    assert owner() == "one"
    world.clock.advance(59)
    assert take("one")  # stays at it
    world.clock.advance(59)
    assert not take("two")
    world.clock.advance(1)  # was killed
    assert owner() is None
    assert take("two")


def test_not_again_too_soon(world, take):
    assert take("one", 3600)
    world.write(duties.leave, NAME, "one", done=True)
    world.clock.advance(3599)
    assert not take("two", 3600)
    world.clock.advance(1)
    assert take("two", 3600)


class TestAClockThatIsSetBack:
    def test_far(self, world, take, owner):
        """Both who is at it, and when it was done, were of a day that is long to come."""
        world.clock.advance(10 * YEAR)
        assert take("one", 3600)
        world.write(duties.leave, NAME, "one", done=True)
        assert take("killed")
        world.clock.advance(-10 * YEAR)
        assert owner() is None
        assert take("two", 3600)
        assert owner() == "two"

    def test_done_and_by_nobody_since(self, world, take):
        world.clock.advance(10 * YEAR)
        assert take("one", 3600)
        world.write(duties.leave, NAME, "one", done=True)
        world.clock.advance(-10 * YEAR)
        assert take("two", 3600)

    def test_a_little(self, world, take, owner):
        """What may be true is believed."""
        assert take("one")
        world.clock.advance(-30)
        assert owner() == "one"
        assert not take("two")
        assert take("one")
        world.write(duties.leave, NAME, "one", done=True)
        world.clock.advance(-30)
        assert not take("two", 3600)


def test_what_anybody_may_do_is_noted_without_an_owner(world):
    name = duties.look_through("train")
    assert world.read(duties.done_at, name) is None
    for _ in range(2):
        world.clock.advance(60)
        world.write(duties.note_done, name)
        assert world.read(duties.done_at, name) == world.clock()
