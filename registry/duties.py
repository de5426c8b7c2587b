"""Work that one process at a time does: who is at it, until when, and when it was last done.

An owner that dies keeps a duty only until its time is over. A duty is no lock on anything by itself: what must never be
done twice at once is decided in the transaction that does it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from registry import tables
from registry.database import now
from registry.upsert import insert_if_absent

HOUSEKEEPING = "housekeeping"
"""Retention and the sweep of blobs."""

BACKUP = "backup"
"""While somebody is at this one no blob is removed."""

_duties = tables.duties


def take(session: Session, name: str, owner: str, *, seconds: float, every_seconds: float = 0) -> bool:
    """Take the duty for `seconds`, or stay at it for `seconds` from now; whether `owner` has it.

    Not to be had: another owner is at it, or it was done less than `every_seconds` ago.
    """
    moment = now(session)
    insert_if_absent(session, _duties, name=name)
    columns = _duties.c
    free = or_(
        columns.owner == owner,
        and_(
            or_(columns.until.is_(None), columns.until <= moment),
            or_(columns.done_at.is_(None), columns.done_at <= moment - timedelta(seconds=every_seconds)),
        ),
    )
    values: dict[str, Any] = {"owner": owner, "until": moment + timedelta(seconds=seconds)}
    taken = session.execute(update(_duties).where(columns.name == name, free).values(**values).returning(columns.name))
    return taken.one_or_none() is not None


def leave(session: Session, name: str, owner: str, *, done: bool) -> None:
    """Give the duty up, if `owner` still has it; `done` says that it was done now."""
    values: dict[str, Any] = {"owner": None, "until": None} | ({"done_at": now(session)} if done else {})
    session.execute(update(_duties).where(_duties.c.name == name, _duties.c.owner == owner).values(**values))


def owner_of(session: Session, name: str) -> str | None:
    """Who is at the duty now; nobody else takes it before this transaction, which must be one that writes, ends."""
    query = select(_duties.c.owner, _duties.c.until).where(_duties.c.name == name)
    while (row := session.execute(query.with_for_update(read=True)).one_or_none()) is None:
        insert_if_absent(session, _duties, name=name)
    return row.owner if row.until is not None and row.until > now(session) else None
