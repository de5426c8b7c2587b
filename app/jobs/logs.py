"""`GET /v1/jobs/{id}/logs` and `/attempts`: what became of the job's attempts, and what they said."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from app import conditional
from app.dependencies import Wired
from app.jobs.examples import ATTEMPTS_EXAMPLE, LOG_EXAMPLE, LOG_TEXT_EXAMPLE
from app.jobs.log_text import respond_with_text
from app.jobs.lookup import find
from app.jobs.schemas import AttemptList, LogPage, show_attempt, show_line
from app.pagination import link_next
from app.problems import Fault, Problem
from app.responses import ETAG, LINK, NOT_MODIFIED, Responses, ok, problems
from app.security import Asker
from registry import jobs, retention

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
MAX_LINES = 1000
_DEFAULT_LINES = 100


def _log_responses() -> Responses:
    found = ok("Lines, oldest first: a page as JSON, or all of them as text.", LOG_EXAMPLE, LINK | ETAG)
    text: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}, "example": LOG_TEXT_EXAMPLE}}
    found[200]["content"] |= text
    part: Responses = {
        206: {"description": "The bytes of the text that Range asks for.", "headers": ETAG, "content": text}
    }
    return {
        **found,
        **part,
        **NOT_MODIFIED,
        **problems("not_found", "removed_by_policy", "range_not_satisfiable", "validation_failed"),
    }


@router.get("/{job_id:word}/logs", response_model=LogPage, responses=_log_responses())
def list_job_logs(
    request: Request,
    services: Wired,
    principal: Asker,
    job_id: str,
    after: Annotated[int | None, Query(ge=0, lt=2**63, description="Only lines with a greater id.")] = None,
    limit: Annotated[
        int | None, Query(ge=1, le=MAX_LINES, description="Lines at most; by default 100 a page, and all as text.")
    ] = None,
    tail: Annotated[int | None, Query(ge=1, le=MAX_LINES, description="Only the last ones, this many.")] = None,
    attempt: Annotated[int | None, Query(ge=1, lt=2**31, description="Only lines of this attempt.")] = None,
    format: Annotated[  # noqa: A002
        Literal["json", "text"] | None, Query(description="`text` is the same as `Accept: text/plain`.")
    ] = None,
) -> Response:
    """The job's log: the phases, epochs and decisions of its attempts, and what their trainers said.

    As text it takes `Range`: `bytes=-2000` is its end, `bytes=N-` what came since it had N bytes (416 if nothing has).
    """
    job = find(services, principal, job_id)
    if tail is not None and (after is not None or limit is not None):
        fault = Fault("", "contradiction", "give `tail`, or `after` and `limit`", parameter="tail")
        raise Problem("validation_failed", f"`tail` can't be combined: {fault.detail}.", errors=[fault])
    if _as_text(request, format):
        with services.database.read() as session:
            lines = jobs.measure_log(session, job.id, after=after or 0, limit=limit, tail=tail, attempt=attempt)
            if not lines:
                retention.require_kept(session, job.id, "logs")
        return respond_with_text(request, services.database, job.id, lines, attempt)
    count = limit or _DEFAULT_LINES
    with services.database.read() as session:
        if tail is not None:
            found, has_more = jobs.tail_log(session, job.id, tail, attempt=attempt), False
        else:
            found = jobs.list_log(session, job.id, after=after or 0, limit=count + 1, attempt=attempt)
            found, has_more = found[:count], len(found) > count
        if not found:
            retention.require_kept(session, job.id, "logs")
    cursor = str(found[-1].id) if has_more else None
    page = LogPage(data=[show_line(line) for line in found], has_more=has_more, next_cursor=cursor)
    return conditional.respond_with(request, page, {**link_next(request, cursor), "Vary": "Accept"})


@router.get(
    "/{job_id:word}/attempts",
    response_model=AttemptList,
    responses={
        **ok("All attempts, the first one first.", ATTEMPTS_EXAMPLE, ETAG),
        **NOT_MODIFIED,
        **problems("not_found", "validation_failed"),
    },
)
def list_job_attempts(request: Request, services: Wired, principal: Asker, job_id: str) -> Response:
    """The tries of the job: which worker made each, how it ended and why, and how long each phase took."""
    job = find(services, principal, job_id)
    with services.database.read() as session:
        found = jobs.list_attempts(session, job.id)
    return conditional.respond_with(request, AttemptList(data=[show_attempt(attempt) for attempt in found]))


def _as_text(request: Request, format: str | None) -> bool:  # noqa: A002
    if format is not None:
        return format == "text"
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    return "text/plain" in accepted and "application/json" not in accepted
