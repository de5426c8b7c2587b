"""Jobs: create, read, cancel, and what a worker records under its claim.

    queued -> running -> succeeded | failed | cancelled          terminal statuses never change

Every function that takes a `Claim` raises LeaseLost, and changes nothing, once the claim is stale.
Each writes its events in the same transaction. Publish the id to the queue after the commit, not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, func, insert, select
from sqlalchemy.orm import Session

from registry import ids, queues, tables
from registry.attempts import MAX_LOG_LINE as MAX_LOG_LINE
from registry.attempts import append_log as append_log
from registry.attempts import attempt_lost as attempt_lost
from registry.attempts import cancelled as cancelled
from registry.attempts import fail as fail
from registry.attempts import record_epoch as record_epoch
from registry.attempts import record_progress as record_progress
from registry.attempts import release as release
from registry.attempts import set_phase as set_phase
from registry.attempts import succeed as succeed
from registry.checkpoints import latest_checkpoint as latest_checkpoint
from registry.checkpoints import promote_checkpoint as promote_checkpoint
from registry.database import now
from registry.errors import DatasetNotReady, NotFound
from registry.job_lists import list_page as list_page
from registry.job_logs import list_log as list_log
from registry.job_logs import measure_log as measure_log
from registry.job_logs import read_log as read_log
from registry.job_logs import tail_log as tail_log
from registry.job_rows import announce, finish, insert_job, lease_expired, to_job, write
from registry.names import check_model_name
from registry.records import (
    DEFAULT_PROJECT,
    Attempt,
    EpochMetrics,
    Job,
    build,
)

_jobs = tables.jobs


def create(
    session: Session,
    *,
    project: str = DEFAULT_PROJECT,
    type: str,  # noqa: A002
    dataset_id: str | None,
    config: Mapping[str, Any],
    preset: str | None = None,
    model: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    queue: str | None = None,
    estimate: Mapping[str, Any] | None = None,
    retry_of: str | None = None,
    request_id: str | None = None,
    base: Mapping[str, Any] | None = None,
) -> Job:
    """Queue a job. Raises NotFound and DatasetNotReady for its dataset, InvalidName for its model.

    `estimate` is what is expected of it; `request_id` the request that wants it; `base` the version it begins with.
    """
    if model is not None:
        check_model_name(model)
    if dataset_id is not None and type != "validate_dataset":
        _require_ready(session, project, dataset_id)
    job = insert_job(
        session,
        id=ids.new("job"),
        project_id=project,
        type=type,
        queue=queue or queues.of_type(type),
        dataset_id=dataset_id,
        config=dict(config),
        preset=preset,
        model=model,
        metadata=dict(metadata or {}),
        estimate=None if estimate is None else dict(estimate),
        retry_of=retry_of,
        request_id=request_id,
        base=None if base is None else dict(base),
    )
    pairs = [
        {"job_id": job.id, "project_id": project, "key": key, "value": value}
        for key, value in job.metadata.items()
        if isinstance(value, str)
    ]
    if pairs:
        session.execute(insert(tables.job_metadata), pairs)
    return job


def get(session: Session, job_id: str, *, project: str | None = None) -> Job:
    """The job, of `project` if one is given. Raises NotFound."""
    row = session.execute(select(_jobs).where(_is(job_id, project))).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    return to_job(row)


def list_unfinished(session: Session, dataset_id: str, *, besides: str | None = None) -> list[str]:
    """Ids of the jobs on this dataset that are waiting or running, oldest first; `besides` is left out."""
    query = select(_jobs.c.id).where(_jobs.c.dataset_id == dataset_id, _jobs.c.status.in_(("queued", "running")))
    if besides is not None:
        query = query.where(_jobs.c.id != besides)
    return list(session.execute(query.order_by(_jobs.c.id)).scalars())


def request_cancel(session: Session, job_id: str, *, project: str | None = None) -> Job:
    """Cancel a job that nobody runs at once; ask the worker of one that runs to stop. A terminal job stays as it is.

    Raises NotFound. The job returned tells which of the three it was: `cancelled`, `cancelling`, or another status.
    """
    moment = now(session)
    idle = and_(_is(job_id, project), (_jobs.c.status == "queued") | lease_expired(moment))
    cancelled = finish(
        session, idle, "cancelled", cancel_requested_at=func.coalesce(_jobs.c.cancel_requested_at, moment)
    )
    if cancelled is not None:
        return cancelled
    running = and_(_is(job_id, project), _jobs.c.status == "running", _jobs.c.cancel_requested_at.is_(None))
    asked = write(session, running, moment, cancel_requested_at=moment)
    if asked is not None:
        return announce(session, asked, "job.cancel_requested")
    return get(session, job_id, project=project)


def list_attempts(session: Session, job_id: str) -> list[Attempt]:
    """All attempts of the job, the first one first."""
    query = select(tables.attempts).where(tables.attempts.c.job_id == job_id).order_by(tables.attempts.c.number)
    return [build(Attempt, row) for row in session.execute(query).mappings()]


def list_epochs(session: Session, job_id: str) -> list[EpochMetrics]:
    """The metrics of all completed epochs, in order."""
    query = select(tables.job_epochs).where(tables.job_epochs.c.job_id == job_id).order_by(tables.job_epochs.c.epoch)
    return [build(EpochMetrics, row) for row in session.execute(query).mappings()]


def _is(job_id: str, project: str | None) -> ColumnElement[bool]:
    return _jobs.c.id == job_id if project is None else and_(_jobs.c.id == job_id, _jobs.c.project_id == project)


def _require_ready(session: Session, project: str, dataset_id: str) -> None:
    datasets = tables.datasets
    query = select(datasets.c.status).where(
        datasets.c.id == dataset_id, datasets.c.project_id == project, datasets.c.deleted_at.is_(None)
    )
    # Locked, so that it can't be deleted between this look and the commit of the job; readers don't wait.
    status = session.execute(query.with_for_update(read=True)).scalar_one_or_none()
    if status is None:
        raise NotFound(f"there is no dataset {dataset_id}")
    if status != "ready":
        remedy = "wait until it is ready" if status == "validating" else "its report says why; upload a corrected one"
        raise DatasetNotReady(f"dataset {dataset_id} is {status}; {remedy}")
