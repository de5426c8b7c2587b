"""Another try at a job that ended without a result: a new job that goes on where the old one stopped."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from registry import checkpoints, jobs, tables
from registry.errors import DatasetDeleted, JobNotFinished, JobNotRetryable, JobSucceeded, NotFound
from registry.records import Checkpoint, Job


def retry(session: Session, job_id: str, *, project: str | None = None, request_id: str | None = None) -> Job:
    """Queue a job like `job_id`, which failed or was cancelled; `retry_of` says so. The old job stays as it is.

    The new one gets the old one's furthest checkpoint, and the metrics of the epochs that this holds, so that it trains
    only what is left; resume is exact. Nudge the queue after the commit.

    Raises:
        NotFound: there is no such job.
        JobNotFinished, JobSucceeded, JobNotRetryable: it is not one to be tried again.
        DatasetDeleted: what it was to work on is gone.
    """
    old = jobs.get(session, job_id, project=project)
    _require_ended_without_result(old)
    try:
        new = jobs.create(
            session,
            project=old.project_id,
            type=old.type,
            dataset_id=old.dataset_id,
            config=old.config,
            preset=old.preset,
            model=old.model,
            metadata=old.metadata,
            queue=old.queue,
            estimate=old.estimate,
            retry_of=old.id,
            request_id=request_id,
            base=old.base,
        )
    except NotFound:
        raise DatasetDeleted(
            f"dataset {old.dataset_id}, which {old.id} was to work on, was deleted; upload it again and post a new job"
        ) from None
    checkpoint = checkpoints.lock_latest(session, old.id)
    if checkpoint is not None:
        checkpoints.hand_on(session, checkpoint, new.id)
        _copy_epochs(session, checkpoint, new.id)
    return new


def _require_ended_without_result(job: Job) -> None:
    if job.type == "validate_dataset":
        raise JobNotRetryable(
            f"{job.id} validates a dataset, whose verdict is final; upload the dataset again to have it validated"
        )
    if not job.is_terminal:
        raise JobNotFinished(f"{job.id} is {job.status}; wait until it has ended, or cancel it first")
    if job.status == "succeeded":
        raise JobSucceeded(f"{job.id} has succeeded; post a new job to do it again")


def _copy_epochs(session: Session, checkpoint: Checkpoint, job_id: str) -> None:
    epochs = tables.job_epochs
    query = select(epochs).where(epochs.c.job_id == checkpoint.job_id, epochs.c.epoch <= checkpoint.epoch)
    rows = [{**row, "job_id": job_id} for row in session.execute(query).mappings()]
    if rows:
        session.execute(insert(epochs), rows)
