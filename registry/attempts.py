"""What a worker records of the attempt that it holds a claim for. Public as part of `registry.jobs`.

Every function raises LeaseLost, and changes nothing, once the claim is stale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, insert, or_
from sqlalchemy.orm import Session

from registry import phase_times, tables
from registry.database import now
from registry.job_rows import announce, end_attempt, fenced, finish, held
from registry.records import PHASES, Claim, Job, Json
from registry.upsert import insert_if_absent

_jobs = tables.jobs
MAX_LOG_LINE = 4000


def set_phase(session: Session, claim: Claim, phase: str) -> Job:
    """The attempt enters `phase`, one of `records.PHASES` (else ValueError). Entering the same phase again is no event.

    A phase that no attempt had reached before is progress: this attempt is then the first of those spent on that phase.
    """
    if phase not in PHASES:
        raise ValueError(f"unknown phase {phase!r}; expected one of {', '.join(PHASES)}")
    position = PHASES.index(phase) + 1
    moment = now(session)
    is_elsewhere = or_(_jobs.c.phase.is_distinct_from(phase), _jobs.c.phase_started_at.is_(None))
    before = phase_times.lock(session, and_(held(claim), is_elsewhere))
    if before is None:
        return fenced(session, claim, moment)
    if before.phase == phase:  # where an earlier attempt was lost
        return fenced(session, claim, moment, phase_started_at=moment)
    phase_times.leave(session, before, moment)
    entered = fenced(
        session,
        claim,
        moment,
        phase=phase,
        phase_started_at=moment,
        progress=None,
        furthest_phase=_greater(_jobs.c.furthest_phase, position),
        attempts_without_progress=_if(
            and_(_jobs.c.furthest_phase < position, _jobs.c.attempts_without_progress > 1),
            1,
            _jobs.c.attempts_without_progress,
        ),
    )
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

    One that was asked to cancel becomes `cancelled` instead. The claim is stale afterwards. Nudge the queue after the
    commit.
    """
    cancelled = finish(session, _asked_to_cancel(claim), "cancelled")
    if cancelled is not None:
        return cancelled
    moment = now(session)
    count = _jobs.c.attempts_without_progress
    job = _let_go(session, claim, attempts_without_progress=_if(count > 0, count - 1, 0))
    end_attempt(session, job, moment, "released")
    return announce(session, job, "job.attempt_ended", {"attempt": job.attempt, "outcome": "released"})


def attempt_lost(
    session: Session,
    claim: Claim,
    error: Mapping[str, Any],
    *,
    max_attempts_without_progress: int = 3,
    pause_seconds: float = 0,
) -> Job:
    """The trainer died (killed, out of memory) while its supervisor lives: another attempt follows, or the job fails.

    It fails with `worker_lost` after `max_attempts_without_progress` attempts in a row without progress; else it can be
    claimed, at once or after `pause_seconds`. One that was asked to cancel becomes `cancelled` instead: nobody may
    claim it. Tell by `is_terminal`. The claim is stale afterwards. `error` is `{code, message, ...}`.
    """
    cancelled = finish(session, _asked_to_cancel(claim), "cancelled", lost=True, cause=error)
    if cancelled is not None:
        return cancelled
    spent = and_(held(claim), _jobs.c.attempts_without_progress >= max_attempts_without_progress)
    last = worker_lost(max_attempts_without_progress, error)
    failed = finish(session, spent, "failed", error=last, lost=True, cause=error)
    if failed is not None:
        return failed
    moment = now(session)
    job = _let_go(session, claim, pause_seconds)
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


def _asked_to_cancel(claim: Claim) -> ColumnElement[bool]:
    return and_(held(claim), _jobs.c.cancel_requested_at.is_not(None))


def _let_go(session: Session, claim: Claim, pause_seconds: float = 0, **values: Any) -> Job:
    """End the lease soon and raise the fence, or a late heartbeat of the same claim would revive it."""
    moment = now(session)
    if (before := phase_times.lock(session, held(claim))) is not None:
        phase_times.leave(session, before, moment)
    values |= {"lease_until": moment + timedelta(seconds=pause_seconds), "worker": None, "progress": None}
    values["phase_started_at"] = None
    return fenced(session, claim, moment, fence=_jobs.c.fence + 1, **values)


def _ended(session: Session, claim: Claim, job: Job | None) -> Job:
    return fenced(session, claim) if job is None else job


def _if(condition: ColumnElement[bool], then: Any, otherwise: Any) -> ColumnElement[Any]:
    return case((condition, then), else_=otherwise)


def _greater(column: ColumnElement[int], value: int) -> ColumnElement[int]:
    return _if(column < value, value, column)
