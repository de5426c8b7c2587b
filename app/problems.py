"""RFC 9457 problem documents: one catalogue of codes, one exception, one renderer.

Every answer that isn't a success is a problem document, those of the framework (404, 405, 500) included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

import structlog
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from obstore.exceptions import GenericError as BlobStoreError
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response

from app.allowed_methods import allow
from app.problem_kinds import KINDS
from reco_core.errors import FieldError, PocketRecError, is_disk_full
from registry.errors import InvalidName, RegistryError
from registry.outages import is_outage

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = "2"
log = structlog.get_logger("pocketrec.api")


@dataclass(frozen=True)
class Fault:
    """One fault of a request. `pointer` points into the body (RFC 6901); `parameter` names a query or header value."""

    pointer: str
    code: str
    detail: str
    parameter: str | None = None

    def as_dict(self) -> dict[str, str]:
        """JSON form; `parameter` only where the fault isn't in the body."""
        plain = {"pointer": self.pointer, "code": self.code, "detail": self.detail}
        return plain if self.parameter is None else {**plain, "parameter": self.parameter}


class Problem(HTTPException):
    """Raised anywhere in the API to answer with a problem document of the kind `code`."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[Fault | FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(KINDS[code].status, detail, dict(headers or {}))
        self.code = code
        self.text = detail
        self.faults = tuple(_as_fault(error) for error in errors)
        self.extra = dict(extra or {})


class FaultDocument(BaseModel):
    """One fault of a request, as JSON."""

    pointer: str = Field(description="RFC 6901 JSON pointer into the body; empty when the fault isn't in it.")
    code: str = Field(description="Stable name of the kind of fault.")
    detail: str = Field(description="Cause and remedy in plain words.")
    parameter: str | None = Field(None, description="The query or header value at fault, if it is one.")


class ProblemDocument(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str = Field(description="`/problems/<code>`, which answers a description of the kind.")
    title: str
    status: int
    detail: str = Field(description="Cause and remedy in plain words.")
    instance: str = Field(description="Path of the request.")
    code: str = Field(description="Stable snake_case name of the kind.")
    trace_id: str = Field(description="Quote it when reporting a fault; the log has it too.")
    errors: list[FaultDocument] = Field(description="Each fault, where there can be several.")


def document(
    code: str,
    detail: str,
    *,
    instance: str,
    trace_id: str,
    faults: Sequence[Fault] = (),
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The problem document of kind `code`."""
    kind = KINDS[code]
    return {
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "trace_id": trace_id,
        "errors": [fault.as_dict() for fault in faults],
        **(extra or {}),
    }


def recorded(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A `{code, message, errors}` that a worker recorded, as the problem object shown in `error`."""
    if error is None:
        return None
    code = str(error.get("code", "pipeline_failed"))
    kind = KINDS.get(code)
    known = {"code", "message", "errors"}
    return {
        **{key: value for key, value in error.items() if key not in known},
        "type": f"/problems/{code}",
        "title": kind.title if kind else code.replace("_", " ").capitalize(),
        "status": kind.status if kind else int(HTTPStatus.INTERNAL_SERVER_ERROR),
        "detail": str(error.get("message", "")),
        "code": code,
        "errors": list(error.get("errors") or ()),
    }


def render(request_path: str, trace_id: str, problem: Problem) -> Response:
    """The response for `problem`."""
    body = document(
        problem.code, problem.text, instance=request_path, trace_id=trace_id, faults=problem.faults, extra=problem.extra
    )
    # Surrogates can come from a percent-encoded path; they must not turn an error into another error.
    text = json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    headers = {"Cache-Control": "no-store", **(problem.headers or {})}
    return Response(text, problem.status_code, headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make `app` answer with problem documents wherever it answers with an error."""

    async def on_problem(request: Request, error: Exception) -> Response:
        problem = _translate(error)
        if problem.status_code == 405:
            problem.headers = {**(problem.headers or {}), "Allow": allow(request)}
        return render(request.url.path, trace_id_of(request), problem)

    failures = (
        OSError,
        DBAPIError,
        PoolTimeout,
        BlobStoreError,
    )  # of these only a full disk and an outage are answered here
    for kind in (StarletteHTTPException, RequestValidationError, PocketRecError, RegistryError, *failures):
        app.add_exception_handler(kind, on_problem)


def trace_id_of(request: Request) -> str:
    """The trace id that the context middleware gave this request."""
    return str(request.scope.get("state", {}).get("trace_id", ""))


def not_found(what: str) -> NoReturn:
    """Raise the one answer for a missing object and for one that belongs to somebody else."""
    raise Problem("not_found", f"There is no such {what}.")


def from_pocketrec(error: PocketRecError, prefix: str = "") -> Problem:
    """A typed error of the pipeline as a problem; its pointers get `prefix` (such as `/config`) in front."""
    faults = [Fault(prefix + fault.pointer, fault.code, fault.detail) for fault in error.errors]
    return Problem(error.code if error.code in KINDS else "internal_error", error.message, errors=faults)


def from_pydantic(errors: Sequence[ErrorDetails | Mapping[str, Any]], prefix: str = "") -> Problem:
    """Faults that pydantic found, each at its pointer under `prefix`."""
    faults = [_pydantic_fault(error, prefix) for error in errors]
    first = faults[0]
    where = first.parameter or first.pointer or "the body"
    more = f" ({len(faults) - 1} more in `errors`)" if len(faults) > 1 else ""
    return Problem("validation_failed", f"{where}: {first.detail}{more}", errors=faults)


def pointer(parts: Sequence[object]) -> str:
    """The RFC 6901 pointer along `parts`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _pydantic_fault(error: Mapping[str, Any], prefix: str) -> Fault:
    location = list(error["loc"])
    detail = str(error["msg"]).removeprefix("Value error, ")
    code = str(error["type"])
    if code == "extra_forbidden":
        code, detail = "unknown_field", f"unknown field {str(location[-1])[:80]!r}; remove it or mend its spelling"
    if location and location[0] in ("query", "header", "path", "cookie"):
        return Fault("", code, detail, parameter=str(location[-1]))
    if location and location[0] == "body":
        del location[0]
    return Fault(prefix + pointer(location), code, detail)


def _as_fault(error: Fault | FieldError) -> Fault:
    return error if isinstance(error, Fault) else Fault(error.pointer, error.code, error.detail)


def _from_registry(error: RegistryError) -> Problem:
    if isinstance(error, InvalidName):
        return Problem("validation_failed", error.message, errors=[Fault("", "invalid_name", error.message)])
    return Problem(error.code if error.code in KINDS else "internal_error", error.message)


def _translate(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return from_pydantic(error.errors())
    if isinstance(error, PocketRecError):
        return from_pocketrec(error)
    if isinstance(error, RegistryError):
        return _from_registry(error)
    if is_disk_full(error):
        return Problem(
            "insufficient_storage",
            "The service's disk is full; nothing of the request was kept. Whoever runs the service: free some space "
            "there (`pocketrec tidy` removes what no policy keeps). Then send it again.",
        )
    if is_outage(error):
        log.warning("database_unavailable", error=str(error).splitlines()[0][:300])
        return Problem(
            "database_unavailable",
            "The service's database doesn't answer, or is too busy. Send the request again; with an Idempotency-Key a "
            "POST takes effect once, however often it is sent.",
            headers={"Retry-After": RETRY_SECONDS},
        )
    if isinstance(error, BlobStoreError):
        log.warning("blob_store_unavailable", error=str(error).splitlines()[0][:300])
        return Problem(
            "blob_store_unavailable",
            "The service's blob store doesn't answer. Send the request again.",
            headers={"Retry-After": RETRY_SECONDS},
        )
    if not isinstance(error, StarletteHTTPException):
        raise error
    by_status = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}
    code = by_status.get(error.status_code, "bad_request" if error.status_code < 500 else "internal_error")
    detail = {
        "not_found": "There is nothing at this address; /openapi.json lists what there is.",
        "method_not_allowed": "This address doesn't take that method; the Allow header lists those it takes.",
    }.get(code, str(error.detail))
    return Problem(code, detail, headers=error.headers)
