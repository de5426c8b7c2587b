"""Work that one process at a time does: who is at it, until when, and when it was last done.

An owner that dies keeps a duty only until its time is over. A duty is no lock on anything by itself: what must never be
done twice at once is decided in the transaction that does it.

All times are by a clock that may be set right. What a clock that was far ahead has left behind must not keep everybody
from a duty until that time comes: times that lie further ahead than the duty's own can explain count as not there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
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

BACKUP_SECONDS = 120.0
"""For how long a backup takes its duty at a time."""

LOOK_THROUGH = "look:"
"""With the name of a queue after it: what each worker does for the queues that it takes jobs from. Nobody owns it."""

_duties = tables.duties
# Of the time that a duty is taken for: a clock that is set back by less than that costs its owner nothing.
_SLACK = 2


def take(session: Session, name: str, owner: str, *, seconds: float, every_seconds: float = 0) -> bool:
    """Take the duty for `seconds`, or stay at it for `seconds` from now; whether `owner` has it.

    Not to be had: another owner is at it, or it was done less than `every_seconds` ago.
    """
    moment = now(session)
    insert_if_absent(session, _duties, name=name)
    columns = _duties.c
    every = timedelta(seconds=every_seconds)
    free = or_(
        columns.owner == owner,
        and_(
            or_(columns.until.is_(None), columns.until <= moment, columns.until > _furthest(moment, seconds)),
            or_(columns.done_at.is_(None), columns.done_at <= moment - every, columns.done_at > moment + every),
        ),
    )
    values: dict[str, Any] = {"owner": owner, "until": moment + timedelta(seconds=seconds)}
    taken = session.execute(update(_duties).where(columns.name == name, free).values(**values).returning(columns.name))
    return taken.one_or_none() is not None


def leave(session: Session, name: str, owner: str, *, done: bool) -> None:
    """Give the duty up, if `owner` still has it; `done` says that it was done now."""
    values: dict[str, Any] = {"owner": None, "until": None} | ({"done_at": now(session)} if done else {})
    session.execute(update(_duties).where(_duties.c.name == name, _duties.c.owner == owner).values(**values))


def look_through(queue: str) -> str:
    """The name of the duty to look through a queue."""
    return f"{LOOK_THROUGH}{queue}"


def note_done(session: Session, name: str) -> None:
    """A duty that anybody may do at any time, which nobody therefore takes, was done now.

    Waits for nobody: where another process is about to say the same, that is enough.
    """
    row, moment = select(_duties.c.name).where(_duties.c.name == name), now(session)
    if session.execute(row.with_for_update(skip_locked=True)).one_or_none() is None:
        insert_if_absent(session, _duties, name=name, done_at=moment)
    else:
        session.execute(update(_duties).where(_duties.c.name == name).values(done_at=moment))


def done_at(session: Session, name: str) -> datetime | None:
    """When the duty was last done; None: never, as far as anybody knows."""
    found: datetime | None = session.execute(select(_duties.c.done_at).where(_duties.c.name == name)).scalar()
    return found


def owner_of(session: Session, name: str, *, seconds: float) -> str | None:
    """Who is at the duty now, which is taken for `seconds` at a time.

    Nobody else takes it before this transaction, which must be one that writes, ends.
    """
    query = select(_duties.c.owner, _duties.c.until).where(_duties.c.name == name)
    while (row := session.execute(query.with_for_update(read=True)).one_or_none()) is None:
        insert_if_absent(session, _duties, name=name)
    moment = now(session)
    is_taken = row.until is not None and moment < row.until <= _furthest(moment, seconds)
    return row.owner if is_taken else None


def _furthest(moment: datetime, seconds: float) -> datetime:
    """How far ahead the end of a duty that is taken for `seconds` can lie."""
    return moment + timedelta(seconds=_SLACK * seconds)
