"""The state machine of a job row: the transition table, and the only statements that update `jobs`.

Private to the registry; others use the verbs of `jobs`, `leases` and `checkpoints`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, RowMapping, and_, insert, or_, update
from sqlalchemy.orm import Session

from registry import counters, events, phase_times, tables
from registry.database import now
from registry.errors import LeaseLost
from registry.records import AttemptOutcome, Claim, Job, build

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]

TRANSITIONS: dict[Status, frozenset[Status]] = {
    # running -> running is a new attempt: a claim of a job whose lease ran out or was released.
    "queued": frozenset({"running", "cancelled"}),
    "running": frozenset({"running", "succeeded", "failed", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

_ENDS: dict[Status, AttemptOutcome] = {"succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled"}

jobs = tables.jobs


def to_job(row: RowMapping) -> Job:
    """The record of a row, its status as the outside reads it."""
    cancelling = row["status"] == "running" and row["cancel_requested_at"] is not None
    return build(Job, {**row, "status": "cancelling" if cancelling else row["status"]})


def lease_expired(moment: datetime) -> ColumnElement[bool]:
    """Running, but nobody has renewed the lease: at its very end it is over."""
    return and_(jobs.c.status == "running", jobs.c.lease_until <= moment)


def held(claim: Claim) -> ColumnElement[bool]:
    """The fence: true while `claim` is the newest claim of a job that still runs."""
    return and_(jobs.c.id == claim.job_id, jobs.c.fence == claim.fence, jobs.c.status == "running")


def claimable(moment: datetime) -> ColumnElement[bool]:
    """Free to take: nobody has, or the one who has fell silent, and nobody asked to cancel."""
    return and_(jobs.c.cancel_requested_at.is_(None), or_(jobs.c.status == "queued", lease_expired(moment)))


def insert_job(session: Session, **values: Any) -> Job:
    """Add a queued row, and its first event."""
    moment = now(session)
    times = {"created_at": moment, "updated_at": moment, "published_at": moment}
    row = session.execute(insert(jobs).values(status="queued", **times, **values).returning(*jobs.c)).mappings().one()
    job = to_job(row)
    data = {"type": job.type, "dataset_id": job.dataset_id, "model": job.model}
    return announce(session, job, "job.created", data)


def write(
    session: Session, where: ColumnElement[bool], moment: datetime, *, to: Status | None = None, **values: Any
) -> Job | None:
    """Update the one row that meets `where` and return it, or None when no row does.

    `to` is the new status; the row is then also required to be in a status from which `TRANSITIONS` leads there.
    """
    if to is not None:
        where = and_(where, jobs.c.status.in_([source for source, targets in TRANSITIONS.items() if to in targets]))
        values["status"] = to
    statement = update(jobs).where(where).values(updated_at=moment, revision=jobs.c.revision + 1, **values)
    row = session.execute(statement.returning(*jobs.c)).mappings().one_or_none()
    return None if row is None else to_job(row)


def fenced(session: Session, claim: Claim, moment: datetime | None = None, **values: Any) -> Job:
    """`write` under `claim`. On PostgreSQL the row stays locked until the transaction ends, so what follows in the same
    transaction is under the fence too. Raises LeaseLost when another worker holds the job or it has ended.
    """
    job = write(session, held(claim), moment or now(session), **values)
    if job is None:
        raise LeaseLost(f"{claim.job_id} is no longer held under fence {claim.fence}; stop working on it")
    return job


def end_attempt(
    session: Session, job: Job, moment: datetime, outcome: AttemptOutcome, error: Mapping[str, Any] | None = None
) -> None:
    """Close the job's open attempt, if it has one."""
    attempts = tables.attempts
    ended = session.execute(
        update(attempts)
        .where(attempts.c.job_id == job.id, attempts.c.outcome == "running")
        .values(outcome=outcome, ended_at=moment, error=None if error is None else dict(error))
        .returning(attempts.c.number)
    ).one_or_none()
    if ended is None:
        return
    counters.add(session, "attempts_ended", {"type": job.type, "outcome": outcome})
    if outcome == "lost":
        # Without an error it was not reported by its supervisor: the lease ran out.
        reason = "lease_expired" if error is None else str(error.get("code", "unknown"))
        counters.add(session, "attempts_lost", {"type": job.type, "reason": reason[:64]})


def finish(
    session: Session,
    where: ColumnElement[bool],
    to: Literal["succeeded", "failed", "cancelled"],
    *,
    error: Mapping[str, Any] | None = None,
    result: Mapping[str, Any] | None = None,
    lost: bool = False,
    cause: Mapping[str, Any] | None = None,
    **values: Any,
) -> Job | None:
    """Move the row that meets `where` to the terminal status `to`, with all that belongs to it; None when no row does.

    `lost` says that the attempt did not end by itself; `cause` is then what is known of its end, which need not be why
    the job ends. Nothing is known of one whose worker fell silent.
    """
    moment = now(session)
    before = phase_times.lock(session, where)
    if before is None:
        return None
    job = write(
        session,
        where,
        moment,
        to=to,
        finished_at=moment,
        lease_until=None,
        phase_started_at=None,
        error=None if error is None else dict(error),
        result=None if result is None else dict(result),
        **values,
    )
    if job is None:
        return None
    phase_times.leave(session, before, moment)
    if lost:
        end_attempt(session, job, moment, "lost", cause)
    else:
        end_attempt(session, job, moment, _ENDS[to], error)
    _count(session, job, moment)
    if to != "succeeded" and job.type == "validate_dataset":
        _settle_dataset(session, job, moment, error)
    data = {"succeeded": _result_event(result), "failed": {"error": dict(error or {})}, "cancelled": {}}[to]
    seq = events.append(session, job.id, f"job.{to}", data)
    return _after_event(job, seq)


def _count(session: Session, job: Job, moment: datetime) -> None:
    labels = {"type": job.type, "status": job.status}
    counters.add(session, "jobs_finished", labels)
    if job.started_at is not None:
        counters.observe(session, "job_seconds", labels, (moment - job.started_at).total_seconds())


def announce(session: Session, job: Job, type: str, data: Mapping[str, Any] | None = None) -> Job:  # noqa: A002
    """Append an event to the job, and return the job as it is then."""
    return _after_event(job, events.append(session, job.id, type, data))


def _after_event(job: Job, seq: int) -> Job:
    return replace(job, last_seq=seq, revision=job.revision + 1)


def _result_event(result: Mapping[str, Any] | None) -> dict[str, Any]:
    """The short part of a result: events are replayed often, the artifact list is in the job."""
    return {name: value for name, value in (result or {}).items() if name in ("model", "version", "metrics")}


def _settle_dataset(session: Session, job: Job, moment: datetime, error: Mapping[str, Any] | None) -> None:
    """A dataset whose validation ended without a verdict would stay `validating` for ever."""
    from registry import datasets

    datasets.settle_unvalidated(session, job, moment, error)
