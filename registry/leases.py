"""Who works on which job: claim, heartbeat, and what becomes of jobs whose worker fell silent.

A lease is a time; a fence is a number that grows with each claim. The time says when others may take the job, the
number makes every write of an earlier holder fail, however late it comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, func, insert, select, update
from sqlalchemy.orm import Session

from registry import counters, duties, phase_times, tables
from registry.attempts import worker_lost
from registry.database import now
from registry.job_rows import announce, claimable, end_attempt, fenced, finish, lease_expired, write
from registry.queues import ALL as ALL_QUEUES
from registry.records import Claim

_jobs = tables.jobs


@dataclass(frozen=True)
class Reaped:
    """What one pass of the reaper found: ids to publish by queue (oldest first), and jobs that it ended."""

    publish: Mapping[str, tuple[str, ...]]
    cancelled: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids to publish, of all queues, oldest first."""
        return tuple(sorted(job_id for ids in self.publish.values() for job_id in ids))


def claim(
    session: Session,
    *,
    job_id: str | None = None,
    worker: str,
    lease_seconds: float,
    queues: Sequence[str] = ALL_QUEUES,
    max_attempts_without_progress: int = 3,
    take_over: bool = True,
) -> Claim | None:
    """Take `job_id`, or without one the oldest claimable job of `queues`, for `lease_seconds`. None if there is none.

    Claimable: queued, or running with a lease that has run out or was released; not asked to cancel, and not yet given
    up on. Of any number of concurrent calls for a job one gets it. `queues` doesn't limit a claim by id. Without
    `take_over` only queued ones are taken.
    """
    moment = now(session)
    free = and_(claimable(moment), _jobs.c.attempts_without_progress < max_attempts_without_progress)
    if not take_over:
        free = and_(free, _jobs.c.status == "queued")
    before = _oldest(session, free, queues) if job_id is None else phase_times.lock(session, _is(job_id) & free)
    if before is None:
        return None
    job = write(
        session,
        and_(_is(before.job_id), free),
        moment,
        to="running",
        fence=_jobs.c.fence + 1,
        attempt=_jobs.c.attempt + 1,
        attempts_without_progress=_jobs.c.attempts_without_progress + 1,
        lease_until=moment + timedelta(seconds=lease_seconds),
        worker=worker,
        progress=None,
        phase_started_at=None,  # a new attempt is in no phase until it says so
        started_at=func.coalesce(_jobs.c.started_at, moment),
    )
    if job is None:
        return None
    phase_times.leave(session, before, moment)
    end_attempt(session, job, moment, "lost")
    session.execute(
        insert(tables.attempts).values(
            job_id=job.id, number=job.attempt, fence=job.fence, worker=worker, outcome="running", started_at=moment
        )
    )
    counters.add(session, "attempts_started", {"type": job.type})
    if job.attempt == 1:
        counters.observe(session, "job_wait_seconds", {"queue": job.queue}, (moment - job.created_at).total_seconds())
    kind = "job.started" if job.attempt == 1 else "job.resumed"
    job = announce(session, job, kind, {"attempt": job.attempt, "worker": worker})
    return Claim(job=job, fence=job.fence, worker=worker)


def heartbeat(session: Session, claim: Claim, lease_seconds: float) -> bool:
    """Renew the lease; whether the worker is asked to cancel. Raises LeaseLost."""
    moment = now(session)
    job = fenced(session, claim, moment, lease_until=moment + timedelta(seconds=lease_seconds))
    return job.cancel_requested_at is not None


def expired(session: Session, queues: Sequence[str] = ALL_QUEUES, republish_seconds: float = 0.0) -> list[str]:
    """Ids of running jobs of `queues` whose lease has run out, published by nobody for so long, oldest first."""
    moment = now(session)
    unpublished = _jobs.c.published_at <= moment - timedelta(seconds=republish_seconds)
    query = select(_jobs.c.id).where(lease_expired(moment), _jobs.c.queue.in_(queues), unpublished)
    return list(session.execute(query.order_by(_jobs.c.id)).scalars())


def waiting(session: Session, queues: Sequence[str] = ALL_QUEUES) -> int:
    """How many jobs of `queues` could be claimed now."""
    query = select(func.count()).select_from(_jobs).where(claimable(now(session)), _jobs.c.queue.in_(queues))
    return session.execute(query).scalar_one()


def due(
    session: Session,
    *,
    limit: int | Mapping[str, int],
    republish_seconds: float,
    queues: Sequence[str] = ALL_QUEUES,
    max_attempts_without_progress: int = 3,
) -> dict[str, tuple[str, ...]]:
    """Take note that at most `limit` claimable jobs of each queue, oldest first, are published now; their ids by queue.

    `limit` is one number for all queues, or one for each by its name. Due are those that nobody has published for
    `republish_seconds`. Publish them after the commit; if that fails, they come again after the same time.
    """
    moment = now(session)
    columns = _jobs.c
    found: dict[str, tuple[str, ...]] = {}
    for queue in queues:
        wanted = (
            select(columns.id)
            .where(
                claimable(moment),
                columns.queue == queue,
                columns.attempts_without_progress < max_attempts_without_progress,
                columns.published_at <= moment - timedelta(seconds=republish_seconds),
            )
            .order_by(columns.id)
            .limit(limit if isinstance(limit, int) else limit[queue])
            .with_for_update(skip_locked=True)
        )
        if ids := tuple(session.execute(wanted).scalars()):
            found[queue] = ids
            # Not a state of the job that anybody watches, so no new revision.
            session.execute(update(_jobs).where(columns.id.in_(ids)).values(published_at=moment))
    return found


def reap(
    session: Session,
    *,
    limit: int | Mapping[str, int],
    republish_seconds: float,
    queues: Sequence[str] = ALL_QUEUES,
    max_attempts_without_progress: int = 3,
) -> Reaped:
    """One pass: end what nobody will work on again, and say which jobs to publish (see `due`).

    Among jobs whose lease has run out, those asked to cancel become `cancelled`, and those that
    `max_attempts_without_progress` attempts in a row left without progress fail as `worker_lost`. That the queues were
    looked through is noted, as a sign that a worker lives.
    """
    moment = now(session)
    silent = lease_expired(moment)
    spent = and_(silent, _jobs.c.attempts_without_progress >= max_attempts_without_progress)
    asked = and_(silent, _jobs.c.cancel_requested_at.is_not(None))
    cancelled = _finish_all(session, asked, "cancelled")
    error = worker_lost(max_attempts_without_progress)
    failed = _finish_all(session, spent, "failed", error=error)
    publish = due(
        session,
        limit=limit,
        republish_seconds=republish_seconds,
        queues=queues,
        max_attempts_without_progress=max_attempts_without_progress,
    )
    # A sign of life, for who asks whether anybody takes jobs from a queue.
    for queue in queues:
        duties.note_done(session, duties.look_through(queue))
    return Reaped(publish, cancelled, failed)


def _is(job_id: str) -> ColumnElement[bool]:
    return _jobs.c.id == job_id


def _oldest(session: Session, free: ColumnElement[bool], queues: Sequence[str]) -> phase_times.Before | None:
    # SKIP LOCKED: two slots that look at the same time take two jobs, instead of one waiting for the other's.
    # SQLite has no such clause and needs none: it has one writer.
    return phase_times.lock(session, and_(free, _jobs.c.queue.in_(queues)), skip_locked=True, limit=1)


def _finish_all(
    session: Session,
    condition: ColumnElement[bool],
    to: Literal["failed", "cancelled"],
    *,
    error: Mapping[str, Any] | None = None,
) -> tuple[str, ...]:
    ids = session.execute(select(_jobs.c.id).where(condition).order_by(_jobs.c.id)).scalars().all()
    ended = (finish(session, and_(_jobs.c.id == id_, condition), to, error=error, lost=True) for id_ in ids)
    return tuple(job.id for job in ended if job is not None)
