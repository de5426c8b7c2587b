"""One grammar for all lists: `?limit=&after=` -> `{data, has_more, next_cursor}` and `Link: rel="next"`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field

from app.problems import Fault, Problem
from registry import records

MAX_LIMIT = 100
_KEY = re.compile(r"[A-Za-z0-9._-]{1,200}")
Model = TypeVar("Model", bound=BaseModel)


class Page(BaseModel, Generic[Model]):
    """One page of a list."""

    data: list[Model]
    has_more: bool = Field(description="Whether another page follows.")
    next_cursor: str | None = Field(description="Pass it as `after` to get the next page; null on the last.")


@dataclass(frozen=True)
class PageRequest:
    """What page a client wants. `after` is opaque; `after_key` opens it."""

    limit: int
    after: str | None

    def after_key(self, kind: str) -> str | None:
        """The key after which the page of the list `kind` begins.

        Raises:
            Problem: `invalid_cursor`, also for a cursor of another list.
        """
        return None if self.after is None else open_cursor(kind, self.after)


def page_request(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Entries per page.")] = 20,
    after: Annotated[str | None, Query(max_length=400, description="`next_cursor` of the page before.")] = None,
) -> PageRequest:
    """The dependency that reads `limit` and `after`."""
    return PageRequest(limit, after)


PageQuery = Annotated[PageRequest, Depends(page_request)]


def make_cursor(kind: str, key: str) -> str:
    """An opaque cursor of the list `kind`; keys hold no cursor syntax, so it can't be forged into anything else."""
    return base64.urlsafe_b64encode(f"1.{kind}:{key}".encode()).decode().rstrip("=")


def open_cursor(kind: str, cursor: str) -> str:
    """The key in a cursor of the list `kind`.

    Raises:
        Problem: `invalid_cursor`.
    """
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    prefix, _, key = text.partition(":")
    if prefix != f"1.{kind}" or not _KEY.fullmatch(key):
        fault = Fault("", "invalid_cursor", "pass next_cursor of the page before, unchanged", parameter="after")
        raise Problem("invalid_cursor", f"`after` is no cursor of the list of {kind}.", errors=[fault])
    return key


def page(
    request: Request,
    response: Response,
    kind: str,
    found: records.Page[Any],
    show: Callable[[Any], Model],
) -> dict[str, Any]:
    """The body of a page that the registry found, and its `Link` header."""
    cursor = None if found.next_after is None else make_cursor(kind, found.next_after)
    link_next(request, response, cursor)
    return {"data": [show(item) for item in found.items], "has_more": cursor is not None, "next_cursor": cursor}


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Set `Link: rel="next"` where another page follows."""
    if cursor is not None:
        following = request.url.include_query_params(after=cursor)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
