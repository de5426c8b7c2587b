"""Keyset pages, newest first: ids sort by time, so an id is its own cursor and new rows never shift a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Column, RowMapping, Select
from sqlalchemy.orm import Session

from registry.records import Page

R = TypeVar("R")


def page(
    session: Session,
    query: Select[Any],
    key: Column[Any],
    after: Any | None,
    limit: int,
    to_record: Callable[[RowMapping], R],
) -> Page[R]:
    """At most `limit` (1 to 1000) rows of `query` with `key` below `after`, in falling order of `key`."""
    check_limit(limit)
    if after is not None:
        query = query.where(key < after)
    # One row more than asked for tells whether there is a next page.
    rows = session.execute(query.order_by(key.desc()).limit(limit + 1)).mappings().all()
    shown = rows[:limit]
    next_after = str(shown[-1][key]) if len(rows) > limit else None
    return Page(tuple(to_record(row) for row in shown), next_after)


def check_limit(limit: int) -> None:
    """Raise ValueError unless `limit` is 1 to 1000."""
    if not 1 <= limit <= 1000:
        raise ValueError(f"limit is {limit}; expected 1 to 1000")
