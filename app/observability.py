"""What every request gets: a trace id, an access log line, safe headers, and a problem document if the code fails."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import Problem, render

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PROBES = frozenset({"/healthz", "/readyz"})  # asked every few seconds for ever
log = structlog.get_logger("pocketrec.api")


class RequestContext:
    """Outermost middleware. `scope["state"]["log"]` takes fields (such as `job_id`) for the access log line."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        trace_id = _trace_id(headers.get("traceparent"))
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else trace_id
        fields: dict[str, Any] = {}
        scope.setdefault("state", {}).update(trace_id=trace_id, log=fields)
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), request_id)
            await send(message)

        with structlog.contextvars.bound_contextvars(trace_id=trace_id, request_id=request_id):
            try:
                await self.app(scope, receive, send_with_headers)
            except ClientDisconnect:
                fields["disconnected"] = True
            except Exception:
                log.exception("request failed", method=scope["method"], path=scope["path"])
                if status:
                    raise  # half a body is out; only closing the connection tells the client
                problem = Problem("internal_error", "The service failed; its log has the details under this trace_id.")
                answer = render(scope["path"], trace_id, problem)
                await answer(scope, receive, send_with_headers)
            finally:
                record = log.debug if scope["path"] in _PROBES else log.info
                record(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    milliseconds=round((time.perf_counter() - started) * 1000, 1),
                    **fields,
                )


def log_fields(request: Request, **fields: Any) -> None:
    """Add `fields` to the access log line of this request."""
    request.scope["state"]["log"].update(fields)


def request_id() -> str | None:
    """The id of the request that is being answered: the client's X-Request-ID, or one of ours."""
    return structlog.contextvars.get_contextvars().get("request_id")


def _trace_id(traceparent: str | None) -> str:
    match = _TRACEPARENT.fullmatch(traceparent or "")
    return match.group(1) if match and match.group(1).strip("0") else secrets.token_hex(16)


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    headers["X-Request-ID"] = request_id
    for name, value in _SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")
