"""Which web pages may call the service from a browser: those of the origins in the settings, and none by default."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import Problem, render

EXPOSED = (
    "Content-Range",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "Repr-Digest",
    "Retry-After",
    "X-Request-ID",
    "X-Yanked",
)


class Cors(CORSMiddleware):
    """Starlette's, with problem documents for what it refuses, and with answers that caches keep apart by origin.

    Stands outside of everything that may answer with an error, so that a page can read the error too.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=list(origins),
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],  # Starlette names those that were asked for, since * doesn't mean Authorization
            expose_headers=list(EXPOSED),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await self._preflight(headers, scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                if not self.allow_all_origins:
                    # Also without an Origin: a browser would show a page what it cached for a plain download.
                    vary_by_origin(answered)
                if origin and self.is_allowed_origin(origin):
                    answered["Cross-Origin-Resource-Policy"] = "cross-origin"
            await send(message)

        await super().__call__(scope, receive, send_marked)

    async def _preflight(self, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self.preflight_response(headers)
        if answer.status_code >= 400:
            problem = Problem(
                "cross_origin_refused",
                f"{bytes(answer.body).decode()} ({headers['origin'][:200]}). POCKETREC_CORS_ORIGINS lists the origins "
                "whose pages may call the service.",
                headers={name: value for name, value in answer.headers.items() if not name.startswith("content-")},
            )
            answer = render(scope["path"], scope.get("state", {}).get("trace_id", ""), problem)
        await answer(scope, receive, send)


def vary_by_origin(headers: MutableHeaders) -> None:
    """Add `Origin` to `Vary` unless it is there."""
    named = [name.strip().lower() for name in headers.get("vary", "").split(",")]
    if "origin" not in named and "*" not in named:
        headers.add_vary_header("Origin")
