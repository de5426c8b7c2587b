from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from registry import database as database_module
from registry import events, jobs, leases, tables
from registry.database import Database
from registry.outages import is_outage

ERROR = {"code": "out_of_memory", "message": "killed by signal 9", "errors": []}


class TestClaim:
    def test_a_claim_runs_the_job(self, world):
        job = world.job()
        claim = world.claim(job.id)
        assert (claim.job.status, claim.fence, claim.attempt, claim.job.worker) == ("running", 1, 1, "w1")
        assert claim.job.lease_until == world.clock.time + timedelta(seconds=60)
        assert claim.job.started_at == world.clock.time
        assert world.get(job.id) == claim.job

    def test_a_held_job_can_not_be_taken(self, world):
        job = world.job()
        world.claim(job.id)
        world.clock.advance(59.9)
        assert world.try_claim(job.id) is None

    def test_a_silent_workers_job_can(self, world):
        first = world.claim(world.job().id)
        world.clock.advance(60)
        second = world.claim(first.job_id, worker="w2")
        assert (second.fence, second.attempt, second.job.worker) == (2, 2, "w2")
        assert second.job.started_at == first.job.started_at
        attempts = world.read(jobs.list_attempts, first.job_id)
        assert [(attempt.number, attempt.worker, attempt.outcome) for attempt in attempts] == [
            (1, "w1", "lost"),
            (2, "w2", "running"),
        ]
        assert world.read(events.list_after, first.job_id)[-1].type == "job.resumed"

    def test_a_heartbeat_keeps_it(self, world):
        claim = world.claim(world.job().id)
        for _ in range(5):
            world.clock.advance(50)
            world.write(leases.heartbeat, claim, 60)
        assert world.try_claim(claim.job_id) is None
        assert world.get(claim.job_id).lease_until == world.clock.time + timedelta(seconds=60)

    def test_without_an_id_the_oldest_of_the_queues_is_taken(self, world):
        other = world.job(queue="gpu")
        first, second = world.job(), world.job()
        assert world.claim().job_id == first.id
        assert world.claim().job_id == second.id
        assert world.try_claim() is None
        claim = world.write(leases.claim, worker="w", lease_seconds=60, queues=["train", "gpu"])
        assert claim.job_id == other.id

    def test_the_oldest_may_be_one_whose_worker_fell_silent(self, world):
        first = world.claim(world.job().id)
        world.clock.advance(60)
        world.job()
        assert world.claim().job_id == first.job_id

    def test_an_unknown_job_is_no_claim(self, world):
        assert world.try_claim("job_0") is None

    def test_one_of_eight_gets_it(self, world, in_parallel):
        for _ in range(5):
            job = world.job()
            claims = in_parallel(8, lambda index, job=job: world.try_claim(job.id, f"w{index}"))
            winner = [claim for claim in claims if claim is not None]
            assert len(winner) == 1
            assert world.get(job.id).worker == winner[0].worker
            assert world.get(job.id).attempt == 1

    def test_eight_slots_take_eight_different_jobs(self, world, in_parallel):
        made = {world.job().id for _ in range(8)}
        claims = in_parallel(8, lambda index: world.try_claim(worker=f"w{index}"))
        taken = [claim.job_id for claim in claims if claim is not None]
        assert len(set(taken)) == len(taken)
        # With SKIP LOCKED a slot may pass over a row that another has just let go; none is taken twice, none stays.
        while claim := world.try_claim():
            taken.append(claim.job_id)
        assert sorted(taken) == sorted(made)

    def test_waiting_and_expired(self, world):
        first, second = world.job(), world.job(queue="gpu")
        assert world.read(leases.waiting) == 1
        assert world.read(leases.waiting, ["train", "gpu"]) == 2
        world.claim(first.id)
        world.claim(second.id)
        assert world.read(leases.waiting) == 0
        assert world.read(leases.expired, ["train", "gpu"]) == []
        world.clock.advance(60)
        assert world.read(leases.expired, ["train", "gpu"]) == [first.id, second.id]
        assert world.read(leases.expired, ["gpu"]) == [second.id]
        # who was published within the hour isn't named again
        both = ["train", "gpu"]
        assert world.read(leases.expired, both, 3600) == []
        world.clock.advance(3600)
        assert world.read(leases.expired, both, 3600) == [first.id, second.id]


class TestRelease:
    @pytest.mark.parametrize(("let_go", "outcome"), [("release", "cancelled"), ("attempt_lost", "lost")])
    def test_one_that_was_asked_to_cancel_ends_there(self, world, let_go, outcome):
        claim = world.claim(world.job().id)
        world.write(jobs.request_cancel, claim.job_id)
        arguments = [ERROR] if let_go == "attempt_lost" else []
        job = world.write(getattr(jobs, let_go), claim, *arguments)
        assert (job.status, job.is_terminal) == ("cancelled", True)
        assert world.get(claim.job_id) == job
        assert [attempt.outcome for attempt in world.read(jobs.list_attempts, claim.job_id)] == [outcome]
        assert world.read(events.list_after, claim.job_id)[-1].type == "job.cancelled"

    def test_a_released_job_can_be_taken_at_once_and_nothing_is_counted(self, world):
        job = world.job()
        for number in range(1, 8):
            claim = world.claim(job.id)
            assert claim.attempt == number
            released = world.write(jobs.release, claim)
            assert (released.status, released.worker, released.attempts_without_progress) == ("running", None, 0)
        assert {attempt.outcome for attempt in world.read(jobs.list_attempts, job.id)} == {"released"}

    def test_it_does_not_wipe_out_what_earlier_attempts_have_cost(self, world):
        job = world.job()
        for _ in range(2):
            world.write(jobs.attempt_lost, world.claim(job.id), ERROR)
        assert world.write(jobs.release, world.claim(job.id)).attempts_without_progress == 2


class TestReap:
    def test_queued_jobs_are_published_again_when_their_message_is_old(self, world):
        job = world.job()
        assert world.reap().ids == ()
        world.clock.advance(30)
        assert world.reap().ids == (job.id,)
        assert world.reap().ids == ()
        world.clock.advance(30)
        assert world.reap().ids == (job.id,)

    def test_the_oldest_first_and_no_more_than_asked_for(self, world):
        made = [world.job().id for _ in range(5)]
        world.clock.advance(30)
        assert world.reap(limit=2).ids == tuple(made[:2])
        assert world.reap(limit=2).ids == tuple(made[2:4])
        assert world.reap(limit=0).ids == ()

    def test_jobs_whose_lease_ran_out_are_published(self, world):
        claim = world.claim(world.job().id)
        world.clock.advance(59)
        assert world.reap().ids == ()
        world.clock.advance(1)
        assert world.reap().ids == (claim.job_id,)

    def test_publishing_is_nothing_that_a_watcher_sees(self, world):
        job = world.job()
        world.clock.advance(30)
        world.reap()
        after = world.get(job.id)
        assert (after.revision, after.last_seq, after.updated_at) == (job.revision, job.last_seq, job.updated_at)

    def test_two_reapers_publish_a_job_once(self, world, in_parallel):
        made = [world.job().id for _ in range(6)]
        world.clock.advance(30)
        published = [id_ for reaped in in_parallel(4, lambda _: world.reap()) for id_ in reaped.ids]
        assert sorted(published) == made

    def test_a_cancel_that_its_worker_never_answered_is_carried_out(self, world):
        claim = world.claim(world.job().id)
        world.write(jobs.request_cancel, claim.job_id)
        world.clock.advance(59)
        assert world.reap().cancelled == ()
        world.clock.advance(1)
        assert world.try_claim(claim.job_id) is None
        assert world.reap() == leases.Reaped({}, (claim.job_id,), ())
        assert world.get(claim.job_id).status == "cancelled"
        assert world.read(jobs.list_attempts, claim.job_id)[0].outcome == "lost"

    def test_three_silent_attempts_without_progress_fail_the_job(self, world):
        job = world.job()
        for _ in range(2):
            world.claim(job.id)
            world.clock.advance(60)
            assert world.reap().failed == ()
        world.claim(job.id)
        world.clock.advance(60)
        assert world.try_claim(job.id) is None, "a fourth attempt must not begin before the reaper comes"
        assert world.try_claim() is None
        assert world.reap() == leases.Reaped({}, (), (job.id,))
        failed = world.get(job.id)
        assert (failed.status, failed.attempt, failed.error["code"]) == ("failed", 3, "worker_lost")
        assert world.read(events.list_after, job.id)[-1].data == {"error": failed.error}

    def test_a_new_checkpoint_starts_the_count_anew(self, world):
        job = world.job()
        for epoch in range(1, 6):
            claim = world.claim(job.id)
            world.write(jobs.promote_checkpoint, claim, "a" * 64, 3, epoch, 0)
            world.clock.advance(60)
            assert world.reap().failed == ()
        for _ in range(3):
            world.claim(job.id)
            world.clock.advance(60)
        assert world.reap().failed == (job.id,)

    def test_the_same_checkpoint_again_does_not(self, world):
        job = world.job()
        for _ in range(4):
            claim = world.claim(job.id)
            world.write(jobs.promote_checkpoint, claim, "a" * 64, 3, 1, 0)
            world.clock.advance(60)
        assert world.reap().failed == (job.id,)

    def test_a_phase_reached_for_the_first_time_starts_it_anew_but_not_the_same_one_again(self, world):
        job = world.job()
        for phase in ("validate", "validate", "train", "train", "train"):
            assert world.get(job.id).status != "failed"
            claim = world.claim(job.id)
            world.write(jobs.set_phase, claim, "validate")
            world.write(jobs.set_phase, claim, phase)
            world.clock.advance(60)
            failed = world.reap().failed
        assert failed == (job.id,)


class TestAttemptLost:
    def test_exactly_three_attempts_at_a_phase_that_always_dies(self, world):
        """A job that runs out of memory before its first checkpoint, whatever phases it went through on the way."""
        neighbour = world.job()
        job = world.job()
        for number in (1, 2, 3):
            claim = world.claim(job.id)
            for phase in ("validate", "build_examples", "train"):
                world.write(jobs.set_phase, claim, phase)
            after = world.write(jobs.attempt_lost, claim, ERROR)
            assert (after.attempt, after.is_terminal) == (number, number == 3)
        assert after.error["code"] == "worker_lost"
        assert "killed by signal 9" in after.error["message"]
        attempts = world.read(jobs.list_attempts, job.id)
        assert [(attempt.outcome, attempt.error) for attempt in attempts] == [("lost", ERROR)] * 3
        assert attempts[0].error == ERROR
        assert world.get(neighbour.id) == neighbour

    def test_the_next_attempt_may_begin_at_once_and_goes_on_from_the_checkpoint(self, world):
        claim = world.claim(world.job().id)
        kept = world.write(jobs.promote_checkpoint, claim, "a" * 64, 3, 2, 17)
        world.write(jobs.attempt_lost, claim, ERROR)
        second = world.claim(claim.job_id, worker="w2")
        assert second.attempt == 2
        assert world.read(jobs.latest_checkpoint, second.job_id) == kept


class TestCheckpoints:
    def test_the_furthest_one_is_the_latest(self, world):
        claim = world.claim(world.job().id)
        assert world.read(jobs.latest_checkpoint, claim.job_id) is None
        for epoch, step in ((1, 0), (2, 5), (10, 0), (9, 99)):
            world.write(jobs.promote_checkpoint, claim, f"{epoch:064x}", 3, epoch, step)
        latest = world.read(jobs.latest_checkpoint, claim.job_id)
        assert (latest.epoch, latest.step, latest.fence, latest.attempt) == (10, 0, 1, 1)

    def test_a_hash_that_is_none_is_refused(self, world):
        claim = world.claim(world.job().id)
        with pytest.raises(ValueError, match="sha256"):
            world.write(jobs.promote_checkpoint, claim, "../../etc/passwd", 3, 1, 0)


@pytest.mark.integration
def test_a_slot_does_not_wait_for_another_slots_claim(postgresql_url):
    """It passes over the row that is being claimed, and takes the next one."""
    database = Database(postgresql_url)
    with database.write() as session:
        made = [jobs.create(session, type="train", dataset_id=None, config={}, queue="skip").id for _ in range(2)]
    with database.write() as first, database.write() as second:
        second.execute(text("SET LOCAL lock_timeout = '2s'"))
        taken = [
            leases.claim(session, worker="w", lease_seconds=60, queues=["skip"]).job_id for session in (first, second)
        ]
    assert taken == made
    database.dispose()


@pytest.mark.integration
def test_postgresql_measures_leases_by_its_own_clock(postgresql_url, monkeypatch):
    """A worker whose clock is wrong by a day neither loses nor steals a job."""
    from datetime import UTC, datetime

    database = Database(postgresql_url)

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz or UTC) + timedelta(days=1)

    with database.write() as session:
        job = jobs.create(session, type="train", dataset_id=None, config={})
    with database.write() as session:
        assert leases.claim(session, job_id=job.id, worker="w1", lease_seconds=60)
    monkeypatch.setattr("registry.database.datetime", Tomorrow)
    with database.write() as session:
        assert leases.claim(session, job_id=job.id, worker="w2", lease_seconds=60) is None
    with database.engine.begin() as connection:
        connection.execute(tables.jobs.update().values(lease_until=datetime(2020, 1, 1, tzinfo=UTC)))
    with database.write() as session:
        assert leases.claim(session, job_id=job.id, worker="w2", lease_seconds=60)
    database.dispose()


@pytest.mark.integration
def test_a_worker_frozen_within_a_transaction_keeps_its_job_from_nobody(postgresql_url, monkeypatch):
    """Its row is locked; without an end to that its job could be claimed by nobody until it comes back, if ever."""
    monkeypatch.setattr(database_module, "IDLE_TRANSACTION_SECONDS", 0.3)
    frozen, other = Database(postgresql_url), Database(postgresql_url)
    with other.write() as session:
        job_id = jobs.create(session, type="train", dataset_id=None, config={}).id
    with pytest.raises(DBAPIError) as caught, frozen.write() as session:  # noqa: PT012 - it fails at the end of all that
        first = leases.claim(session, job_id=job_id, worker="frozen", lease_seconds=60)
        with other.write() as second:  # waits for the row until the frozen one's transaction is ended
            taken = leases.claim(second, job_id=job_id, worker="other", lease_seconds=60)
        session.execute(text("SELECT 1"))
    assert is_outage(caught.value)
    assert first is not None
    assert taken is not None
    assert taken.job.worker == "other"
    frozen.dispose()
    other.dispose()
