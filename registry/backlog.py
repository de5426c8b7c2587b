"""What is queued and running now, counted by the index of live jobs: a million finished ones cost nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, literal, select, text
from sqlalchemy.orm import Session

from registry import tables
from registry.database import now
from registry.job_rows import claimable

_jobs = tables.jobs


@dataclass(frozen=True)
class LiveJobs:
    """Jobs of one kind. `waiting`: a worker may take them; `oldest_seconds`: for how long the first of them waits."""

    queue: str
    type: str
    status: str
    waiting: bool
    count: int
    oldest_seconds: float


@dataclass(frozen=True)
class HeldJob:
    """A job that a worker holds."""

    id: str
    project_id: str
    type: str
    phase: str | None
    attempt: int


@dataclass(frozen=True)
class BusyWorker:
    """A worker that holds jobs under leases that run. `seen_at`: when it last wrote something to one of them."""

    name: str
    seen_at: datetime
    jobs: tuple[HeldJob, ...]


def busy_workers(session: Session) -> list[BusyWorker]:
    """All workers that hold jobs, by name."""
    columns = _jobs.c
    shown = (
        columns.id,
        columns.project_id,
        columns.type,
        columns.phase,
        columns.attempt,
        columns.worker,
        columns.updated_at,
    )
    held = (text("status IN ('queued', 'running')"), columns.worker.is_not(None), columns.lease_until > now(session))
    found: dict[str, list[Any]] = {}
    for row in session.execute(select(*shown).where(*held).order_by(columns.worker, columns.id)):
        found.setdefault(row.worker, []).append(row)
    return [
        BusyWorker(
            name,
            max(row.updated_at for row in rows),
            tuple(HeldJob(row.id, row.project_id, row.type, row.phase, row.attempt) for row in rows),
        )
        for name, rows in found.items()
    ]


def live(session: Session) -> list[LiveJobs]:
    """All live jobs, by queue, type, status as the outside reads it, and whether they wait."""
    moment = now(session)
    rows = (
        select(
            _jobs.c.queue,
            _jobs.c.type,
            case(
                (_jobs.c.status == "queued", literal("queued")),
                (_jobs.c.cancel_requested_at.is_not(None), literal("cancelling")),
                else_=literal("running"),
            ).label("status"),
            case((claimable(moment), 1), else_=0).label("waiting"),
            # One that an attempt gave back, or left, waits since its lease ended.
            func.coalesce(_jobs.c.lease_until, _jobs.c.created_at).label("since"),
        )
        .where(text("status IN ('queued', 'running')"))  # literally as the index has it
        .subquery()
    )
    kind = (rows.c.queue, rows.c.type, rows.c.status, rows.c.waiting)
    query = select(*kind, func.count().label("number"), func.min(rows.c.since).label("since")).group_by(*kind)
    return [
        LiveJobs(row.queue, row.type, row.status, bool(row.waiting), row.number, _age(row.since, moment))
        for row in session.execute(query.order_by(*kind))
    ]


def _age(since: datetime, moment: datetime) -> float:
    return max(0.0, (moment - since).total_seconds())
