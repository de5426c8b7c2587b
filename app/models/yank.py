"""`POST /v1/models/{name}/versions/{n}:yank` and `:unyank`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from app.dependencies import Wired
from app.idempotency import Once, Reply
from app.models.lookup import VersionNumber, find_version
from app.models.schemas import VERSION_EXAMPLE, YANKED_EXAMPLE, VersionView, YankRequest, show_version
from app.observability import log_fields
from app.responses import ok, problems
from app.security import Asker
from app.strict_json import StrictJsonRoute
from registry import models

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=StrictJsonRoute)


@router.post(
    "/{name:word}/versions/{version:int}:yank",
    response_model=VersionView,
    responses={
        **ok("Withdrawn.", YANKED_EXAMPLE),
        **problems(
            "malformed_json",
            "not_found",
            "payload_too_large",
            "unsupported_media_type",
            "validation_failed",
            "insufficient_storage",
        ),
    },
)
def yank_model_version(
    request: Request,
    services: Wired,
    principal: Asker,
    once: Once,
    name: str,
    version: VersionNumber,
    body: YankRequest | None = None,
) -> Response:
    """Withdraw a version: it is the model's `latest_version` no more.

    Its files stay, unless the service is set to keep those of yanked versions for a time only, and carry the header
    `X-Yanked: true`, so that apps pinned to it can still be built. Its number is never used again. Yanking twice is no
    error; another reason replaces the first.
    """
    wanted = find_version(services, principal, name, version)
    reason = None if body is None else body.reason
    log_fields(request, model=wanted.model, version=version)

    def work(session: Session) -> Reply:
        return Reply(
            show_version(models.yank(session, wanted.model, version, reason=reason, project=principal.project))
        )

    return once.run(work)


@router.post(
    "/{name:word}/versions/{version:int}:unyank",
    response_model=VersionView,
    responses={
        **ok("As it was.", VERSION_EXAMPLE),
        **problems("not_found", "payload_too_large", "validation_failed", "insufficient_storage"),
    },
)
def unyank_model_version(
    request: Request, services: Wired, principal: Asker, once: Once, name: str, version: VersionNumber
) -> Response:
    """Take back that a version was withdrawn. No error where it wasn't."""
    wanted = find_version(services, principal, name, version)
    log_fields(request, model=wanted.model, version=version)

    def work(session: Session) -> Reply:
        return Reply(show_version(models.unyank(session, wanted.model, version, project=principal.project)))

    return once.run(work)
