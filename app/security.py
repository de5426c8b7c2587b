"""Who may ask. One key from the environment, or none at all as long as only this machine can reach the service."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.problems import Problem, render

DEFAULT_PROJECT = "default"


class Binding(Protocol):
    """What decides who can reach the service."""

    @property
    def host(self) -> str: ...


class BindingRefused(ValueError):
    """The service would be open to other machines without a key."""


@dataclass(frozen=True)
class Principal:
    """Who is asking, and the project whose objects they see."""

    project: str
    key_id: str | None


def check_binding(settings: Binding, api_key: str | None) -> None:
    """Refuse to open the service to other machines without a key, or with one that can be guessed.

    Raises:
        BindingRefused: with the remedy.
    """
    if api_key is None and not is_loopback(settings.host):
        raise BindingRefused(
            f"refusing to listen on {settings.host} without an API key: anybody who can reach it could use it. "
            "Set POCKETREC_API_KEY, or listen on 127.0.0.1."
        )
    if api_key is not None and len(api_key) < 16:
        raise BindingRefused("POCKETREC_API_KEY is too short to be safe; use at least 16 random characters.")


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or address without port, means this machine only."""
    name = host.strip().removeprefix("[").removesuffix("]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class LoopbackHostOnly:
    """Without a key: refuse requests whose Host header is not loopback.

    A page on the web can make a browser send requests to 127.0.0.1 under the page's own name (DNS rebinding); the Host
    header gives it away.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _all_loopback(Headers(scope=scope).getlist("host")):
            problem = Problem("misdirected_request", "Use http://127.0.0.1 or http://localhost, or set an API key.")
            answer = render(scope["path"], scope.get("state", {}).get("trace_id", ""), problem)
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)


bearer = HTTPBearer(auto_error=False, scheme_name="ApiKey", description="The key of POCKETREC_API_KEY, if one is set.")


async def principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Principal:
    """The dependency of every route under /v1.

    Raises:
        Problem: `unauthorized`.
    """
    expected: str | None = request.app.state.api_key
    if expected is None:
        return Principal(DEFAULT_PROJECT, None)
    given = credentials.credentials if credentials is not None else ""
    # Digests have one length, so that the comparison tells nothing about the key's.
    if not hmac.compare_digest(_digest(given), _digest(expected)):
        raise Problem(
            "unauthorized",
            "Send `Authorization: Bearer <key>` with the service's API key.",
            headers={"WWW-Authenticate": 'Bearer realm="pocketrec"'},
        )
    return Principal(DEFAULT_PROJECT, "environment")


Asker = Annotated[Principal, Depends(principal)]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _all_loopback(hosts: list[str]) -> bool:
    return len(hosts) == 1 and is_loopback(_without_port(hosts[0]))


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    name, _, port = host.partition(":")
    return name if port.isascii() and (port.isdigit() or not port) else host
