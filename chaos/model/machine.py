"""Random walks of four workers, their reapers, an impatient user and a broker that loses and repeats messages.

Each rule is one transaction, or what a process does between two of them. A process that dies between two steps is one
whose next step never comes; one that was frozen comes back with a claim that may be stale. So claims are never taken
away from whoever has made them: any of them may try any write at any later time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule
from sqlalchemy.orm import Session

from chaos.invariants import Ledger, Snapshot
from chaos.model import world
from chaos.model.world import CLOCKS, HOUR, LEASE_SECONDS, MAX_ATTEMPTS, REPUBLISH_SECONDS, Crash, Explored
from registry import checkpoints, datasets, example_sets, idempotency, job_files, jobs, leases, models, retries
from registry.database import Database
from registry.errors import JobNotFinished, JobSucceeded, LeaseLost
from registry.idempotency import Answer, Asked
from registry.records import PHASES, TERMINAL, Claim, FileEntry

ERROR = {"code": "diverged", "message": "loss is NaN", "errors": []}
FILES = [FileEntry("summary.json", 3, "b" * 64)]
TYPES = ("train", "examples", "export", "evaluate")
CACHE_BYTES = 100
processes = st.sampled_from(sorted(CLOCKS))
# Most steps end well; some die before their commit.
dies = st.sampled_from([False] * 5 + [True])


def does(**inputs: Any) -> Callable[[Callable[..., Any]], Any]:
    """A rule whose name is noted when it runs."""

    def wrap(function: Callable[..., Any]) -> Any:
        @wraps(function)
        def step(self: JobMachine, **given: Any) -> Any:
            self.did = function.__name__
            return function(self, **given)

        made: Callable[[Callable[..., Any]], Any] = rule(**inputs)
        return made(step)

    return wrap


class JobMachine(RuleBasedStateMachine):
    """The walks. Set `databases` and `explored` on a subclass: `machine_on`."""

    databases: world.Databases
    explored: Explored

    all_jobs = Bundle("all_jobs")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.clock = world.Clock()
        self.broker = world.Broker()
        self.ledger = Ledger(MAX_ATTEMPTS)
        self.keys: dict[str, tuple[str, datetime]] = {}
        self.made: list[Claim] = []
        self.did = "begin"
        self.before: tuple[Any, ...] = ()
        self.now: Snapshot
        self._closer = ExitStack()
        self.seen_by = self._closer.enter_context(self.databases.fresh(self.clock))
        self.explored.walks += 1

    def teardown(self) -> None:
        try:
            self.heal()
        finally:
            self._closer.close()

    # --- the user and the API

    @initialize(target=all_jobs)
    def begin(self) -> str:
        return self._create(self.seen_by["w1"], "train")

    @does(target=all_jobs, type_=st.sampled_from([*TYPES, "validate_dataset"]), copies=st.integers(0, 2))
    def submit(self, type_: str, copies: int) -> str:
        """A job; the API dies before its message is out, or the message comes twice."""
        job_id = self._create(self.seen_by["w1"], type_)
        self.broker.publish([job_id] * copies)
        return job_id

    @does(target=all_jobs, key=st.sampled_from(["a", "b"]), dies=dies)
    def submit_with_key(self, key: str, dies: bool) -> str:
        """The same request again and again, the API dying before the commit now and then: one job."""
        asked = Asked("me", "POST /v1/jobs", key, "f" * 64)
        database = self.seen_by["w1"]
        found = ""
        with suppress(Crash), database.write() as session:
            kept = idempotency.reserve(session, asked)
            found = kept.body if kept is not None else self._insert(session, "examples")
            if kept is None:
                idempotency.keep(session, asked, Answer(202, {}, found))
            if dies:
                raise Crash
        known, until = self.keys.get(key, ("", self.clock.time))
        if dies:
            return known or self._create(database, "examples")
        if until <= self.clock.time:
            self.keys[key] = (found, self.clock.time + timedelta(seconds=idempotency.KEEP_SECONDS))
        else:
            assert known == found, "one-key-one-job"
        return found

    @does(target=all_jobs, job_id=all_jobs)
    def retry(self, job_id: str) -> Any:
        with self.seen_by["w1"].write() as session:
            old = jobs.get(session, job_id)
            if old.type == "validate_dataset":
                return multiple()
            try:
                new = retries.retry(session, job_id)
            except (JobNotFinished, JobSucceeded):
                assert old.status not in ("failed", "cancelled")
                return multiple()
        assert (new.type, new.base, new.retry_of, new.status) == (old.type, old.base, old.id, "queued")
        return new.id

    @does(job_id=all_jobs, process=processes)
    def cancel(self, job_id: str, process: str) -> None:
        with self.seen_by[process].write() as session:
            before = jobs.get(session, job_id)
            job = jobs.request_cancel(session, job_id)
        assert job.status in {"cancelling", *TERMINAL}
        assert before.status != "queued" or job.status == "cancelled", "cancel-ends: a queued job ends at once"

    # --- the broker

    @precondition(lambda self: self.broker.messages)
    @does(number=st.integers(0, 9))
    def lose_a_message(self, number: int) -> None:
        del self.broker.messages[number % len(self.broker.messages)]

    @precondition(lambda self: self.broker.messages)
    @does()
    def wipe(self) -> None:
        self.broker.messages.clear()

    @precondition(lambda self: 0 < len(self.broker.messages) < 20)
    @does(number=st.integers(0, 9))
    def repeat_a_message(self, number: int) -> None:
        self.broker.messages.append(self.broker.messages[number % len(self.broker.messages)])

    # --- workers

    @precondition(lambda self: self.broker.messages)
    @does(target=claims, process=processes, number=st.integers(0, 9), dies=dies)
    def receive(self, process: str, number: int, dies: bool) -> Any:
        """Take a message off the queue, and die, or claim its job, or else the oldest one."""
        hint = self.broker.messages.pop(number % len(self.broker.messages))
        return multiple() if dies else self._claim(process, hint) or self._claim(process, None) or multiple()

    @does(target=claims, process=processes, dies=dies)
    def look_for_work(self, process: str, dies: bool) -> Any:
        """As a slot does after a job, and as the watchdog does."""
        if not dies:
            return self._claim(process, None) or multiple()
        with suppress(Crash), self.seen_by[process].write() as session:
            leases.claim(session, worker=process, lease_seconds=LEASE_SECONDS)
            raise Crash
        return multiple()

    @does(claim=claims, dies=dies)
    def heartbeat(self, claim: Claim, dies: bool) -> None:
        self._attempt(claim, dies, leases.heartbeat, LEASE_SECONDS)

    @does(claim=claims, phase=st.sampled_from(PHASES), dies=dies)
    def set_phase(self, claim: Claim, phase: str, dies: bool) -> None:
        self._attempt(claim, dies, jobs.set_phase, phase)

    @does(claim=claims, epoch=st.integers(1, 3), dies=dies)
    def record_epoch(self, claim: Claim, epoch: int, dies: bool) -> None:
        self._attempt(claim, dies, jobs.record_epoch, epoch, {"loss": 1.0})

    @does(claim=claims, epoch=st.integers(1, 3), step=st.integers(0, 2), dies=dies)
    def promote(self, claim: Claim, epoch: int, step: int, dies: bool) -> None:
        self._attempt(claim, dies, jobs.promote_checkpoint, "a" * 64, 3, epoch, step)

    @does(claim=claims, dies=dies)
    def start_over(self, claim: Claim, dies: bool) -> None:
        self._attempt(claim, dies, checkpoints.start_over, "of another version")

    @does(claim=claims, key=st.sampled_from(["1" * 64, "2" * 64, "3" * 64]), dies=dies)
    def keep_examples(self, claim: Claim, key: str, dies: bool) -> None:
        entries = [FileEntry("a.npy", 40, key)]
        self._attempt(claim, dies, example_sets.keep, key=key, data_hash=key, entries=entries, max_bytes=CACHE_BYTES)

    @does(claim=claims, dies=dies)
    def release(self, claim: Claim, dies: bool) -> None:
        self._attempt(claim, dies, jobs.release)

    @does(claim=claims, pause=st.sampled_from([0, 30]), dies=dies)
    def trainer_dies(self, claim: Claim, pause: float, dies: bool) -> None:
        self._attempt(claim, dies, jobs.attempt_lost, ERROR, pause_seconds=pause)

    @does(claim=claims, dies=dies)
    def succeed(self, claim: Claim, dies: bool) -> None:
        """The result and the end in one transaction, as workers write them."""
        self._attempt(claim, dies, _publish)

    @does(claim=claims, how=st.sampled_from(["fail", "cancelled"]), dies=dies)
    def end_without_result(self, claim: Claim, how: str, dies: bool) -> None:
        if how == "fail":
            self._attempt(claim, dies, jobs.fail, ERROR)
        else:
            self._attempt(claim, dies, jobs.cancelled)

    @does(process=processes, limit=st.integers(0, 3), lost=st.booleans())
    def reap(self, process: str, limit: int, lost: bool) -> None:
        """A pass of the reaper; what it publishes is `lost` if it dies between its commit and the broker."""
        found = self._reap(process, limit)
        if not lost:
            self.broker.publish(found.ids)
        assert all(len(ids) <= limit for ids in found.publish.values())
        assert list(found.ids) == sorted(found.ids)

    @does(seconds=st.sampled_from([1, 30, 59, 60, 61, HOUR]))
    def wait(self, seconds: float) -> None:
        self.clock.time += timedelta(seconds=seconds)

    # --- what must hold

    @invariant()
    def what_must_hold(self) -> None:
        now = self._look()
        found = self.ledger.look(now)
        assert not found, "; ".join(map(str, found))
        stale = Counter(
            claim.job_id
            for claim in self.made
            if now.jobs[claim.job_id]["fence"] != claim.fence or now.jobs[claim.job_id]["status"] in TERMINAL
        )
        after = world.state_of(now, self.clock, self.broker, stale)
        self.explored.step(self.before, self.did, after)
        self.before = after

    def heal(self) -> None:
        """Whatever has happened: once nothing more goes wrong, all jobs end, found by the reaper alone."""
        self.broker.messages.clear()
        for _ in range(200):
            now = self._look()
            if all(job["status"] in TERMINAL for job in now.jobs.values()):
                break
            self.clock.time += timedelta(seconds=HOUR + LEASE_SECONDS)
            for job_id in self._reap("w2", 3).ids:
                self._look()
                claim = self._claim("w2", job_id)
                self._look()
                if claim is not None:
                    self._attempt(claim, False, _publish)
        else:
            raise AssertionError("waiting-is-reachable: not all jobs have come to an end")
        for job in now.jobs.values():
            asked = job["cancel_requested_at"] is not None
            assert not asked or job["status"] == "cancelled" or job["finished_at"] is not None, "cancel-ends"
        found = self.ledger.look(now)
        assert not found, "; ".join(map(str, found))

    # --- how it is done

    def _create(self, database: Database, type_: str) -> str:
        with database.write() as session:
            return self._insert(session, type_)

    def _insert(self, session: Session, type_: str) -> str:
        if type_ == "validate_dataset":
            return datasets.create(session, name="log", spec={}).validation_job_id
        base = {"model": "films", "version": 1} if type_ in ("export", "evaluate") else None
        return jobs.create(session, type=type_, dataset_id=None, config={}, base=base).id

    def _claim(self, process: str, job_id: str | None) -> Claim | None:
        """A claim gets exactly the job that it should, by the clock of the process."""
        database = self.seen_by[process]
        time = self.clock.time + timedelta(seconds=CLOCKS[process])
        free = [
            job["id"]
            for job in sorted(self.now.jobs.values(), key=lambda job: str(job["id"]))
            if job["cancel_requested_at"] is None
            and job["attempts_without_progress"] < MAX_ATTEMPTS
            and (job["status"] == "queued" or (job["status"] == "running" and job["lease_until"] <= time))
        ]
        with database.write() as session:
            claim = leases.claim(session, job_id=job_id, worker=process, lease_seconds=LEASE_SECONDS)
        expected = (job_id if job_id in free else None) if job_id is not None else next(iter(free), None)
        assert (None if claim is None else claim.job_id) == expected
        if claim is not None:
            self.made.append(claim)
        return claim

    def _attempt(
        self, claim: Claim, dies: bool, function: Callable[..., object], *arguments: Any, **named: Any
    ) -> None:
        """A write under a claim lands exactly if the claim is the job's newest and the job still runs."""
        database = self.seen_by[claim.worker]
        before = self.now
        job = before.jobs[claim.job_id]
        good = job["status"] == "running" and job["fence"] == claim.fence
        landed = False
        with suppress(LeaseLost, Crash), database.write() as session:
            function(session, claim, *arguments, **named)
            if dies:
                raise Crash
            landed = True
        assert landed == (good and not dies), "stale-writes-change-nothing"
        if not landed:
            assert world.look(database) == before, "stale-writes-change-nothing"

    def _reap(self, process: str, limit: int) -> leases.Reaped:
        time = self.clock.time + timedelta(seconds=CLOCKS[process])
        with self.seen_by[process].write() as session:
            found = leases.reap(session, limit=limit, republish_seconds=REPUBLISH_SECONDS)
        for job in world.look(self.seen_by[process]).jobs.values():
            if job["status"] == "running" and job["lease_until"] <= time:
                assert job["cancel_requested_at"] is None, "cancel-ends: the reaper ends what was to be cancelled"
                assert job["attempts_without_progress"] < MAX_ATTEMPTS, "attempts-bounded: the reaper gives up on it"
        return found

    def _look(self) -> Snapshot:
        self.now = world.look(self.seen_by["w1"])
        return self.now


def _publish(session: Session, claim: Claim) -> None:
    if claim.job.type == "validate_dataset":
        datasets.mark_ready(session, claim, report={}, content_hash="c" * 64, files=[])
        jobs.succeed(session, claim, {})
    elif claim.job.type in ("examples", "evaluate"):
        jobs.succeed(session, claim, job_files.publish(session, claim, files=FILES, metrics={}))
    else:
        version = models.publish_version(session, claim, model="films", files=FILES, metrics={}, manifest={})
        jobs.succeed(session, claim, models.result_of(version))


def machine_on(databases: world.Databases, explored: Explored) -> type[JobMachine]:
    """The machine over these databases, which adds to `explored`."""
    return type("JobMachineOn", (JobMachine,), {"databases": databases, "explored": explored})


def effort(walks: int, steps: int, seed: int | None = None) -> hypothesis_settings:
    """How far to walk. Without a seed the walks are the same each time."""
    from hypothesis import HealthCheck

    return hypothesis_settings(
        max_examples=walks,
        stateful_step_count=steps,
        deadline=None,
        derandomize=seed is None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
