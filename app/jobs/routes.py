"""`/v1/jobs`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app import conditional
from app.dependencies import LongPollQuery, Wired, read_when_changed
from app.event_lists import EventsQuery, Subject, answer_events, event_responses
from app.idempotency import Once, Reply
from app.jobs import create
from app.jobs.examples import EPOCHS_EXAMPLE, EVENTS_EXAMPLE, QUEUED_EXAMPLE, RUNNING_EXAMPLE, SUCCEEDED_EXAMPLE
from app.jobs.lookup import describe, find_described
from app.jobs.lookup import find as find
from app.jobs.schemas import EpochList, EpochView, JobRequest, JobStatus, JobType, JobView, show_job
from app.models.files import FILE_RESPONSES, serve_file, serve_job_file
from app.observability import log_fields
from app.pagination import CreatedAfter, CreatedBefore, Page, PageQuery, page
from app.problems import not_found
from app.query import describe_pairs, pairs
from app.responses import ETAG, LINK, LOCATION, NOT_MODIFIED, RETRY_AFTER, ok, page_example, problems
from app.schemas import EventPage
from app.security import Asker
from app.strict_json import StrictJsonRoute
from registry import job_files, jobs, models, records, retention

Metadata = Annotated[dict[str, str], Depends(pairs("metadata", max_key=64, max_value=512))]
router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictJsonRoute)
_EVENT_RESPONSES = {**event_responses(EVENTS_EXAMPLE), **problems("not_found", "removed_by_policy")}


@router.post(
    "",
    status_code=202,
    response_model=JobView,
    responses={
        **ok("Queued.", QUEUED_EXAMPLE, LOCATION | RETRY_AFTER, 202),
        **problems(*create.REFUSALS),
    },
)
def create_job(request: Request, services: Wired, principal: Asker, once: Once, body: JobRequest) -> Response:
    """Train a model on a dataset and publish it as the next version of `model`, or do a part of that.

    What goes with which `type` is in the description of each field. A field that doesn't go with it is refused.
    """
    order = create.check(services, principal, body)

    def work(session: Session) -> Reply:
        job = create.queue(session, principal, order)
        log_fields(request, job_id=job.id, dataset_id=job.dataset_id)
        headers = {"Location": f"/v1/jobs/{job.id}", "Retry-After": "1"}
        return Reply(show_job(job), 202, headers, then=lambda: services.nudge([job.id], job.queue))

    return once.run(work)


@router.get(
    "",
    response_model=Page[JobView],
    responses={
        **ok("A page of jobs, newest first.", page_example(RUNNING_EXAMPLE), LINK | ETAG),
        **NOT_MODIFIED,
        **problems("invalid_cursor", "validation_failed"),
    },
    openapi_extra=describe_pairs("metadata", "Only jobs with this metadata: `metadata[commit]=4f2a91c`."),
)
def list_jobs(
    request: Request,
    services: Wired,
    principal: Asker,
    wanted: PageQuery,
    metadata: Metadata,
    status: Annotated[JobStatus | None, Query(description="Only these.")] = None,
    type: Annotated[  # noqa: A002
        JobType | None, Query(description="Only these.")
    ] = None,
    dataset_id: Annotated[str | None, Query(max_length=64, description="Only jobs on this dataset.")] = None,
    model: Annotated[str | None, Query(max_length=64, description="Only jobs that publish under this name.")] = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
) -> Response:
    """The jobs, newest first. All filters given must be met."""
    after = wanted.after_key("jobs")
    with services.database.read() as session:
        found = jobs.list_page(
            session,
            principal.project,
            status=status,
            types=None if type is None else [type],
            dataset_id=None if dataset_id is None else _printable(dataset_id),
            model=None if model is None else _printable(model),
            metadata=metadata,
            created_after=created_after,
            created_before=created_before,
            after=after,
            limit=wanted.limit,
        )
        shown = records.Page(tuple(describe(session, found.items)), found.next_after)
    return page(request, "jobs", shown, lambda view: view)


@router.get(
    "/{job_id:word}",
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
    job = await read_when_changed(
        request, poll, lambda: find_described(services, principal, job_id), lambda view: view.status in records.TERMINAL
    )
    headers = {} if job.status in records.TERMINAL else {"Retry-After": "1"}
    return conditional.respond_with(request, job, headers)


@router.head(
    "/{job_id:word}/events",
    name="head_job_events",
    response_model=EventPage,
    responses=_EVENT_RESPONSES,
)
@router.get("/{job_id:word}/events", response_model=EventPage, responses=_EVENT_RESPONSES)
async def list_job_events(
    request: Request, services: Wired, principal: Asker, job_id: str, wanted: EventsQuery
) -> Response:
    """What happened to the job, oldest first. `Accept: text/event-stream` gets it as it happens."""
    log_fields(request, job_id=job_id)

    def subject() -> Subject:
        job = find(services, principal, job_id)
        if job.is_terminal and wanted.position < job.last_seq:
            with services.database.read() as session:
                retention.require_kept(session, job.id, "events")
        return Subject(job.id, job.is_terminal, job.last_seq)

    return await answer_events(request, services, wanted, subject)


@router.get(
    "/{job_id:word}/metrics",
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
    "/{job_id:word}/artifacts/{path:path}", name="head_job_artifact", response_class=Response, responses=FILE_RESPONSES
)
@router.get("/{job_id:word}/artifacts/{path:path}", response_class=Response, responses=FILE_RESPONSES)
def get_job_artifact(request: Request, services: Wired, principal: Asker, job_id: str, path: str) -> Response:
    """A file that the job made: one of its own, or one of the version that it published, the same as there.

    `{path}.sha256` is its checksum line, `SHA256SUMS` has those of all.
    """
    job = find(services, principal, job_id)
    with services.database.read() as session:
        version = models.version_of_job(session, job.id)
        own = () if version is not None else job_files.of(session, job.id)
        if version is None and not own:
            retention.require_kept(session, job.id, "job_files")
    if version is not None:
        return serve_file(request, services, version, path)
    if not own:
        not_found("file")
    return serve_job_file(request, services, own, path)


def _printable(value: str) -> str:
    """A filter value that any database takes; one with control characters matches nothing anyway."""
    return value if value.isprintable() else ""
