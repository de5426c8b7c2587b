"""A slot: takes a job, supervises it to its end, takes the next one; and only then waits for a message again."""

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


def work(runtime: Runtime, hint: str | None = None) -> int:
    """Run the job `hint` if it can be claimed, else the oldest claimable one, and then all others that wait.

    Returns how many attempts were made.
    """
    attempts = 0
    with runtime.busy():
        claim = (_claim(runtime, hint) if hint is not None else None) or _claim(runtime)
        while claim is not None:
            attempts += 1
            again = supervisor.run_attempt(runtime, claim)
            # A job whose trainer died goes on in this slot at once, before any other.
            claim = (_claim(runtime, claim.job_id) if again else None) or _claim(runtime)
    return attempts


def _claim(runtime: Runtime, job_id: str | None = None) -> Claim | None:
    if runtime.stopping.is_set():
        return None
    settings = runtime.settings
    try:
        with runtime.database.write() as session:
            claim = leases.claim(
                session,
                job_id=job_id,
                worker=runtime.worker,
                lease_seconds=settings.lease_seconds,
                queues=settings.queues,
                max_attempts_without_progress=settings.max_attempts_without_progress,
            )
            if claim is None and job_id is not None:
                _explain(jobs.get(session, job_id).status, job_id)
            return claim
    except NotFound:
        log.warning("message_discarded", reason="unknown job", job_id=job_id)
    except SQLAlchemyError as error:
        # The row still waits; the reaper publishes it again.
        log.warning("claim_failed", job_id=job_id, error=repr(error)[:300])
    return None


def _explain(status: str, job_id: str) -> None:
    log.debug("hint_not_claimable", job_id=job_id, status=status)
