"""What is kept of a job's log: lines for people, in the order in which they were written. Public as part of `jobs`.

`attempts.append_log` writes them; they never change, so the text that they make only grows at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, cast, func, select
from sqlalchemy.orm import Session

from registry import tables
from registry.records import LogLine, build

_log = tables.job_logs


def list_log(
    session: Session,
    job_id: str,
    *,
    after: int = 0,
    limit: int | None = 1000,
    attempt: int | None = None,
) -> list[LogLine]:
    """At most `limit` lines with an id greater than `after`, in order; of one attempt if one is given."""
    query = select(_log).where(*_of(job_id, attempt), _log.c.id > after).order_by(_log.c.id).limit(limit)
    return [build(LogLine, row) for row in session.execute(query).mappings()]


def tail_log(session: Session, job_id: str, count: int, *, attempt: int | None = None) -> list[LogLine]:
    """The last `count` lines, in order."""
    query = select(_log).where(*_of(job_id, attempt)).order_by(_log.c.id.desc()).limit(count)
    return [build(LogLine, row) for row in session.execute(query).mappings()][::-1]


def measure_log(
    session: Session,
    job_id: str,
    *,
    after: int = 0,
    limit: int | None = None,
    tail: int | None = None,
    attempt: int | None = None,
) -> list[tuple[int, int]]:
    """Id and length in UTF-8 bytes of the lines that `list_log`, or with `tail` `tail_log`, would give."""
    postgresql = session.get_bind().dialect.name == "postgresql"
    length: ColumnElement[int] = (
        func.octet_length(_log.c.line) if postgresql else func.length(cast(_log.c.line, LargeBinary))
    )
    query = select(_log.c.id, length).where(*_of(job_id, attempt), _log.c.id > after)
    if tail is not None:
        query = query.order_by(_log.c.id.desc()).limit(tail)
        return [(row[0], row[1]) for row in session.execute(query)][::-1]
    return [(row[0], row[1]) for row in session.execute(query.order_by(_log.c.id).limit(limit))]


def read_log(session: Session, job_id: str, first: int, last: int, *, attempt: int | None = None) -> list[LogLine]:
    """The lines with ids from `first` to `last`, both included, in order."""
    query = select(_log).where(*_of(job_id, attempt), _log.c.id.between(first, last)).order_by(_log.c.id)
    return [build(LogLine, row) for row in session.execute(query).mappings()]


def _of(job_id: str, attempt: int | None) -> Sequence[ColumnElement[Any]]:
    own = [_log.c.job_id == job_id]
    return own if attempt is None else [*own, _log.c.attempt == attempt]
