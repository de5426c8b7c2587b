"""Jobs: create, read, cancel, and what a worker records under its claim.

    queued -> running -> succeeded | failed | cancelled          terminal statuses never change

Every function that takes a `Claim` raises LeaseLost, and changes nothing, once the claim is stale.
Each writes its events in the same transaction. Publish the id to the queue after the commit, not before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, insert, select
from sqlalchemy.orm import Session

from registry import ids, tables
from registry.checkpoints import latest_checkpoint as latest_checkpoint
from registry.checkpoints import promote_checkpoint as promote_checkpoint
from registry.database import now
from registry.errors import DatasetNotReady, NotFound
from registry.job_rows import announce, end_attempt, fenced, finish, held, insert_job, lease_expired, to_job, write
from registry.names import check_model_name
from registry.paging import page
from registry.records import (
    DEFAULT_PROJECT,
    PHASES,
    Attempt,
    Claim,
    EpochMetrics,
    Job,
    Json,
    LogLine,
    Page,
    build,
)
from registry.upsert import insert_if_absent

_jobs = tables.jobs
MAX_LOG_LINE = 4000


# --- for the doors ---------------------------------------------------------------------------------------------------


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
    queue: str = "default",
    retry_of: str | None = None,
) -> Job:
    """Queue a job. Raises NotFound and DatasetNotReady for its dataset, InvalidName for its model."""
    if model is not None:
        check_model_name(model)
    if dataset_id is not None and type != "validate_dataset":
        _require_ready(session, project, dataset_id)
    return insert_job(
        session,
        id=ids.new("job"),
        project_id=project,
        type=type,
        queue=queue,
        dataset_id=dataset_id,
        config=dict(config),
        preset=preset,
        model=model,
        metadata=dict(metadata or {}),
        retry_of=retry_of,
    )


def get(session: Session, job_id: str, *, project: str | None = None) -> Job:
    """The job, of `project` if one is given. Raises NotFound."""
    row = session.execute(select(_jobs).where(_is(job_id, project))).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    return to_job(row)


def list_page(
    session: Session,
    project: str = DEFAULT_PROJECT,
    *,
    status: str | None = None,
    types: Sequence[str] | None = None,
    dataset_id: str | None = None,
    model: str | None = None,
    after: str | None = None,
    limit: int = 20,
) -> Page[Job]:
    """Jobs, newest first. `status` also understands `cancelling`; `after` is the `next_after` of the page before."""
    query = select(_jobs).where(_jobs.c.project_id == project)
    if status is not None:
        query = query.where(_has_status(status))
    if types is not None:
        query = query.where(_jobs.c.type.in_(types))
    if dataset_id is not None:
        query = query.where(_jobs.c.dataset_id == dataset_id)
    if model is not None:
        query = query.where(_jobs.c.model == model)
    return page(session, query, _jobs.c.id, after, limit, to_job)


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


def list_log(session: Session, job_id: str, *, after: int = 0, limit: int = 1000) -> list[LogLine]:
    """Log lines with an id greater than `after`, in order."""
    log = tables.job_logs
    query = select(log).where(log.c.job_id == job_id, log.c.id > after).order_by(log.c.id).limit(limit)
    return [build(LogLine, row) for row in session.execute(query).mappings()]


# --- for the worker, under its claim ---------------------------------------------------------------------------------


def set_phase(session: Session, claim: Claim, phase: str) -> Job:
    """The attempt enters `phase`, one of `records.PHASES` (else ValueError). Entering the same phase again is no event.

    A phase that no attempt had reached before is progress: this attempt is then the first of those spent on that phase.
    """
    position = PHASES.index(phase) + 1
    moment = now(session)
    entered = write(
        session,
        and_(held(claim), _jobs.c.phase.is_distinct_from(phase)),
        moment,
        phase=phase,
        progress=None,
        furthest_phase=_greater(_jobs.c.furthest_phase, position),
        attempts_without_progress=_if(
            and_(_jobs.c.furthest_phase < position, _jobs.c.attempts_without_progress > 1),
            1,
            _jobs.c.attempts_without_progress,
        ),
    )
    if entered is None:
        return fenced(session, claim, moment)
    return announce(session, entered, "job.phase_changed", {"phase": phase, "attempt": entered.attempt})


def record_progress(
    session: Session, claim: Claim, *, done: int, total: int, unit: str, eta_seconds: float | None = None
) -> Job:
    """`done` of `total` units of the present phase. Changes the job's revision; no event."""
    eta = eta_seconds if eta_seconds is not None and math.isfinite(eta_seconds) else None
    return fenced(session, claim, progress={"done": done, "total": total, "unit": unit, "eta_seconds": eta})


def record_epoch(session: Session, claim: Claim, epoch: int, metrics: Mapping[str, float]) -> Job:
    """Epoch `epoch` (from 1) is complete. Repeated by a later attempt it keeps its first record: resume is exact."""
    job = fenced(session, claim)
    finite = {name: float(value) if math.isfinite(value) else None for name, value in metrics.items()}
    is_new = insert_if_absent(
        session, tables.job_epochs, job_id=job.id, epoch=epoch, metrics=finite, created_at=job.updated_at
    )
    if not is_new:
        return job
    return announce(session, job, "job.epoch_completed", {"epoch": epoch, "metrics": finite})


def append_log(session: Session, claim: Claim, lines: Sequence[str]) -> None:
    """Keep lines for people, each cut at MAX_LOG_LINE characters."""
    job = fenced(session, claim)
    if not lines:
        return
    # PostgreSQL has no NUL in text.
    kept = [line.replace("\0", "\ufffd")[:MAX_LOG_LINE] for line in lines]
    rows = [{"job_id": job.id, "attempt": job.attempt, "line": line, "created_at": job.updated_at} for line in kept]
    session.execute(insert(tables.job_logs), rows)


def succeed(session: Session, claim: Claim, result: Mapping[str, Any]) -> Job:
    """The job has done its work. For `train`, publish in the same transaction and pass `models.result_of`."""
    return _ended(session, claim, finish(session, held(claim), "succeeded", result=result, progress=None))


def fail(session: Session, claim: Claim, error: Mapping[str, Any]) -> Job:
    """The job can't succeed. `error` is `{code, message, errors}`, as `PocketRecError.as_dict` gives it."""
    return _ended(session, claim, finish(session, held(claim), "failed", error=error))


def cancelled(session: Session, claim: Claim) -> Job:
    """The worker has stopped because it was asked to. Promoted checkpoints stay."""
    moment = now(session)
    requested = func.coalesce(_jobs.c.cancel_requested_at, moment)
    return _ended(session, claim, finish(session, held(claim), "cancelled", cancel_requested_at=requested))


def release(session: Session, claim: Claim) -> Job:
    """Give the job back because this worker is shutting down: another may take it at once. The attempt counts nothing.

    The claim is stale afterwards. Nudge the queue after the commit.
    """
    moment = now(session)
    count = _jobs.c.attempts_without_progress
    job = _let_go(session, claim, attempts_without_progress=_if(count > 0, count - 1, 0))
    end_attempt(session, job, moment, "released")
    return announce(session, job, "job.attempt_ended", {"attempt": job.attempt, "outcome": "released"})


def attempt_lost(
    session: Session, claim: Claim, error: Mapping[str, Any], *, max_attempts_without_progress: int = 3
) -> Job:
    """The trainer died (killed, out of memory) while its supervisor lives: another attempt follows, or the job fails.

    It fails with `worker_lost` after `max_attempts_without_progress` attempts in a row without progress; else it can be
    claimed at once. Tell by `is_terminal`. The claim is stale afterwards. `error` is `{code, message, ...}`.
    """
    spent = and_(held(claim), _jobs.c.attempts_without_progress >= max_attempts_without_progress)
    failed = finish(session, spent, "failed", error=worker_lost(max_attempts_without_progress, error), lost=True)
    if failed is not None:
        return failed
    moment = now(session)
    job = _let_go(session, claim)
    end_attempt(session, job, moment, "lost", error)
    return announce(
        session, job, "job.attempt_ended", {"attempt": job.attempt, "outcome": "lost", "error": dict(error)}
    )


def worker_lost(attempts: int, last: Mapping[str, Any] | None = None) -> Json:
    """The error of a job whose attempts keep dying; `last` is what is known of the last one."""
    message = (
        f"{attempts} attempt(s) in a row ended without a new checkpoint or finished phase; the trainer or its worker "
        "died each time. Give it more memory, or make the model or its vocabulary smaller."
    )
    if last is not None:
        message += f" The last one: {last.get('message', last.get('code', 'unknown'))}"
    return {"code": "worker_lost", "message": message, "errors": []}


# --- private ---------------------------------------------------------------------------------------------------------


def _let_go(session: Session, claim: Claim, **values: Any) -> Job:
    """End the lease now and raise the fence, or a late heartbeat of the same claim would revive it."""
    moment = now(session)
    return fenced(
        session, claim, moment, lease_until=moment, fence=_jobs.c.fence + 1, worker=None, progress=None, **values
    )


def _ended(session: Session, claim: Claim, job: Job | None) -> Job:
    return fenced(session, claim) if job is None else job


def _is(job_id: str, project: str | None) -> ColumnElement[bool]:
    return _jobs.c.id == job_id if project is None else and_(_jobs.c.id == job_id, _jobs.c.project_id == project)


def _has_status(status: str) -> ColumnElement[bool]:
    asked = _jobs.c.cancel_requested_at.is_not(None)
    if status == "cancelling":
        return and_(_jobs.c.status == "running", asked)
    if status == "running":
        return and_(_jobs.c.status == "running", ~asked)
    return and_(_jobs.c.status == status)


def _require_ready(session: Session, project: str, dataset_id: str) -> None:
    datasets = tables.datasets
    query = select(datasets.c.status).where(datasets.c.id == dataset_id, datasets.c.project_id == project)
    status = session.execute(query).scalar_one_or_none()
    if status is None:
        raise NotFound(f"there is no dataset {dataset_id}")
    if status != "ready":
        remedy = "wait until it is ready" if status == "validating" else "its report says why; upload a corrected one"
        raise DatasetNotReady(f"dataset {dataset_id} is {status}; {remedy}")


def _if(condition: ColumnElement[bool], then: Any, otherwise: Any) -> ColumnElement[Any]:
    return case((condition, then), else_=otherwise)


def _greater(column: ColumnElement[int], value: int) -> ColumnElement[int]:
    return _if(column < value, value, column)
