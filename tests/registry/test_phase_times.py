from __future__ import annotations

from contextlib import suppress

import pytest

from registry import counters, jobs, leases
from registry.errors import LeaseLost


def phases(world, job_id):
    return [attempt.phases for attempt in world.read(jobs.list_attempts, job_id)]


def sums(world, name):
    return {tuple(sorted(one.labels.items())): one.value for one in world.read(counters.read_all) if one.name == name}


@pytest.fixture
def running(world):
    world.job()
    return world.claim()


def enter(world, claim, phase, seconds):
    world.write(jobs.set_phase, claim, phase)
    world.clock.advance(seconds)


def test_each_phase_that_was_left_has_its_seconds(world, running):
    enter(world, running, "validate", 2)
    assert world.get(running.job_id).phase_started_at is not None
    enter(world, running, "train", 30)
    enter(world, running, "train", 12.5)
    enter(world, running, "publish", 1)
    world.write(jobs.succeed, running, {})
    assert phases(world, running.job_id) == [{"validate": 2.0, "train": 42.5, "publish": 1.0}]
    assert world.get(running.job_id).phase_started_at is None
    assert sums(world, "phase_seconds_sum") == {
        (("phase", "publish"), ("type", "train")): 1.0,
        (("phase", "train"), ("type", "train")): 42.5,
        (("phase", "validate"), ("type", "train")): 2.0,
    }
    assert sums(world, "phase_seconds_bucket")[("le", "60.0"), ("phase", "train"), ("type", "train")] == 1.0


def test_a_resumed_attempt_counts_for_itself(world, running):
    enter(world, running, "train", 10)
    world.write(jobs.release, running)
    world.clock.advance(500)  # nobody works on it
    second = world.claim(running.job_id)
    world.clock.advance(3)  # it starts, and is in no phase yet
    assert world.get(running.job_id).phase_started_at is None
    last_seq = world.get(running.job_id).last_seq
    enter(world, second, "train", 7)
    assert world.get(running.job_id).last_seq == last_seq
    world.write(jobs.fail, second, {"code": "diverged", "message": "", "errors": []})
    assert phases(world, running.job_id) == [{"train": 10.0}, {"train": 7.0}]
    assert sums(world, "phase_seconds_sum") == {(("phase", "train"), ("type", "train")): 17.0}


@pytest.mark.parametrize("by", ["claim", "reaper", "cancel"])
def test_one_that_fell_silent_is_known_until_its_lease(world, running, by):
    enter(world, running, "train", 5000)
    if by == "claim":
        world.claim(running.job_id)
    elif by == "cancel":
        world.write(jobs.request_cancel, running.job_id)
    else:
        world.write(leases.reap, limit=1, republish_seconds=30, max_attempts_without_progress=1)
    assert phases(world, running.job_id)[0] == {"train": 60.0}  # a lease is 60 seconds long


def test_a_lost_attempt_and_a_silent_one(world, running):
    enter(world, running, "train", 4)
    world.write(jobs.attempt_lost, running, {"code": "out_of_memory", "message": ""})
    world.claim(running.job_id)
    world.clock.advance(100)
    world.claim(running.job_id)
    assert phases(world, running.job_id) == [{"train": 4.0}, None, None]
    assert sums(world, "attempts_lost") == {
        (("reason", "lease_expired"), ("type", "train")): 1.0,
        (("reason", "out_of_memory"), ("type", "train")): 1.0,
    }
    assert sums(world, "attempts_started") == {(("type", "train"),): 3.0}
    assert sums(world, "attempts_ended") == {(("outcome", "lost"), ("type", "train")): 2.0}


def test_the_last_attempt_counts_as_what_it_was(world, running):
    killed = {"code": "out_of_memory", "message": ""}
    world.write(jobs.attempt_lost, running, killed, max_attempts_without_progress=1)
    silent = world.claim(world.job().id)
    world.clock.advance(100)
    world.write(leases.reap, limit=1, republish_seconds=30, max_attempts_without_progress=1)
    asked = world.claim(world.job().id)
    world.write(jobs.request_cancel, asked.job_id)
    world.write(jobs.attempt_lost, asked, killed)
    assert [world.get(claim.job_id).status for claim in (running, silent, asked)] == ["failed", "failed", "cancelled"]
    assert sums(world, "attempts_lost") == {
        (("reason", "lease_expired"), ("type", "train")): 1.0,
        (("reason", "out_of_memory"), ("type", "train")): 2.0,
    }


def test_jobs_are_counted_when_they_end(world):
    first, second = world.job(), world.job(type="examples")
    world.clock.advance(20)
    claim = world.claim(first.id)
    world.clock.advance(70)
    world.write(jobs.succeed, claim, {})
    world.write(jobs.request_cancel, second.id)
    world.write(jobs.request_cancel, second.id)
    assert sums(world, "jobs_finished") == {
        (("status", "cancelled"), ("type", "examples")): 1.0,
        (("status", "succeeded"), ("type", "train")): 1.0,
    }
    assert sums(world, "job_seconds_sum") == {(("status", "succeeded"), ("type", "train")): 70.0}
    assert sums(world, "job_wait_seconds_sum") == {(("queue", "train"),): 20.0}


def test_two_reapers_and_two_workers_never_wait_for_each_other(world, in_parallel):
    """A reaper that ends several jobs in one transaction, against workers that end theirs."""
    claims = [world.claim(world.job().id) for _ in range(8)]
    world.clock.advance(61)

    def end(index):
        if index % 2:
            world.reap()
        for claim in claims[index::4]:
            with suppress(LeaseLost):
                world.write(jobs.fail, claim, {"code": "diverged", "message": "", "errors": []})

    in_parallel(4, end)
    assert sum(sums(world, "jobs_finished").values()) == 8
