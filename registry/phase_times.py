"""How long attempts spend in their phases. Private to the registry, like `job_rows`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from registry import counters, tables

_jobs = tables.jobs
_attempts = tables.attempts


@dataclass(frozen=True)
class Before:
    """What a job row held before it is changed: the phase that its open attempt is in, and since when."""

    job_id: str
    type: str
    attempt: int
    phase: str | None
    phase_started_at: datetime | None
    lease_until: datetime | None

    def last_seen(self, moment: datetime) -> datetime:
        """Until when the attempt is known to have worked: of one that fell silent nothing is known after its lease."""
        return moment if self.lease_until is None else min(moment, self.lease_until)


def lock(
    session: Session, where: ColumnElement[bool], *, skip_locked: bool = False, limit: int | None = None
) -> Before | None:
    """The first row that meets `where`, by id, locked until the transaction ends (on SQLite the whole database is)."""
    columns = _jobs.c
    query = select(
        columns.id, columns.type, columns.attempt, columns.phase, columns.phase_started_at, columns.lease_until
    ).where(where)
    if limit is not None:
        query = query.order_by(columns.id).limit(limit)
    row = session.execute(query.with_for_update(skip_locked=skip_locked)).one_or_none()
    return None if row is None else Before(*row)


def leave(session: Session, before: Before, moment: datetime) -> None:
    """The open attempt leaves its phase: add the seconds that it spent there to `attempts.phases` and to the sums."""
    if before.phase is None or before.phase_started_at is None:
        return
    seconds = max(0.0, (before.last_seen(moment) - before.phase_started_at).total_seconds())
    mine = (_attempts.c.job_id == before.job_id) & (_attempts.c.number == before.attempt)
    spent: dict[str, float] = session.execute(select(_attempts.c.phases).where(mine)).scalar_one_or_none() or {}
    spent = {**spent, before.phase: round(spent.get(before.phase, 0.0) + seconds, 3)}
    session.execute(update(_attempts).where(mine).values(phases=spent))
    counters.observe(session, "phase_seconds", {"phase": before.phase, "type": before.type}, seconds)
