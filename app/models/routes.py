"""`/v1/models`: models, versions and their files."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app import conditional
from app.dependencies import Wired
from app.event_lists import EventsQuery, Subject, answer_events, event_responses
from app.models.files import BUNDLE, FILE_RESPONSES, serve_file
from app.models.lookup import VersionNumber, find, find_version
from app.models.schemas import (
    EVENTS_EXAMPLE,
    FILES_EXAMPLE,
    MODEL_EXAMPLE,
    VERSION_EXAMPLE,
    FilesView,
    ModelView,
    VersionView,
    show_files,
    show_model,
    show_version,
)
from app.pagination import CreatedAfter, Page, PageQuery, page
from app.problems import Problem
from app.responses import ETAG, LINK, NOT_MODIFIED, ok, page_example, problems
from app.schemas import EventPage
from app.security import Asker
from registry import models

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get(
    "",
    response_model=Page[ModelView],
    responses={
        **ok("A page of models, newest first.", page_example(MODEL_EXAMPLE), LINK | ETAG),
        **NOT_MODIFIED,
        **problems("invalid_cursor", "validation_failed"),
    },
)
def list_models(
    request: Request,
    services: Wired,
    principal: Asker,
    wanted: PageQuery,
    created_after: CreatedAfter = None,
) -> Response:
    """The models, newest first."""
    after = wanted.after_key("models")
    with services.database.read() as session:
        found = models.list_page(
            session, principal.project, created_after=created_after, after=after, limit=wanted.limit
        )
    return page(request, "models", found, show_model)


@router.get(
    "/{name:word}",
    response_model=ModelView,
    responses={**ok("The model.", MODEL_EXAMPLE, ETAG), **NOT_MODIFIED, **problems("not_found", "validation_failed")},
)
def get_model(request: Request, services: Wired, principal: Asker, name: str) -> Response:
    """One model."""
    return conditional.respond_with(request, show_model(find(services, principal, name)))


@router.head(
    "/{name:word}/events",
    name="head_model_events",
    response_model=EventPage,
    responses=event_responses(EVENTS_EXAMPLE),
)
@router.get("/{name:word}/events", response_model=EventPage, responses=event_responses(EVENTS_EXAMPLE))
async def list_model_events(
    request: Request, services: Wired, principal: Asker, name: str, wanted: EventsQuery
) -> Response:
    """What happened to the model, oldest first. `Accept: text/event-stream` gets it as it happens, without an end."""

    def subject() -> Subject:
        model = find(services, principal, name)
        return Subject(model.id, is_final=False, last_seq=model.last_seq)

    return await answer_events(request, services, wanted, subject)


@router.get(
    "/{name:word}/versions",
    response_model=Page[VersionView],
    responses={
        **ok("A page of versions, newest first.", page_example(VERSION_EXAMPLE), LINK | ETAG),
        **NOT_MODIFIED,
        **problems("not_found", "invalid_cursor", "validation_failed"),
    },
)
def list_model_versions(
    request: Request,
    services: Wired,
    principal: Asker,
    name: str,
    wanted: PageQuery,
    yanked: Annotated[
        bool | None, Query(description="Only versions that are withdrawn, or only those that aren't.")
    ] = None,
    created_after: CreatedAfter = None,
) -> Response:
    """The versions of a model, newest first."""
    model = find(services, principal, name)
    key = wanted.after_key("versions")
    if key is not None and not (key.isascii() and key.isdigit() and len(key) < 10):
        raise Problem("invalid_cursor", "`after` is no cursor of the list of versions.")
    with services.database.read() as session:
        found = models.list_versions(
            session,
            model.name,
            project=principal.project,
            yanked=yanked,
            created_after=created_after,
            after=None if key is None else int(key),
            limit=wanted.limit,
        )
    return page(request, "versions", found, show_version)


@router.get(
    "/{name:word}/versions/{version:int}",
    response_model=VersionView,
    responses={
        **ok("The version.", VERSION_EXAMPLE, ETAG),
        **NOT_MODIFIED,
        **problems("not_found", "validation_failed"),
    },
)
def get_model_version(
    request: Request, services: Wired, principal: Asker, name: str, version: VersionNumber
) -> Response:
    """One version: metrics beside the baselines, variants, signatures, files, and whether it was withdrawn."""
    return conditional.respond_with(request, show_version(find_version(services, principal, name, version)))


@router.get(
    "/{name:word}/versions/{version:int}/files",
    response_model=FilesView,
    responses={
        **ok("All files, by path.", FILES_EXAMPLE, ETAG),
        **NOT_MODIFIED,
        **problems("not_found", "validation_failed"),
    },
)
def list_model_files(
    request: Request, services: Wired, principal: Asker, name: str, version: VersionNumber
) -> Response:
    """The files of a version with size, sha256 and address; the answer for `bundle.zip` holds those of the bundle."""
    found = find_version(services, principal, name, version)
    return conditional.respond_with(request, FilesView(data=show_files(found)))


@router.head(
    "/{name:word}/versions/{version:int}/files/{path:path}",
    name="head_model_file",
    response_class=Response,
    responses=FILE_RESPONSES,
)
@router.get("/{name:word}/versions/{version:int}/files/{path:path}", response_class=Response, responses=FILE_RESPONSES)
def get_model_file(
    request: Request, services: Wired, principal: Asker, name: str, version: VersionNumber, path: str
) -> Response:
    """A file of a version. `{path}.sha256` is its checksum line, `SHA256SUMS` has those of all."""
    return serve_file(request, services, find_version(services, principal, name, version), path)


@router.head(
    "/{name:word}/versions/{version:int}/bundle.zip",
    name="head_model_bundle",
    response_class=Response,
    responses=FILE_RESPONSES,
)
@router.get("/{name:word}/versions/{version:int}/bundle.zip", response_class=Response, responses=FILE_RESPONSES)
def get_model_bundle(
    request: Request, services: Wired, principal: Asker, name: str, version: VersionNumber
) -> Response:
    """All files of a version in one zip."""
    return serve_file(request, services, find_version(services, principal, name, version), BUNDLE)
