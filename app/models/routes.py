"""`/v1/models`: models, versions and their files."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app import conditional
from app.dependencies import Services, Wired
from app.event_lists import EventsQuery, Subject, answer_events, event_responses
from app.models.files import BUNDLE, FILE_RESPONSES, serve_file
from app.models.schemas import (
    EVENTS_EXAMPLE,
    MODEL_EXAMPLE,
    VERSION_EXAMPLE,
    ModelView,
    VersionView,
    show_model,
    show_version,
)
from app.pagination import Page, PageQuery, page
from app.problems import Problem, not_found
from app.responses import ETAG, LINK, NOT_MODIFIED, ok, page_example, problems
from app.schemas import EventPage
from app.security import Asker, Principal
from registry import models
from registry.errors import InvalidName, NotFound
from registry.names import check_model_name
from registry.records import Model, ModelVersion

router = APIRouter(prefix="/v1/models", tags=["models"])

VersionNumber = Annotated[int, Path(ge=1, lt=2**31, description="Version number.")]


def find(services: Services, principal: Principal, name: str) -> Model:
    """The asker's model of this name. Raises Problem `not_found`."""
    _plausible(name)
    try:
        with services.database.read() as session:
            return models.get(session, name, project=principal.project)
    except NotFound:
        not_found("model")


def find_version(services: Services, principal: Principal, name: str, version: int) -> ModelVersion:
    """A version of the asker's model. Raises Problem `not_found`."""
    _plausible(name)
    try:
        with services.database.read() as session:
            return models.get_version(session, name, version, project=principal.project)
    except NotFound:
        not_found("model version")


@router.get(
    "",
    response_model=Page[ModelView],
    responses={
        **ok("A page of models, newest first.", page_example(MODEL_EXAMPLE), LINK | ETAG),
        **NOT_MODIFIED,
        **problems("invalid_cursor", "validation_failed"),
    },
)
def list_models(request: Request, services: Wired, principal: Asker, wanted: PageQuery) -> Response:
    """The models, newest first."""
    after = wanted.after_key("models")
    with services.database.read() as session:
        found = models.list_page(session, principal.project, after=after, limit=wanted.limit)
    return page(request, "models", found, show_model)


@router.get(
    "/{name}",
    response_model=ModelView,
    responses={**ok("The model.", MODEL_EXAMPLE, ETAG), **NOT_MODIFIED, **problems("not_found", "validation_failed")},
)
def get_model(request: Request, services: Wired, principal: Asker, name: str) -> Response:
    """One model."""
    return conditional.respond(request, show_model(find(services, principal, name)).model_dump_json().encode())


@router.head(
    "/{name}/events",
    name="head_model_events",
    response_model=EventPage,
    responses=event_responses(EVENTS_EXAMPLE),
)
@router.get("/{name}/events", response_model=EventPage, responses=event_responses(EVENTS_EXAMPLE))
async def list_model_events(
    request: Request, services: Wired, principal: Asker, name: str, wanted: EventsQuery
) -> Response:
    """What happened to the model, oldest first. `Accept: text/event-stream` gets it as it happens, without an end."""

    def subject() -> Subject:
        return Subject(find(services, principal, name).id, is_final=False)

    return await answer_events(request, services, wanted, subject)


@router.get(
    "/{name}/versions",
    response_model=Page[VersionView],
    responses={
        **ok("A page of versions, newest first.", page_example(VERSION_EXAMPLE), LINK | ETAG),
        **NOT_MODIFIED,
        **problems("not_found", "invalid_cursor", "validation_failed"),
    },
)
def list_model_versions(request: Request, services: Wired, principal: Asker, name: str, wanted: PageQuery) -> Response:
    """The versions of a model, newest first."""
    model = find(services, principal, name)
    key = wanted.after_key("versions")
    if key is not None and not (key.isascii() and key.isdigit() and len(key) < 10):
        raise Problem("invalid_cursor", "`after` is no cursor of the list of versions.")
    with services.database.read() as session:
        found = models.list_versions(
            session, model.name, project=principal.project, after=None if key is None else int(key), limit=wanted.limit
        )
    return page(request, "versions", found, show_version)


@router.get(
    "/{name}/versions/{version}",
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
    """One version with its metrics and files."""
    found = find_version(services, principal, name, version)
    return conditional.respond(request, show_version(found).model_dump_json().encode())


@router.head(
    "/{name}/versions/{version}/files/{path:path}",
    name="head_model_file",
    response_class=Response,
    responses=FILE_RESPONSES,
)
@router.get("/{name}/versions/{version}/files/{path:path}", response_class=Response, responses=FILE_RESPONSES)
def get_model_file(
    request: Request, services: Wired, principal: Asker, name: str, version: VersionNumber, path: str
) -> Response:
    """A file of a version. `{path}.sha256` is its checksum line, `SHA256SUMS` has those of all."""
    return serve_file(request, services, find_version(services, principal, name, version), path)


@router.head(
    "/{name}/versions/{version}/bundle.zip",
    name="head_model_bundle",
    response_class=Response,
    responses=FILE_RESPONSES,
)
@router.get("/{name}/versions/{version}/bundle.zip", response_class=Response, responses=FILE_RESPONSES)
def get_model_bundle(
    request: Request, services: Wired, principal: Asker, name: str, version: VersionNumber
) -> Response:
    """All files of a version in one zip."""
    return serve_file(request, services, find_version(services, principal, name, version), BUNDLE)


def _plausible(name: str) -> None:
    try:
        check_model_name(name)
    except InvalidName:
        not_found("model")
