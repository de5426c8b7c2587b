"""A slot: takes a job, supervises it to its end, takes the next one of its queue; and only then waits for a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from registry import jobs, leases
from registry.errors import NotFound
from worker import supervisor

if TYPE_CHECKING:
    from registry.records import Claim
    from worker.runtime import Runtime

log = structlog.get_logger(__name__)


def work(runtime: Runtime, hint: str | None = None, *, queue: str | None = None) -> int:
    """Run the job `hint` if it can be claimed, else the oldest claimable one of its queue, and then all others there.

    A hint that names no job means any queue, as does none at all; `queue` says which. Where no slot of the queue is
    free nothing happens: a slot at work takes the next row itself. Returns how many attempts were made.
    """
    queues = (queue,) if queue is not None else _queues_of(runtime, hint)
    return sum(_work(runtime, name, hint) for name in queues)


def _queues_of(runtime: Runtime, hint: str | None) -> tuple[str, ...]:
    """The queues of this worker that a hint may be about: the row says it, and not the message, which may be stale."""
    if hint is None:
        return runtime.settings.queues
    try:
        with runtime.database.read() as session:
            job = jobs.get(session, hint)
    except NotFound:
        log.warning("message_discarded", reason="unknown job", job_id=hint)
        return runtime.settings.queues
    except SQLAlchemyError as error:
        log.warning("claim_failed", job_id=hint, error=repr(error)[:300])
        return ()
    if job.queue not in runtime.slots:
        log.debug("hint_not_for_this_worker", job_id=hint, queue=job.queue)
        return ()
    return (job.queue,)


def _work(runtime: Runtime, queue: str, hint: str | None) -> int:
    slots = runtime.slots[queue]
    if not slots.enter():
        log.debug("no_slot_free", queue=queue, job_id=hint)
        return 0
    attempts, entered = 0, True
    try:
        while entered:
            claim = (_claim(runtime, queue, hint) if hint is not None else None) or _claim(runtime, queue)
            while claim is not None:
                attempts += 1
                again = supervisor.run_attempt(runtime, claim)
                # A job whose trainer died goes on in this slot at once, before any other.
                claim = (_claim(runtime, queue, claim.job_id) if again else None) or _claim(runtime, queue)
            hint = None
            entered = not slots.leave()
    finally:
        if entered:
            slots.abandon()
    return attempts


def _claim(runtime: Runtime, queue: str, job_id: str | None = None) -> Claim | None:
    if runtime.stopping.is_set() or not runtime.disk_gate.is_open():
        return None
    settings = runtime.settings
    try:
        with runtime.database.write() as session:
            claim = leases.claim(
                session,
                job_id=job_id,
                worker=runtime.worker,
                lease_seconds=settings.lease_seconds,
                queues=(queue,),
                max_attempts_without_progress=settings.max_attempts_without_progress,
                take_over=runtime.trusts_leases(session),
            )
            if claim is None and job_id is not None:
                _explain(jobs.get(session, job_id).status, job_id)
            return claim
    except NotFound:
        log.debug("hint_not_claimable", job_id=job_id, status="unknown")
    except SQLAlchemyError as error:
        # The row still waits; the reaper publishes it again.
        log.warning("claim_failed", job_id=job_id, error=repr(error)[:300])
    return None


def _explain(status: str, job_id: str) -> None:
    log.debug("hint_not_claimable", job_id=job_id, status=status)
