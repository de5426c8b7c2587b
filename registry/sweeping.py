"""Mark and sweep: the blobs that nothing refers to go, beside whatever else is going on.

Why nothing is lost (docs/decisions/0017-sweep.md has it in full):

1. A reference is committed only by a transaction that has locked the blob's row and then seen its bytes
   (`files.record_blobs`).
2. A blob is taken from its name only by a transaction that has locked its row and then seen no reference.
3. It is dropped for good only after that transaction has committed, which proves that it had its lock all the time.
   Where it fails the blob is put back, and what a killed sweep left in the trash the next one puts back or drops.

So safety hangs on no clock. `unused_since` is for the comfort of others: it gives those who have just put a blob, or
still send one, some time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from obstore.exceptions import BaseError as BlobStoreError
from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from registry import duties, tables
from registry.batches import batched
from registry.database import now
from registry.records import Blob
from registry.upsert import insert_if_absent

if TYPE_CHECKING:
    from registry.blobs import BlobStore
    from registry.database import Database

# Rows in one transaction: on SQLite others wait for its end before they can write.
BATCH = 100
GRACE_SECONDS = 3600.0

_blobs = tables.blobs
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Swept:
    """Blobs that went, or would go, and their bytes. `held_by` is the backup that let none go."""

    blobs: int = 0
    bytes: int = 0
    held_by: str | None = None


def referenced() -> ColumnElement[bool]:
    """Whether something refers to the blob of the row. All there is that does has a foreign key to it."""
    return or_(
        exists().where(tables.files.c.sha256 == _blobs.c.sha256),
        exists().where(tables.checkpoints.c.sha256 == _blobs.c.sha256),
    )


def sweep(database: Database, blobs: BlobStore, *, grace_seconds: float = GRACE_SECONDS) -> Swept:
    """One whole pass: recover, note strays, mark, and remove what has been unused for `grace_seconds`.

    Any number may run at once; they only do each other's work.
    """
    recover(database, blobs)
    note_strays(database, blobs)
    mark(database)
    return remove_unused(database, blobs, grace_seconds=grace_seconds)


def preview(database: Database, *, grace_seconds: float = GRACE_SECONDS) -> tuple[Swept, Swept]:
    """What a pass would remove now, and what is unused but not for long enough yet. Changes nothing.

    Blobs without a row, which killed writers left, aren't counted: `strays` lists them.
    """
    with database.read() as session:
        moment = now(session) - timedelta(seconds=grace_seconds)
        due = func.coalesce(_blobs.c.unused_since <= moment, False)
        query = select(due, func.count(), func.coalesce(func.sum(_blobs.c.bytes), 0)).where(~referenced()).group_by(due)
        found = {bool(row[0]): Swept(row[1], int(row[2])) for row in session.execute(query)}
    return found.get(True, Swept()), found.get(False, Swept())


def mark(database: Database) -> int:
    """Note of each blob since when nothing refers to it; how many became unused, or used again."""
    columns = _blobs.c
    changed = 0
    with database.read() as session:
        moment = now(session)
    for wrong, unused in (
        # A time to come was noted by a clock that was ahead, perhaps by years.
        (and_(or_(columns.unused_since.is_(None), columns.unused_since > moment), ~referenced()), True),
        (and_(columns.unused_since.is_not(None), referenced()), False),
    ):
        with database.read() as session:  # the long look is outside of any transaction that others wait for
            found = session.execute(select(columns.sha256).where(wrong).order_by(columns.sha256)).scalars().all()
        for some in batched(found, BATCH):
            with database.write() as session:
                value = now(session) if unused else None
                statement = update(_blobs).where(columns.sha256.in_(some), wrong).values(unused_since=value)
                changed += len(session.execute(statement.returning(columns.sha256)).all())
    return changed


def remove_unused(
    database: Database,
    blobs: BlobStore,
    *,
    grace_seconds: float = GRACE_SECONDS,
    among: Sequence[str] | None = None,
) -> Swept:
    """Remove what has been unused for `grace_seconds`; with `among` these blobs, if they are unused now."""
    columns = _blobs.c
    with database.read() as session:
        old = columns.unused_since <= now(session) - timedelta(seconds=grace_seconds)
        wanted = columns.sha256.in_(among) if among is not None else old
        query = select(columns.sha256).where(wanted, ~referenced()).order_by(columns.sha256)
        found = session.execute(query).scalars().all()
    count = size = 0
    for some in batched(found, BATCH):
        gone, held_by = _remove_what_goes(database, blobs, some, wanted)
        count, size = count + len(gone), size + sum(blob.bytes for blob in gone)
        if held_by is not None:
            return Swept(count, size, held_by)
    return Swept(count, size)


def _remove_what_goes(
    database: Database, blobs: BlobStore, some: Sequence[str], wanted: ColumnElement[bool]
) -> tuple[list[Blob], str | None]:
    """`_remove` of these; where the store refuses, one by one, so that one that can't go doesn't keep the others."""
    try:
        return _remove(database, blobs, and_(_blobs.c.sha256.in_(some), wanted))
    except (OSError, BlobStoreError) as error:  # all of them were put back
        if len(some) == 1:
            log.warning("blob_not_removed", sha256=some[0], error=repr(error)[:300])
            return [], None
    gone: list[Blob] = []
    for one in some:
        more, held_by = _remove_what_goes(database, blobs, (one,), wanted)
        gone += more
        if held_by is not None:
            return gone, held_by
    return gone, None


def _remove(database: Database, blobs: BlobStore, which: ColumnElement[bool]) -> tuple[list[Blob], str | None]:
    """Remove, in one transaction, the blobs that meet `which` and that nothing refers to; and who holds them all."""
    trash = blobs.trash()
    taken: list[str] = []
    try:
        with database.write() as session:
            if (held_by := duties.owner_of(session, duties.BACKUP, seconds=duties.BACKUP_SECONDS)) is not None:
                return [], held_by
            gone = _delete_rows(session, which)
            for blob in gone:  # not collected at once: what is taken must be known, whatever comes
                taken += trash.take(blob.sha256)
    except BaseException:
        # Also where the commit's answer got lost on its way: a blob without a row is only a stray.
        for name in taken:
            trash.put_back(name)
        raise
    for name in taken:
        trash.drop(name)
    return gone, None


def _delete_rows(session: Session, which: ColumnElement[bool]) -> list[Blob]:
    columns = _blobs.c
    # First the locks, then, in a statement of its own that sees all that was committed until then, the references.
    # Rows that others hold are about to be used, or removed, by them.
    lock = select(columns.sha256).where(which).order_by(columns.sha256).with_for_update(skip_locked=True)
    locked = session.execute(lock).scalars().all()
    statement = delete(_blobs).where(columns.sha256.in_(locked), ~referenced())
    rows = session.execute(statement.returning(columns.sha256, columns.bytes)).all()
    return sorted((Blob(row.sha256, row.bytes) for row in rows), key=lambda blob: blob.sha256)


def strays(database: Database, blobs: BlobStore) -> Iterator[tuple[Blob, datetime]]:
    """Blobs in the store that have no row: their writers were killed, or are about to record them."""
    for some in batched(blobs.listed(), 5 * BATCH):
        with database.read() as session:
            query = select(_blobs.c.sha256).where(_blobs.c.sha256.in_([blob.sha256 for blob, _ in some]))
            known = set(session.execute(query).scalars())
        yield from ((blob, since) for blob, since in some if blob.sha256 not in known)


def note_strays(database: Database, blobs: BlobStore) -> int:
    """Give strays a row, as unused since they were put there; how many."""
    noted = 0
    for some in batched(strays(database, blobs), BATCH):
        with database.write() as session:
            moment = now(session)
            for blob, since in sorted(some, key=lambda pair: pair[0].sha256):
                values = {"bytes": blob.bytes, "created_at": moment, "unused_since": min(since, moment)}
                noted += insert_if_absent(session, _blobs, sha256=blob.sha256, **values)
    return noted


def recover(database: Database, blobs: BlobStore) -> int:
    """Finish what sweeps left that were killed, or whose connection broke: how many blobs lay in the trash."""
    trash = blobs.trash()
    names = trash.names()
    for name in names:
        sha256 = name.partition(".")[0]
        with database.write() as session:
            # Waits for the sweep that took it, if that is still at work.
            lock = select(_blobs.c.sha256).where(_blobs.c.sha256 == sha256).with_for_update(read=True, key_share=True)
            if session.execute(lock).one_or_none() is not None:
                trash.put_back(name)
                continue
        with suppress(FileNotFoundError):
            trash.drop(name)
    return len(names)


def sizes(session: Session, shas: Iterable[str]) -> int:
    """Bytes of these blobs together, each counted once."""
    wanted = list(dict.fromkeys(shas))
    total = 0
    for some in batched(wanted, 5 * BATCH):
        query = select(func.coalesce(func.sum(_blobs.c.bytes), 0)).where(_blobs.c.sha256.in_(some))
        total += int(session.execute(query).scalar_one())
    return total
