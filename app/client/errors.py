"""What can go wrong for a client, each with its cause and remedy in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ClientError(Exception):
    """Base of everything that the client raises on purpose."""


class ApiError(ClientError):
    """The service answered with a problem document (RFC 9457).

    `code` is stable; `detail` says cause and remedy; `errors` are `{pointer, code, detail}` for each fault;
    `document` is all of it, for what only one kind of problem has.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        errors: Sequence[Mapping[str, Any]] = (),
        trace_id: str | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.trace_id = trace_id
        self.document = dict(document or {})

    @classmethod
    def from_body(cls, status: int, body: Any) -> ApiError:
        """From a response's parsed body; anything but a problem document gives code `http_<status>`."""
        if not isinstance(body, Mapping) or "code" not in body:
            return cls(status, f"http_{status}", f"HTTP {status}", f"the service answered {status} without saying why")
        return cls(
            status,
            str(body["code"]),
            str(body.get("title", "")),
            str(body.get("detail", body.get("message", ""))),
            [error for error in body.get("errors") or () if isinstance(error, Mapping)],
            body.get("trace_id"),
            body,
        )

    def lines(self) -> list[str]:
        """The detail, then one line a fault with the place that it points at."""
        faults = []
        for error in self.errors:
            place = error.get("pointer") or error.get("parameter")
            detail = str(error.get("detail", ""))
            if detail not in self.detail:
                faults.append(f"{place}: {detail}" if place else detail)
        return [self.detail or self.title, *faults]


class Unreachable(ClientError):
    """Nothing that speaks HTTP answers at the address, or it stopped answering for too long."""


class ChecksumMismatch(ClientError):
    """Bytes that aren't the ones that were published. Nothing is kept of them."""


class BundleInvalid(ClientError):
    """A bundle whose files and manifest don't agree."""
