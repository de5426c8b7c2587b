"""One grammar for all lists: `?limit=&after=` -> `{data, has_more, next_cursor}` and `Link: rel="next"`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, SerializeAsAny
from pydantic_core import PydanticCustomError

from app import conditional
from app.problems import Fault, Problem
from registry import records

MAX_LIMIT = 100
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]")
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


async def page_request(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Entries per page.")] = 20,
    after: Annotated[str | None, Query(max_length=400, description="`next_cursor` of the page before.")] = None,
) -> PageRequest:
    """The dependency that reads `limit` and `after`."""
    return PageRequest(limit, after)


PageQuery = Annotated[PageRequest, Depends(page_request)]


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:  # the first or last day of the calendar, in a time zone that leads out of it
        raise ValueError("the time lies outside the calendar") from None


def _rfc_3339(value: object) -> object:
    # pydantic would also take a number, as seconds since 1970.
    if isinstance(value, str) and not _DATE.match(value):
        raise PydanticCustomError("datetime_parsing", "expected a time such as 2026-01-31T12:00:00Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_rfc_3339), AfterValidator(_in_utc)]
CreatedAfter = Annotated[
    Time | None,
    Query(description="Only what was created after this time, RFC 3339 with its offset: `2026-01-31T12:00:00Z`."),
]
"""The filter `created_after=` of every list."""


CreatedBefore = Annotated[
    Time | None,
    Query(description="Only what was created before this time."),
]
"""The filter `created_before=`."""


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


def page(request: Request, kind: str, found: records.Page[Any], show: Callable[[Any], BaseModel]) -> Response:
    """The answer for a page that the registry found: its JSON, `Link` and ETag, or 304 where the client has it."""
    cursor = None if found.next_after is None else make_cursor(kind, found.next_after)
    shown = _Shown(data=[show(item) for item in found.items], has_more=cursor is not None, next_cursor=cursor)
    return conditional.respond_with(request, shown, link_next(request, cursor))


class _Shown(BaseModel):
    """A `Page` of whatever `show` makes."""

    data: list[SerializeAsAny[BaseModel]]
    has_more: bool
    next_cursor: str | None


def link_next(request: Request, cursor: str | None) -> dict[str, str]:
    """The header `Link: rel="next"` where another page follows."""
    if cursor is None:
        return {}
    following = request.url.include_query_params(after=cursor)
    return {"Link": f'<{following.path}?{following.query}>; rel="next"'}
