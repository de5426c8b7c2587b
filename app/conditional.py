"""Entity tags and the preconditions that use them (RFC 9110, section 13)."""

from __future__ import annotations

import hashlib
import re

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
PRIVATE = "private, no-cache"


def weak_match(header: str, etag: str) -> bool:
    """Whether `etag` (strong, with its quotes) is in an If-None-Match list; `*` matches anything."""
    if header.strip() == "*":
        return True
    return any(match.group(2) == etag for match in _TAG.finditer(header))


def strong_match(header: str, etag: str) -> bool:
    """Whether `etag` is in an If-Match list; weak tags never match."""
    if header.strip() == "*":
        return True
    return any(match.group(1) is None and match.group(2) == etag for match in _TAG.finditer(header))


def header_list(request: Request, name: str) -> str | None:
    """All lines of a list-valued header joined, or None without any."""
    lines = request.headers.getlist(name)
    return ", ".join(lines) if lines else None


def etag_of(body: bytes) -> str:
    """The entity tag of `body`: its sha256, in quotes."""
    return f'"{hashlib.sha256(body).hexdigest()}"'


def respond_with(request: Request, view: BaseModel, headers: dict[str, str] | None = None) -> Response:
    """`view` as JSON, serialised once; see `respond`."""
    return respond(request, view.model_dump_json().encode(), headers)


def respond(request: Request, body: bytes, headers: dict[str, str] | None = None) -> Response:
    """`body` (JSON) with an ETag of its bytes, or 304 where the client already has it."""
    etag = etag_of(body)
    every = {**(headers or {}), "ETag": etag, "Cache-Control": PRIVATE}
    known = header_list(request, "if-none-match")
    if known is not None and weak_match(known, etag):
        return Response(status_code=304, headers=every)
    return Response(body, 200, every, media_type="application/json")
