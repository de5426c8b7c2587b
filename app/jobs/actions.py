"""`POST /v1/jobs/{id}:cancel` and `:retry`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from app.dependencies import Wired
from app.idempotency import Once, Reply
from app.jobs.examples import CANCELLING_EXAMPLE, RETRIED_EXAMPLE
from app.jobs.lookup import describe, find
from app.jobs.schemas import JobView
from app.observability import log_fields, request_id
from app.problems import Problem
from app.responses import LOCATION, RETRY_AFTER, ok, problems
from app.security import Asker
from registry import jobs, retries

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.post(
    "/{job_id:word}:cancel",
    response_model=JobView,
    responses={
        **ok("Cancelled, or on its way to be.", CANCELLING_EXAMPLE),
        **problems("not_found", "job_finished", "payload_too_large", "validation_failed", "insufficient_storage"),
    },
)
def cancel_job(request: Request, services: Wired, principal: Asker, once: Once, job_id: str) -> Response:
    """Stop a job. A queued one is cancelled at once, a running one as soon as its worker has stopped it.

    Its last checkpoint stays, with the best weights so far in it: `:retry` goes on from there.
    """
    wanted = find(services, principal, job_id)
    log_fields(request, job_id=wanted.id)

    def work(session: Session) -> Reply:
        job = jobs.request_cancel(session, wanted.id, project=principal.project)
        if job.status in ("succeeded", "failed"):
            raise Problem("job_finished", f"{job.id} has already {job.status}; there is nothing to cancel.")
        return Reply(describe(session, [job])[0])

    return once.run(work)


@router.post(
    "/{job_id:word}:retry",
    status_code=202,
    response_model=JobView,
    responses={
        **ok("Queued: another job like it.", RETRIED_EXAMPLE, LOCATION | RETRY_AFTER, 202),
        **problems(
            "not_found",
            "job_not_finished",
            "job_succeeded",
            "job_not_retryable",
            "dataset_deleted",
            "payload_too_large",
            "validation_failed",
            "insufficient_storage",
        ),
    },
)
def retry_job(request: Request, services: Wired, principal: Asker, once: Once, job_id: str) -> Response:
    """Try a job that failed or was cancelled again, as a new job that trains only what the old one's checkpoint lacks.

    Same dataset, config, model name and metadata. The result is the one that the old job would have had.
    """
    wanted = find(services, principal, job_id)

    def work(session: Session) -> Reply:
        job = retries.retry(session, wanted.id, project=principal.project, request_id=request_id())
        log_fields(request, job_id=job.id, retry_of=job.retry_of, dataset_id=job.dataset_id)
        headers = {"Location": f"/v1/jobs/{job.id}", "Retry-After": "1"}
        return Reply(describe(session, [job])[0], 202, headers, then=lambda: services.nudge([job.id], job.queue))

    return once.run(work)
