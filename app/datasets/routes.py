"""`/v1/datasets`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app import conditional
from app.datasets import fetched, labels, multipart, upload
from app.datasets.examples import (
    DATASET_EXAMPLE,
    EVENTS_EXAMPLE,
    PREVIEW_EXAMPLE,
    REPORT_EXAMPLE,
    VALIDATING_EXAMPLE,
)
from app.datasets.lookup import find
from app.datasets.schemas import DatasetView, PreviewView, show_dataset, show_preview
from app.dependencies import LongPollQuery, Wired, read_when_changed
from app.event_lists import EventsQuery, Subject, answer_events, event_responses
from app.idempotency import Idempotent, OnceUnread, Reply, fingerprint
from app.observability import log_fields
from app.pagination import CreatedAfter, CreatedBefore, Page, PageQuery, page
from app.problems import Problem
from app.query import describe_pairs, pairs
from app.responses import ETAG, LINK, LOCATION, NOT_MODIFIED, RETRY_AFTER, ok, page_example, problems
from app.schemas import EventPage
from app.security import Asker
from app.strict_json import StrictJsonRoute, is_json, limited_body
from registry import datasets, queues
from registry.records import Dataset

Labels = Annotated[dict[str, str], Depends(pairs("labels", max_key=labels.MAX_KEY, max_value=labels.MAX_VALUE))]
router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=StrictJsonRoute)

_FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "The log, or a zip of it and its tables."},
        "items": {"type": "string", "format": "binary", "description": "The item table, if it is a file of its own."},
        "users": {"type": "string", "format": "binary", "description": "The user table, if it is a file of its own."},
        "name": {"type": "string", "description": "By default the file's name."},
        "format": {"type": "string", "description": "By default detected.", "default": "auto"},
        "mapping": {"type": "string", "description": 'JSON such as `{"user": "uid", "item": "sku"}`.'},
        "labels": {"type": "string", "description": 'Your own notes, JSON such as `{"season": "spring"}`.'},
        "spec": {"type": "string", "description": "The whole dataset spec as JSON; single fields override it."},
    },
}

_BODIES = {
    "multipart/form-data": {"schema": _FORM_SCHEMA},
    "application/json": {"schema": {"$ref": "#/components/schemas/DatasetRequest"}},
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
            "url_not_allowed",
            "resumable_uploads_unavailable",
            "insufficient_storage",
            "blob_store_unavailable",
        ),
    },
    openapi_extra={"requestBody": {"required": True, "content": _BODIES}},
)
async def create_dataset(request: Request, services: Wired, principal: Asker, once: OnceUnread) -> Response:
    """Upload a log, or name one for the service to fetch. A job reads it; poll the dataset until it is `ready`.

    A file goes as multipart/form-data and is streamed to disk; `{"builtin": ...}` or `{"url": ...}` goes as JSON.
    """

    def commit(asked: Idempotent, create: Callable[[Session], Dataset]) -> Response:
        def work(session: Session) -> Reply:
            dataset = create(session)
            log_fields(request, dataset_id=dataset.id, job_id=dataset.validation_job_id)
            headers = {"Location": f"/v1/datasets/{dataset.id}", "Retry-After": "1"}
            job_id = dataset.validation_job_id
            return Reply(show_dataset(dataset), 202, headers, then=lambda: services.nudge([job_id], queues.VALIDATE))

        return asked.run(work)

    if is_json(request):
        body = await limited_body(request)
        asked = await once.of(fingerprint(body))
        return await run_in_threadpool(commit, asked, fetched.order(services, principal, body))
    with upload.scratch_folder(services.settings.state_dir) as folder:
        form = await multipart.receive(request, folder, services.settings.max_upload_bytes, upload.FILE_PARTS)
        asked = await once.of(form.fingerprint())
        create = await run_in_threadpool(upload.store, services, principal, form)
        return await run_in_threadpool(commit, asked, create)


@router.get(
    "",
    response_model=Page[DatasetView],
    responses={
        **ok("A page of datasets, newest first.", page_example(DATASET_EXAMPLE), LINK | ETAG),
        **NOT_MODIFIED,
        **problems("invalid_cursor", "validation_failed"),
    },
    openapi_extra=describe_pairs("labels", "Only datasets with these labels: `labels[season]=spring`."),
)
def list_datasets(
    request: Request,
    services: Wired,
    principal: Asker,
    wanted: PageQuery,
    labels: Labels,
    status: Annotated[Literal["validating", "ready", "invalid"] | None, Query(description="Only these.")] = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
) -> Response:
    """The datasets, newest first. All filters given must be met."""
    after = wanted.after_key("datasets")
    with services.database.read() as session:
        found = datasets.list_page(
            session,
            principal.project,
            status=status,
            created_after=created_after,
            created_before=created_before,
            labels=labels,
            after=after,
            limit=wanted.limit,
        )
    return page(request, "datasets", found, show_dataset)


@router.get(
    "/{dataset_id:word}",
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
    "/{dataset_id:word}/preview",
    response_model=PreviewView,
    responses={
        **ok("The first rows.", PREVIEW_EXAMPLE, ETAG),
        **NOT_MODIFIED,
        **problems("not_found", "dataset_not_ready", "validation_failed"),
    },
)
def get_dataset_preview(
    request: Request,
    services: Wired,
    principal: Asker,
    dataset_id: str,
    limit: Annotated[int, Query(ge=1, le=100, description="Rows of the log.")] = 20,
) -> Response:
    """The first rows as they were understood; of an invalid dataset also its first lines as they stand."""
    dataset = find(services, principal, dataset_id)
    if dataset.preview is None:
        raise _nothing_yet(dataset, "preview")
    return conditional.respond_with(request, show_preview(dataset.preview, limit))


def _nothing_yet(dataset: Dataset, what: str) -> Problem:
    """Why a dataset has no report, or no preview."""
    if dataset.status == "validating":
        return Problem(
            "dataset_not_ready",
            f"{dataset.id} is still being validated; its {what} is there once it is ready or invalid.",
            headers={"Retry-After": "1"},
        )
    if dataset.status == "ready":
        return Problem("not_found", f"{dataset.id} has no {what}; it was read by an older version, so add it again.")
    reason = (dataset.error or {}).get("message", "it could not be read")
    return Problem("not_found", f"{dataset.id} has no {what}, because no row of it was read: {reason}")


@router.get(
    "/{dataset_id:word}/report",
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
        raise _nothing_yet(dataset, "report")
    return conditional.respond(request, json.dumps(dataset.report, ensure_ascii=False).encode())


@router.head(
    "/{dataset_id:word}/events",
    name="head_dataset_events",
    response_model=EventPage,
    responses=event_responses(EVENTS_EXAMPLE),
)
@router.get("/{dataset_id:word}/events", response_model=EventPage, responses=event_responses(EVENTS_EXAMPLE))
async def list_dataset_events(
    request: Request, services: Wired, principal: Asker, dataset_id: str, wanted: EventsQuery
) -> Response:
    """What happened to the dataset, oldest first. `Accept: text/event-stream` gets it as it happens."""
    log_fields(request, dataset_id=dataset_id)

    def subject() -> Subject:
        dataset = find(services, principal, dataset_id)
        return Subject(dataset.id, dataset.status != "validating", dataset.last_seq)

    return await answer_events(request, services, wanted, subject)
