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

from app.metrics import Answered, Metrics
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
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})  # asked every few seconds for ever
log = structlog.get_logger("pocketrec.api")


class RequestContext:
    """Outermost middleware. `scope["state"]["log"]` takes fields (such as `job_id`) for the access log line."""

    def __init__(self, app: ASGIApp, metrics: Metrics | None = None) -> None:
        self.app = app
        self._metrics = metrics

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
        traffic = _Traffic(receive, send, request_id)
        with structlog.contextvars.bound_contextvars(trace_id=trace_id, request_id=request_id):
            try:
                await self.app(scope, traffic.receive, traffic.send)
            except ClientDisconnect:
                fields["disconnected"] = True
            finally:
                record = log.debug if scope["path"] in _PROBES else log.info
                record(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=traffic.status,
                    milliseconds=round((time.perf_counter() - traffic.started) * 1000, 1),
                    **fields,
                )
                if self._metrics is not None:
                    self._metrics.count(traffic.as_answered(scope))


class _Traffic:
    """What goes in and out for one request: counted, and with the headers that every answer has."""

    def __init__(self, receive: Receive, send: Send, request_id: str) -> None:
        self.status = 0
        self.started = time.perf_counter()
        self._receive, self._send, self._request_id = receive, send, request_id
        self._received = self._sent = 0
        self._begun = 0.0

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._begun = time.perf_counter()
            _add_headers(MutableHeaders(scope=message), self._request_id)
        await self._send(message)
        # A file that the server sends by itself has a count instead of a body.
        self._sent += len(message.get("body", b"")) or message.get("count", 0)

    def as_answered(self, scope: Scope) -> Answered:
        """The request for the metrics, by the template of its route: an id in a label would be a series of its own."""
        held = b"wait=" in scope["query_string"]
        return Answered(
            method=scope["method"],
            route=getattr(scope.get("route"), "path_format", "unmatched"),
            status=self.status,
            seconds=None if held or not self._begun else self._begun - self.started,
            received=self._received,
            sent=0 if scope["method"] == "HEAD" else self._sent,
        )


class FailuresAsProblems:
    """Answers a failure of the code with a problem document, inside of what marks all answers (CORS)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("request failed", method=scope["method"], path=scope["path"])
            if begun:
                raise  # half a body is out; only closing the connection tells the client
            problem = Problem("internal_error", "The service failed; its log has the details under this trace_id.")
            answer = render(scope["path"], scope.get("state", {}).get("trace_id", ""), problem)
            await answer(scope, receive, send)


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
