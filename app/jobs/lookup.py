"""Finding the asker's jobs, and showing them with what other tables know of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.dependencies import Services, plausible_id
from app.jobs.schemas import JobView, show_job
from app.problems import not_found
from app.security import Principal
from registry import checkpoints, jobs, removals
from registry.errors import NotFound
from registry.records import Job


def find(services: Services, principal: Principal, job_id: str) -> Job:
    """The asker's job of this id.

    Raises:
        Problem: `not_found`, also where it belongs to somebody else.
    """
    with services.database.read() as session:
        return _get(session, principal, job_id)


def find_described(services: Services, principal: Principal, job_id: str) -> JobView:
    """The asker's job of this id as JSON, all of it from one state of the database. Raises as `find`."""
    with services.database.read() as session:
        return describe(session, [_get(session, principal, job_id)])[0]


def describe(session: Session, found: Sequence[Job]) -> list[JobView]:
    """The jobs as JSON, each with its newest checkpoint, and what policies have removed of it."""
    begun = [job.id for job in found if job.attempt > 0 or job.retry_of is not None]
    newest = checkpoints.latest_of(session, begun) if begun else {}
    # Policies leave jobs alone that wait or run, and those are read most often.
    ended = [job.id for job in found if job.is_terminal]
    removed = removals.of_jobs(session, ended) if ended else {}
    return [show_job(job, newest.get(job.id), removed.get(job.id)) for job in found]


def _get(session: Session, principal: Principal, job_id: str) -> Job:
    if not plausible_id(job_id):
        not_found("job")
    try:
        return jobs.get(session, job_id, project=principal.project)
    except NotFound:
        not_found("job")
