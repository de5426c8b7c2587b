"""`/v1/jobs`."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from app import conditional
from app.dependencies import LongPollQuery, Services, Wired, plausible_id, read_when_changed
from app.event_lists import EventsQuery, list_events
from app.jobs import create
from app.jobs.examples import (
    CANCELLING_EXAMPLE,
    EPOCHS_EXAMPLE,
    EVENTS_EXAMPLE,
    QUEUED_EXAMPLE,
    RUNNING_EXAMPLE,
    SUCCEEDED_EXAMPLE,
)
from app.jobs.schemas import EpochList, EpochView, JobRequest, JobStatus, JobView, show_job
from app.models.files import FILE_RESPONSES, serve_file
from app.observability import log_fields
from app.pagination import Page, PageQuery, page
from app.problems import Problem, not_found
from app.responses import ETAG, LINK, LOCATION, NOT_MODIFIED, RETRY_AFTER, ok, page_example, problems
from app.schemas import EventPage
from app.security import Asker, Principal
from app.strict_json import StrictJsonRoute
from registry import jobs, models
from registry.errors import NotFound
from registry.records import Job

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictJsonRoute)


def find(services: Services, principal: Principal, job_id: str) -> Job:
    """The asker's job of this id.

    Raises:
        Problem: `not_found`, also where it belongs to somebody else.
    """
    if not plausible_id(job_id):
        not_found("job")
    try:
        with services.database.read() as session:
            return jobs.get(session, job_id, project=principal.project)
    except NotFound:
        not_found("job")


@router.post(
    "",
    status_code=202,
    response_model=JobView,
    responses={
        **ok("Queued.", QUEUED_EXAMPLE, LOCATION | RETRY_AFTER, 202),
        **problems(
            "malformed_json",
            "dataset_not_ready",
            "payload_too_large",
            "unsupported_media_type",
            "validation_failed",
            "unknown_dataset",
            "dataset_invalid",
            "dataset_too_small",
            "size_budget_impossible",
            "insufficient_storage",
        ),
    },
)
def create_job(request: Request, response: Response, services: Wired, principal: Asker, body: JobRequest) -> JobView:
    """Train a model on a dataset, and publish it as the next version of `model`."""
    job = create.create(services, principal, body)
    log_fields(request, job_id=job.id, dataset_id=job.dataset_id)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers["Retry-After"] = "1"
    return show_job(job)


@router.get(
    "",
    response_model=Page[JobView],
    responses={
        **ok("A page of jobs, newest first.", page_example(RUNNING_EXAMPLE), LINK | ETAG),
        **NOT_MODIFIED,
        **problems("invalid_cursor", "validation_failed"),
    },
)
def list_jobs(
    request: Request,
    services: Wired,
    principal: Asker,
    wanted: PageQuery,
    status: Annotated[JobStatus | None, Query(description="Only these.")] = None,
    type: Annotated[  # noqa: A002
        Literal["train", "validate_dataset"] | None, Query(description="Only these.")
    ] = None,
    dataset_id: Annotated[str | None, Query(max_length=64, description="Only jobs on this dataset.")] = None,
    model: Annotated[str | None, Query(max_length=64, description="Only jobs that publish under this name.")] = None,
) -> Response:
    """The jobs, newest first."""
    after = wanted.after_key("jobs")
    with services.database.read() as session:
        found = jobs.list_page(
            session,
            principal.project,
            status=status,
            types=None if type is None else [type],
            dataset_id=None if dataset_id is None else _printable(dataset_id),
            model=None if model is None else _printable(model),
            after=after,
            limit=wanted.limit,
        )
    return page(request, "jobs", found, show_job)


@router.get(
    "/{job_id}",
    response_model=JobView,
    responses={
        **ok("The job.", SUCCEEDED_EXAMPLE, ETAG),
        **NOT_MODIFIED,
        **problems("not_found", "validation_failed"),
    },
)
async def get_job(request: Request, services: Wired, principal: Asker, job_id: str, poll: LongPollQuery) -> Response:
    """One job. With `wait` and `after` the answer comes when something has happened."""
    log_fields(request, job_id=job_id)
    job = await read_when_changed(request, poll, lambda: find(services, principal, job_id), lambda row: row.is_terminal)
    headers = {} if job.is_terminal else {"Retry-After": "1"}
    return conditional.respond(request, show_job(job).model_dump_json().encode(), headers)


@router.post(
    "/{job_id}:cancel",
    response_model=JobView,
    responses={
        **ok("Cancelled, or on its way to be.", CANCELLING_EXAMPLE),
        **problems("not_found", "job_finished", "validation_failed", "insufficient_storage"),
    },
)
def cancel_job(request: Request, services: Wired, principal: Asker, job_id: str) -> JobView:
    """Stop a job. A queued one is cancelled at once, a running one as soon as its worker has stopped it."""
    job = find(services, principal, job_id)
    log_fields(request, job_id=job.id)
    with services.database.write() as session:
        job = jobs.request_cancel(session, job.id, project=principal.project)
    if job.status in ("succeeded", "failed"):
        raise Problem("job_finished", f"{job.id} has already {job.status}; there is nothing to cancel.")
    return show_job(job)


@router.get(
    "/{job_id}/events",
    response_model=EventPage,
    responses={
        **ok("Events, oldest first.", EVENTS_EXAMPLE, LINK | ETAG),
        **NOT_MODIFIED,
        **problems("not_found", "validation_failed"),
    },
)
def list_job_events(request: Request, services: Wired, principal: Asker, job_id: str, wanted: EventsQuery) -> Response:
    """What happened to the job, oldest first."""
    job = find(services, principal, job_id)
    with services.database.read() as session:
        return list_events(session, request, job.id, wanted)


@router.get(
    "/{job_id}/metrics",
    response_model=EpochList,
    responses={
        **ok("All completed epochs.", EPOCHS_EXAMPLE, ETAG),
        **NOT_MODIFIED,
        **problems("not_found", "validation_failed"),
    },
)
def list_job_metrics(request: Request, services: Wired, principal: Asker, job_id: str) -> Response:
    """The metrics of each epoch."""
    job = find(services, principal, job_id)
    with services.database.read() as session:
        epochs = jobs.list_epochs(session, job.id)
    shown = EpochList(
        data=[EpochView(epoch=row.epoch, metrics=row.metrics, created_at=row.created_at) for row in epochs]
    )
    return conditional.respond_with(request, shown)


@router.head(
    "/{job_id}/artifacts/{path:path}", name="head_job_artifact", response_class=Response, responses=FILE_RESPONSES
)
@router.get("/{job_id}/artifacts/{path:path}", response_class=Response, responses=FILE_RESPONSES)
def get_job_artifact(request: Request, services: Wired, principal: Asker, job_id: str, path: str) -> Response:
    """A file that the job published; the same as under the model's version."""
    job = find(services, principal, job_id)
    with services.database.read() as session:
        version = models.version_of_job(session, job.id)
    if version is None:
        not_found("file")
    return serve_file(request, services, version, path)


def _printable(value: str) -> str:
    """A filter value that any database takes; one with control characters matches nothing anyway."""
    return value if value.isprintable() else ""
