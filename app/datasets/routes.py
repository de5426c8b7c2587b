"""`/v1/datasets`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app import conditional
from app.datasets import multipart, upload
from app.datasets.schemas import (
    DATASET_EXAMPLE,
    EVENTS_EXAMPLE,
    REPORT_EXAMPLE,
    VALIDATING_EXAMPLE,
    DatasetView,
    show_dataset,
)
from app.dependencies import LongPollQuery, Services, Wired, plausible_id, read_when_changed
from app.event_lists import EventsQuery, Subject, answer_events, event_responses
from app.idempotency import OnceUnread, Reply
from app.observability import log_fields
from app.pagination import Page, PageQuery, page
from app.problems import Problem, not_found
from app.responses import ETAG, LINK, LOCATION, NOT_MODIFIED, RETRY_AFTER, ok, page_example, problems
from app.schemas import EventPage
from app.security import Asker, Principal
from app.strict_json import StrictJsonRoute
from registry import datasets, queues
from registry.errors import NotFound
from registry.records import Dataset


def find(services: Services, principal: Principal, dataset_id: str) -> Dataset:
    """The asker's dataset of this id.

    Raises:
        Problem: `not_found`, also where it belongs to somebody else.
    """
    if not plausible_id(dataset_id):
        not_found("dataset")
    try:
        with services.database.read() as session:
            return datasets.get(session, dataset_id, project=principal.project)
    except NotFound:
        not_found("dataset")


router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=StrictJsonRoute)

_FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "The log, or a zip of it and its item table."},
        "items": {"type": "string", "format": "binary", "description": "The item table, if it is a file of its own."},
        "name": {"type": "string", "description": "By default the file's name."},
        "format": {"type": "string", "description": "By default detected.", "default": "auto"},
        "mapping": {"type": "string", "description": 'JSON such as `{"user": "uid", "item": "sku"}`.'},
        "spec": {"type": "string", "description": "The whole dataset spec as JSON; single fields override it."},
    },
}


@router.post(
    "",
    status_code=202,
    response_model=DatasetView,
    responses={
        **ok("Received; being validated.", VALIDATING_EXAMPLE, LOCATION | RETRY_AFTER, 202),
        **problems(
            "malformed_json",
            "malformed_multipart",
            "request_timeout",
            "payload_too_large",
            "unsupported_media_type",
            "validation_failed",
            "insufficient_storage",
        ),
    },
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM_SCHEMA}}}},
)
async def create_dataset(request: Request, services: Wired, principal: Asker, once: OnceUnread) -> Response:
    """Upload a log. It is streamed to disk, then validated by a job; poll the dataset until it is `ready`."""
    with upload.scratch_folder(services.settings.state_dir) as folder:
        form = await multipart.receive(request, folder, services.settings.max_upload_bytes, upload.FILE_PARTS)
        asked = await once.of(form.fingerprint())
        create = await run_in_threadpool(upload.store, services, principal, form)

        def work(session: Session) -> Reply:
            dataset = create(session)
            log_fields(request, dataset_id=dataset.id, job_id=dataset.validation_job_id)
            headers = {"Location": f"/v1/datasets/{dataset.id}", "Retry-After": "1"}
            job_id = dataset.validation_job_id
            return Reply(show_dataset(dataset), 202, headers, then=lambda: services.nudge([job_id], queues.VALIDATE))

        return await run_in_threadpool(asked.run, work)


@router.get(
    "",
    response_model=Page[DatasetView],
    responses={
        **ok("A page of datasets, newest first.", page_example(DATASET_EXAMPLE), LINK | ETAG),
        **NOT_MODIFIED,
        **problems("invalid_cursor", "validation_failed"),
    },
)
def list_datasets(
    request: Request,
    services: Wired,
    principal: Asker,
    wanted: PageQuery,
    status: Annotated[Literal["validating", "ready", "invalid"] | None, Query(description="Only these.")] = None,
) -> Response:
    """The datasets, newest first."""
    after = wanted.after_key("datasets")
    with services.database.read() as session:
        found = datasets.list_page(session, principal.project, status=status, after=after, limit=wanted.limit)
    return page(request, "datasets", found, show_dataset)


@router.get(
    "/{dataset_id}",
    response_model=DatasetView,
    responses={
        **ok("The dataset.", DATASET_EXAMPLE, ETAG),
        **NOT_MODIFIED,
        **problems("not_found", "validation_failed"),
    },
)
async def get_dataset(
    request: Request, services: Wired, principal: Asker, dataset_id: str, poll: LongPollQuery
) -> Response:
    """One dataset."""
    log_fields(request, dataset_id=dataset_id)
    dataset = await read_when_changed(
        request,
        poll,
        lambda: find(services, principal, dataset_id),
        lambda row: row.status != "validating",
    )
    headers = {"Retry-After": "1"} if dataset.status == "validating" else {}
    return conditional.respond(request, show_dataset(dataset).model_dump_json().encode(), headers)


@router.get(
    "/{dataset_id}/report",
    response_model=dict[str, Any],
    responses={
        **ok("What was read.", REPORT_EXAMPLE, ETAG),
        **NOT_MODIFIED,
        **problems("not_found", "dataset_not_ready", "validation_failed"),
    },
)
def get_dataset_report(request: Request, services: Wired, principal: Asker, dataset_id: str) -> Response:
    """Format, mapping, rows in, accepted and rejected by reason, with line numbers. Also of an invalid dataset."""
    dataset = find(services, principal, dataset_id)
    if dataset.report is None:
        if dataset.status == "validating":
            raise Problem(
                "dataset_not_ready",
                f"{dataset.id} is still being validated; its report is there once it is ready or invalid.",
                headers={"Retry-After": "1"},
            )
        reason = (dataset.error or {}).get("message", "it could not be read")
        raise Problem("not_found", f"{dataset.id} has no report, because no row of it was read: {reason}")
    return conditional.respond(request, json.dumps(dataset.report, ensure_ascii=False).encode())


@router.head(
    "/{dataset_id}/events",
    name="head_dataset_events",
    response_model=EventPage,
    responses=event_responses(EVENTS_EXAMPLE),
)
@router.get("/{dataset_id}/events", response_model=EventPage, responses=event_responses(EVENTS_EXAMPLE))
async def list_dataset_events(
    request: Request, services: Wired, principal: Asker, dataset_id: str, wanted: EventsQuery
) -> Response:
    """What happened to the dataset, oldest first. `Accept: text/event-stream` gets it as it happens."""
    log_fields(request, dataset_id=dataset_id)

    def subject() -> Subject:
        dataset = find(services, principal, dataset_id)
        return Subject(dataset.id, dataset.status != "validating")

    return await answer_events(request, services, wanted, subject)
