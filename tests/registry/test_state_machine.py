"""Random walks of several workers, a reaper and an impatient user; what must hold holds at every step."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from registry import events, example_sets, job_files, jobs, leases, retries
from registry.database import Database
from registry.errors import JobNotFinished, JobSucceeded, LeaseLost
from registry.job_rows import TRANSITIONS
from registry.records import PHASES, TERMINAL, FileEntry

ERROR = {"code": "diverged", "message": "loss is NaN", "errors": []}


@pytest.fixture
def machine(sqlite_template, clock):
    class JobMachine(RuleBasedStateMachine):
        all_jobs = Bundle("all_jobs")
        claims = Bundle("claims")

        def __init__(self):
            super().__init__()
            self.folder = tempfile.TemporaryDirectory()
            path = shutil.copy(sqlite_template, Path(self.folder.name, "registry.db"))
            self.database = Database(f"sqlite:///{path}", clock=clock)
            self.seen = {}
            self.holder = {}

        def teardown(self):
            self.database.dispose()
            self.folder.cleanup()

        def attempt(self, claim, function, *args, **kwargs):
            """A write under a claim lands exactly if the claim is the job's newest and the job still runs."""
            with self.database.read() as session:
                before = jobs.get(session, claim.job_id)
            good = not before.is_terminal and before.fence == claim.fence
            try:
                with self.database.write() as session:
                    function(session, claim, *args, **kwargs)
            except LeaseLost:
                assert not good
                with self.database.read() as session:
                    assert jobs.get(session, claim.job_id) == before
            else:
                assert good

        @initialize(target=all_jobs)
        def first(self):
            return self.create()

        @rule(target=all_jobs, type_=st.sampled_from(["train", "examples", "export", "evaluate"]))
        def create(self, type_="train"):
            base = {"model": "films", "version": 1} if type_ in ("export", "evaluate") else None
            with self.database.write() as session:
                return jobs.create(session, type=type_, dataset_id=None, config={}, base=base).id

        @rule(target=all_jobs, job_id=all_jobs)
        def retry(self, job_id):
            with self.database.write() as session:
                old = jobs.get(session, job_id)
                if old.status not in ("failed", "cancelled"):
                    with pytest.raises((JobNotFinished, JobSucceeded)):
                        retries.retry(session, job_id)
                    return job_id
                new = retries.retry(session, job_id)
            assert (new.type, new.base, new.retry_of, new.status) == (old.type, old.base, old.id, "queued")
            return new.id

        @rule(claim=claims)
        def publish_files(self, claim):
            """As a worker ends a job that publishes no version."""

            def work(session, held):
                result = job_files.publish(session, held, files=[FileEntry("summary.json", 3, "b" * 64)], metrics={})
                jobs.succeed(session, held, result)

            if claim and claim.job.type in ("examples", "evaluate"):
                self.attempt(claim, work)

        @rule(claim=claims, key=st.sampled_from(["1" * 64, "2" * 64, "3" * 64]))
        def keep_examples(self, claim, key):
            if claim:
                entries = [FileEntry("a.npy", 40, key)]
                self.attempt(claim, example_sets.keep, key=key, data_hash=key, entries=entries, max_bytes=100)

        @rule(target=claims, job_id=st.none() | all_jobs, worker=st.sampled_from(["w1", "w2"]))
        def claim(self, job_id, worker):
            with self.database.write() as session:
                before = {job.id: job for job in jobs.list_page(session, limit=1000).items}
                claim = leases.claim(session, job_id=job_id, worker=worker, lease_seconds=60)
            free = [
                job.id
                for job in reversed(before.values())
                if job.cancel_requested_at is None
                and job.attempts_without_progress < 3
                and (job.status == "queued" or (job.status == "running" and job.lease_until <= clock.time))
            ]
            wanted = job_id if job_id in free else None
            expected = wanted if job_id is not None else next(iter(free), None)
            assert (None if claim is None else claim.job_id) == expected
            return claim

        @rule(seconds=st.sampled_from([1, 30, 59, 60, 61]))
        def wait(self, seconds):
            clock.advance(seconds)

        @rule(claim=claims)
        def heartbeat(self, claim):
            if claim:
                self.attempt(claim, leases.heartbeat, 60)

        @rule(claim=claims, phase=st.sampled_from(PHASES))
        def set_phase(self, claim, phase):
            if claim:
                self.attempt(claim, jobs.set_phase, phase)

        @rule(claim=claims, epoch=st.integers(1, 3))
        def record_epoch(self, claim, epoch):
            if claim:
                self.attempt(claim, jobs.record_epoch, epoch, {"loss": 1.0})

        @rule(claim=claims, epoch=st.integers(1, 3), step=st.integers(0, 2))
        def promote(self, claim, epoch, step):
            if claim:
                self.attempt(claim, jobs.promote_checkpoint, "a" * 64, 3, epoch, step)

        @rule(claim=claims)
        def release(self, claim):
            if claim:
                self.attempt(claim, jobs.release)

        @rule(claim=claims)
        def lose(self, claim):
            if claim:
                self.attempt(claim, jobs.attempt_lost, ERROR)

        @rule(claim=consumes(claims), how=st.sampled_from(["succeed", "fail", "cancelled"]))
        def end(self, claim, how):
            if claim:
                arguments = {"succeed": [{}], "fail": [ERROR], "cancelled": []}[how]
                self.attempt(claim, getattr(jobs, how), *arguments)

        @rule(job_id=all_jobs)
        def cancel(self, job_id):
            with self.database.write() as session:
                job = jobs.request_cancel(session, job_id)
            assert job.status in {"cancelling", *TERMINAL}

        @rule(limit=st.integers(0, 3))
        def reap(self, limit):
            with self.database.write() as session:
                reaped = leases.reap(session, limit=limit, republish_seconds=30)
                remaining = [job for job in jobs.list_page(session, limit=1000).items if not job.is_terminal]
            assert len(reaped.ids) <= limit
            assert list(reaped.ids) == sorted(reaped.ids)
            silent = [job for job in remaining if job.lease_until is not None and job.lease_until <= clock.time]
            assert all(job.cancel_requested_at is None and job.attempts_without_progress < 3 for job in silent)

        @invariant()
        def what_must_hold(self):
            with self.database.read() as session:
                found = jobs.list_page(session, limit=1000).items
                stored = dict(session.execute(text("SELECT id, status FROM jobs")).all())
                assert (session.execute(text("SELECT sum(bytes) FROM example_sets")).scalar() or 0) <= 100
                for job in found:
                    self.check(session, job, stored[job.id])

        def check(self, session, job, status):
            before, status_before = self.seen.get(job.id, (None, None))
            if before is not None:
                assert status == status_before or status in TRANSITIONS[status_before]
                assert job.fence >= before.fence
                assert job.attempt >= before.attempt
                assert job.revision >= before.revision
                if before.is_terminal or job.revision == before.revision:
                    assert job == replace_published(before, job)
            self.seen[job.id] = (job, status)
            assert 0 <= job.attempts_without_progress <= 3
            assert (job.finished_at is not None) == job.is_terminal
            owned = [entry.as_dict() for entry in job_files.of(session, job.id)]
            assert owned == (job.result or {}).get("artifacts", [])
            log = events.list_after(session, job.id, 0, 1000)
            assert [event.seq for event in log] == list(range(1, job.last_seq + 1))
            assert sum(event.type in events.TERMINAL_TYPES for event in log) == job.is_terminal
            assert not job.is_terminal or log[-1].type == f"job.{job.status}"
            attempts = jobs.list_attempts(session, job.id)
            assert [attempt.number for attempt in attempts] == list(range(1, job.attempt + 1))
            assert sum(attempt.outcome == "running" for attempt in attempts) <= (status == "running")

    return JobMachine


def replace_published(before, after):
    """`before`, but for the one field that may change without a new revision."""
    from dataclasses import replace

    return replace(before, published_at=after.published_at)


def test_random_walks(machine):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
