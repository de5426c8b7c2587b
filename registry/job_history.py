"""How long finished jobs took beside what was expected of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry import tables
from registry.records import DEFAULT_PROJECT, Json

_jobs = tables.jobs
_epochs = tables.job_epochs


@dataclass(frozen=True)
class Finished:
    """A training job that succeeded at its first attempt."""

    estimate: Json
    epochs: int
    seconds: float


def finished(session: Session, project: str = DEFAULT_PROJECT, limit: int = 20) -> list[Finished]:
    """The newest jobs of the project that ran from beginning to end without a break, at most `limit`."""
    epochs = (
        select(func.count()).select_from(_epochs).where(_epochs.c.job_id == _jobs.c.id).correlate(_jobs)
    ).scalar_subquery()
    query = (
        select(_jobs.c.estimate, _jobs.c.started_at, _jobs.c.finished_at, epochs.label("epochs"))
        .where(
            _jobs.c.project_id == project,
            _jobs.c.status == "succeeded",
            _jobs.c.type == "train",
            _jobs.c.attempt == 1,  # later ones go on from a checkpoint
            _jobs.c.retry_of.is_(None),
        )
        .order_by(_jobs.c.id.desc())
        .limit(limit)
    )
    return [
        Finished(row.estimate, row.epochs, (row.finished_at - row.started_at).total_seconds())
        for row in session.execute(query)
        if row.estimate and row.started_at is not None and row.finished_at is not None
    ]
