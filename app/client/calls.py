"""What the calls of `Client` have in common: a connection, one resource, pages of them, one that is watched."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Self, TypeVar

import httpx

from app.client.errors import ApiError, Unreachable
from app.client.models import Answer, Page, Readiness, ServiceStatus
from app.client.transport import Transport

Shape = TypeVar("Shape", bound=Answer)
LONG_POLL_SECONDS = 20
SHORTEST_PAUSE = 0.3  # between two polls where the service doesn't hold them
PATIENCE = 60.0  # seconds without any answer before a wait gives up: a service may restart meanwhile


class Calls:
    """A connection to one service; use it as a context manager."""

    def __init__(self, url: str, api_key: str | None = None, transport: httpx.BaseTransport | None = None) -> None:
        self.transport = Transport(url, api_key, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def ready(self) -> bool:
        """Whether the service answers and can do its work."""
        return self.transport.request("GET", "/readyz").status_code == 200

    def readiness(self) -> Readiness:
        """Whether the service can do its work, with what each of its parts says, be it ready or not."""
        try:
            return Readiness.model_validate(self.transport.request("GET", "/readyz").json())
        except ApiError as error:
            if error.code != "not_ready":
                raise
            return Readiness(status="not_ready", checks=error.document.get("checks", ()))

    def status(self) -> ServiceStatus:
        """The queues and the workers that are at work."""
        return self._one("/v1/status", ServiceStatus)

    def _one(self, path: str, model: type[Shape]) -> Shape:
        return model.model_validate(self.transport.request("GET", path).json())

    def _page(self, path: str, parameters: Mapping[str, Any]) -> Page:
        return Page.model_validate(self.transport.request("GET", path, params=dict(parameters)).json())

    def _many(
        self, path: str, model: type[Shape], limit: int, parameters: Mapping[str, Any] | None = None
    ) -> list[Shape]:
        found: list[Shape] = []
        cursor: dict[str, Any] = {}
        while len(found) < limit:
            asked = {**(parameters or {}), **cursor, "limit": min(limit - len(found), 100)}
            page = self._page(path, asked)
            found += [model.model_validate(item) for item in page.data]
            if not page.has_more or page.next_cursor is None:
                break
            cursor = {"after": page.next_cursor}
        return found

    def _poll(self, path: str, hold: int = LONG_POLL_SECONDS) -> Iterator[dict[str, Any]]:
        """The resource at `path` now and after each change, for ever: by ETag, and by long poll where it is offered."""
        etag: str | None = None
        parameters: dict[str, Any] = {}
        last_answer = time.monotonic()
        while True:
            began = time.monotonic()
            try:
                headers = {"If-None-Match": etag} if etag else {}
                response = self.transport.request("GET", path, params=parameters, headers=headers)
            except Unreachable:
                if time.monotonic() - last_answer > PATIENCE:
                    raise
                time.sleep(1.0)
                continue
            last_answer = time.monotonic()
            if response.status_code != 304:
                etag = response.headers.get("ETag")
                body: dict[str, Any] = response.json()
                if "last_seq" in body:
                    parameters = {"wait": hold, "after": body["last_seq"]}
                yield body
            if last_answer - began < SHORTEST_PAUSE:  # the answer came at once: don't hammer
                time.sleep(SHORTEST_PAUSE if response.status_code != 304 else 2 * SHORTEST_PAUSE)
