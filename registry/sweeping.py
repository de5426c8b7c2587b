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

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from obstore.exceptions import BaseError as BlobStoreError
from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from registry import duties, tables
from registry.batches import batched
from registry.database import now
from registry.outages import is_outage
from registry.records import Blob
from registry.upsert import insert_if_absent

if TYPE_CHECKING:
    from registry.blobs import BlobStore
    from registry.database import Database

# Rows in one transaction: on SQLite others wait for its end before they can write.
BATCH = 100
# A transaction that takes blobs from the store begins no further one after this time, however slow the store is.
UNDER_LOCK_SECONDS = 1.0
# After such a transaction comes a pause as long as it was, up to this: those who wait for SQLite's lock don't stand in
# a queue, but look for it every 0.1 s.
PAUSE_SECONDS = 0.25
# So many blobs in a row that the database was away for end the pass.
OUTAGES = 3
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


def sweep(
    database: Database,
    blobs: BlobStore,
    *,
    grace_seconds: float = GRACE_SECONDS,
    go_on: Callable[[], bool] = lambda: True,
) -> Swept:
    """One whole pass: recover, note strays, mark, and remove what has been unused for `grace_seconds`.

    Any number may run at once; they only do each other's work. Once `go_on`, asked after each portion, says no, the
    rest is left for another time.
    """
    recover(database, blobs)
    note_strays(database, blobs)
    mark(database)
    return remove_unused(database, blobs, grace_seconds=grace_seconds, go_on=go_on)


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
    go_on: Callable[[], bool] = lambda: True,
) -> Swept:
    """Remove what has been unused for `grace_seconds`; with `among` these blobs, if they are unused now."""
    columns = _blobs.c
    with database.read() as session:
        old = columns.unused_since <= now(session) - timedelta(seconds=grace_seconds)
        wanted = columns.sha256.in_(among) if among is not None else old
        query = select(columns.sha256).where(wanted, ~referenced()).order_by(columns.sha256)
        found = session.execute(query).scalars().all()
    count = size = 0
    for batch in _batches(database, blobs, found, wanted):
        count, size = count + len(batch.gone), size + sum(blob.bytes for blob in batch.gone)
        if batch.held_by is not None or not go_on():
            return Swept(count, size, batch.held_by)
    return Swept(count, size)


@dataclass(frozen=True)
class _Batch:
    """What went in one transaction, what it had no time for, the backup that let none go, and how long it took."""

    gone: list[Blob]
    left: Sequence[str]
    held_by: str | None
    seconds: float


def _batches(
    database: Database, blobs: BlobStore, found: Sequence[str], wanted: ColumnElement[bool]
) -> Iterator[_Batch]:
    """Remove these in portions. After an error one by one, so that one that can't go doesn't keep the others.

    One that the database was away for is tried once more, after all others.
    """
    waiting = deque(batched(found, BATCH if blobs.trash().is_local else 1))
    tried: set[str] = set()
    outages = 0
    while waiting:
        some = waiting.popleft()
        try:
            batch = _remove(database, blobs, some, wanted)
        except (OSError, BlobStoreError, SQLAlchemyError) as error:  # all of them were put back
            if len(some) > 1:
                waiting.extendleft((sha256,) for sha256 in reversed(some))
                continue
            log.warning("blob_not_removed", sha256=some[0], error=repr(error)[:300])
            outages = outages + 1 if is_outage(error) else 0
            if outages == OUTAGES:
                raise
            if outages and some[0] not in tried:
                tried.add(some[0])
                waiting.append(some)
            continue
        outages = 0
        yield batch
        if batch.left:
            waiting.appendleft(tuple(batch.left))
        if waiting:
            time.sleep(min(batch.seconds, PAUSE_SECONDS))


def _remove(database: Database, blobs: BlobStore, some: Sequence[str], wanted: ColumnElement[bool]) -> _Batch:
    """Remove, in one transaction and while its time lasts, those of `some` that are `wanted` and nothing refers to."""
    trash = blobs.trash()
    names = {sha256: trash.prepare(sha256) for sha256 in some}
    taken: list[str] = []
    gone: list[Blob] = []
    left: Sequence[str] = ()
    try:
        with database.write() as session:
            held_by = duties.owner_of(session, duties.BACKUP, seconds=duties.BACKUP_SECONDS)
            locked = _lock(session, some, wanted) if held_by is None else []
            started = time.monotonic()
            for number, sha256 in enumerate(locked):
                if number and time.monotonic() - started > UNDER_LOCK_SECONDS:
                    left = locked[number:]
                    break
                blob = _delete_row(session, sha256)
                if blob is not None:
                    taken.append(names[sha256])  # before it is: what may be taken must be known, whatever comes
                    trash.take(names[sha256])
                    gone.append(blob)
        seconds = time.monotonic() - started
    except BaseException:
        # Also where the commit's answer got lost on its way: a blob without a row is only a stray.
        for name in names.values():
            _finish(trash.put_back if name in taken else trash.drop, name)
        raise
    for name in names.values():
        _finish(trash.drop, name)
    return _Batch(gone, left, held_by, seconds)


def _finish(finish: Callable[[str], None], name: str) -> None:
    """Put a blob back, or drop it; where the store refuses, that is left to the next pass: see `recover`."""
    try:
        finish(name)
    except (OSError, BlobStoreError) as error:
        log.warning("blob_left_in_trash", name=name, error=repr(error)[:300])


def _lock(session: Session, some: Sequence[str], wanted: ColumnElement[bool]) -> Sequence[str]:
    """Lock the rows that are wanted. Those that others hold are about to be used, or removed, by them."""
    columns = _blobs.c
    query = select(columns.sha256).where(columns.sha256.in_(some), wanted).order_by(columns.sha256)
    return session.execute(query.with_for_update(skip_locked=True)).scalars().all()


def _delete_row(session: Session, sha256: str) -> Blob | None:
    """Delete a row that this transaction has locked, unless something refers to it.

    A statement of its own, right before the blob is taken. It sees all references that were committed until then; its
    success proves that the database has kept the locks; and it tells the database that somebody is still there, which
    else takes the connection away in the midst of many slow takings.
    """
    columns = _blobs.c
    statement = delete(_blobs).where(columns.sha256 == sha256, ~referenced())
    row = session.execute(statement.returning(columns.sha256, columns.bytes)).one_or_none()
    return None if row is None else Blob(row.sha256, row.bytes)


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
            is_there = session.execute(lock).one_or_none() is not None
        # Not under the lock, for it may take long. Should the row go meanwhile, what is put back is only a stray.
        _finish(trash.put_back if is_there else trash.drop, name)
    return len(names)


def sizes(session: Session, shas: Iterable[str]) -> int:
    """Bytes of these blobs together, each counted once."""
    wanted = list(dict.fromkeys(shas))
    total = 0
    for some in batched(wanted, 5 * BATCH):
        query = select(func.coalesce(func.sum(_blobs.c.bytes), 0)).where(_blobs.c.sha256.in_(some))
        total += int(session.execute(query).scalar_one())
    return total
