"""A stale claim can't write: whatever it tries raises LeaseLost, and no row of any table changes."""

from __future__ import annotations

import pytest

from registry import datasets, jobs, leases, models
from registry.errors import LeaseLost

ERROR = {"code": "diverged", "message": "loss is NaN", "errors": []}
WRITES = {
    "heartbeat": lambda session, claim: leases.heartbeat(session, claim, 60),
    "set_phase": lambda session, claim: jobs.set_phase(session, claim, "train"),
    "record_progress": lambda session, claim: jobs.record_progress(session, claim, done=1, total=2, unit="steps"),
    "record_epoch": lambda session, claim: jobs.record_epoch(session, claim, 1, {"loss": 1.0}),
    "append_log": lambda session, claim: jobs.append_log(session, claim, ["line"]),
    "promote_checkpoint": lambda session, claim: jobs.promote_checkpoint(session, claim, "b" * 64, 4, 1, 0),
    "succeed": lambda session, claim: jobs.succeed(session, claim, {}),
    "fail": lambda session, claim: jobs.fail(session, claim, ERROR),
    "cancelled": lambda session, claim: jobs.cancelled(session, claim),
    "release": lambda session, claim: jobs.release(session, claim),
    "attempt_lost": lambda session, claim: jobs.attempt_lost(session, claim, ERROR),
    "publish_version": lambda session, claim: models.publish_version(
        session, claim, model="m", files=[], metrics={}, manifest={}
    ),
    "mark_ready": lambda session, claim: datasets.mark_ready(
        session, claim, report={}, content_hash="c" * 64, files=[]
    ),
    "mark_invalid": lambda session, claim: datasets.mark_invalid(session, claim, error=ERROR),
}


def taken_over(world, claim):
    world.clock.advance(61)
    assert world.claim(claim.job_id, worker="w2").fence == claim.fence + 1


def released(world, claim):
    world.write(jobs.release, claim)


def lost(world, claim):
    world.write(jobs.attempt_lost, claim, ERROR)


def ended(world, claim):
    world.write(jobs.succeed, claim, {})


def cancelled_by_reaper(world, claim):
    world.write(jobs.request_cancel, claim.job_id)
    world.clock.advance(61)
    assert world.reap().cancelled == (claim.job_id,)


@pytest.mark.parametrize("staleness", [taken_over, released, lost, ended, cancelled_by_reaper])
def test_no_write_of_a_stale_claim_lands(world, staleness):
    with world.database.write() as session:
        dataset = datasets.create(session, name="x", spec={})
    claim = world.claim(dataset.validation_job_id)
    staleness(world, claim)
    before = world.dump()
    for name, write in WRITES.items():
        with pytest.raises(LeaseLost):
            world.write(write, claim)
        assert world.dump() == before, name


@pytest.mark.parametrize("name", sorted(WRITES))
def test_each_of_these_writes_lands_with_a_good_claim(world, name):
    """Else the test above would pass for writes that never do anything."""
    with world.database.write() as session:
        dataset = datasets.create(session, name="x", spec={})
    claim = world.claim(dataset.validation_job_id)
    before = world.dump()
    world.clock.advance(1)
    world.write(WRITES[name], claim)
    assert world.dump() != before


def test_a_version_and_the_end_of_its_job_are_one_step(world, make_file):
    claim = world.claim(world.job().id)
    world.clock.advance(61)
    second = world.claim(claim.job_id, worker="w2")

    def publish(session, claim):
        version = models.publish_version(
            session, claim, model="m", files=[make_file("model.tflite")], metrics={}, manifest={}
        )
        return jobs.succeed(session, claim, models.result_of(version))

    before = world.dump()
    with pytest.raises(LeaseLost):
        world.write(publish, claim)
    assert world.dump() == before
    assert world.write(publish, second).result["version"] == 1

    claim = world.claim(world.job().id)

    def publish_and_die(session):
        publish(session, claim)
        raise KeyboardInterrupt

    before = world.dump()
    with pytest.raises(KeyboardInterrupt):
        world.write(publish_and_die)
    assert world.dump() == before


def test_an_expired_lease_that_nobody_took_can_be_renewed(world):
    """A worker that was held up goes on if it still is the newest one: the fence decides, not the time."""
    claim = world.claim(world.job().id)
    world.clock.advance(300)
    assert world.write(leases.heartbeat, claim, 60) is False
    assert world.try_claim(claim.job_id) is None
