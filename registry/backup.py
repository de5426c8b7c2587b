"""Backup and restore of the database and the blobs that it refers to, while the service runs.

The rows are read in one consistent state, then the blobs that they name are copied. Blobs never change, so the only
thing that could come between is a sweep: it is held off from before the first row is read until the last blob is
copied. A backup is complete once its `backup.json` is there, which names everything else with its hash. It comes when
all that it names would outlive a power cut, and an earlier one goes only then.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, union
from sqlalchemy.orm import Session

from registry import dump, duties, tables
from registry.blobs import BlobStore
from registry.database import Database
from registry.errors import BackupDamaged, BackupInvalid, BackupUnderWay, BlobCorrupt, BlobMissing, TargetNotEmpty
from registry.local_commit import fsync, make_folder
from registry.migrations import run as migrations
from registry.records import Blob

FORMAT = 1
MANIFEST = "backup.json"
ROWS = "rows"
_ROWS_NAME = re.compile(ROWS + r"-\d{8}T\d{6}-[0-9a-f]{8}", re.ASCII)

Report = Callable[[int, int, int], None]
"""Called with how many blobs are copied, of how many, and their bytes so far."""


@dataclass(frozen=True)
class Backup:
    """What `backup.json` says."""

    format: int
    created_at: str
    revision: str
    dialect: str
    folder: str
    tables: list[dump.DumpedTable]
    blobs: int
    bytes: int

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


def backup(database: Database, blobs: BlobStore, to: Path, report: Report = lambda *_: None) -> Backup:
    """Back up into the folder `to`: new, empty, or with an earlier backup, to which only new blobs are then added.

    Every blob is hashed as it is copied.

    Raises:
        TargetNotEmpty: the folder has something else in it.
        BackupUnderWay: another one is being made, of this service or into this folder.
        BlobMissing, BlobCorrupt: a blob is lost or damaged; no backup is made that lacks it.
    """
    make_folder(to, mode=0o700)
    name = f"{ROWS}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    folder = to / name
    with _alone_in(to) as earlier, _no_sweep(database) as check:
        _remove_rows(to, set() if earlier is None else {earlier.folder})
        BlobStore(to / "blobs").sweep()
        try:
            folder.mkdir()
            with database.read() as session:  # not for longer: no state of the database must be held for hours
                written = dump.write(session, folder)
                revision = str(migrations.current(session.connection()))
                wanted = _referenced(session)
            check()
            size = _copy(blobs, BlobStore(to / "blobs"), wanted, report, check)
            made = Backup(
                format=FORMAT,
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                revision=revision,
                dialect=database.dialect,
                folder=name,
                tables=written,
                blobs=len(wanted),
                bytes=size,
            )
            _make_durable(to, folder)
            part = _write_manifest(to, made)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        # From here on the new rows may be those that the manifest names, so that they stay, whatever comes; and the
        # earlier ones until the new manifest will be there after a power cut.
        part.replace(to / MANIFEST)
        fsync(to)
        _remove_rows(to, {name})
    return made


def load(folder: Path) -> Backup:
    """The backup in `folder`. Raises BackupInvalid where there is none, or one that this release can't read."""
    path = folder / MANIFEST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise BackupInvalid(f"{path} is of format {found['format']}; this release reads format {FORMAT}")
        made = Backup(**{**found, "tables": [dump.DumpedTable(**table) for table in found["tables"]]})
    except FileNotFoundError:
        raise BackupInvalid(f"{folder} holds no backup: it has no {MANIFEST}") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(folder, f"{MANIFEST} can't be read: {error!r}") from error
    if made.revision not in migrations.newest()[1]:
        raise BackupInvalid(f"the backup has schema revision {made.revision}, of a newer release; restore it with that")
    return made


def restore(database: Database, blobs: BlobStore, folder: Path, report: Report = lambda *_: None) -> Backup:
    """Restore the backup in `folder` into an empty database and store, then bring the schema up to date.

    All files of rows are checked first, each blob as it is copied; the rows come last, in one transaction. So one that
    was cut off can be started again.

    Raises:
        TargetNotEmpty: the database has rows, or the store blobs that are none of the backup's.
        BackupInvalid: there is no backup, or one that this release can't read.
        BackupDamaged: it is incomplete or damaged.
    """
    made = load(folder)
    with blaming(folder):
        require_rows(folder, made)
        source = BlobStore(folder / "blobs")
        held = {blob.sha256: blob for blob, _ in source.listed()}
        _require_empty(database, blobs, held)
        _copy(source, blobs, list(held.values()), report)
        if database.dialect == "sqlite" and database.url.database:
            Path(database.url.database).parent.mkdir(parents=True, exist_ok=True)
        with database.engine.begin() as connection:
            if not dump.is_empty(connection):
                raise TargetNotEmpty("the database got rows meanwhile; nothing was changed in it")
            fill(connection, folder, made, held)
    return made


@contextmanager
def blaming(folder: Path) -> Iterator[None]:
    """What is missing or damaged is the fault of the backup in this folder: only another one helps."""
    try:
        yield
    except (BackupDamaged, BlobMissing, BlobCorrupt) as error:
        # Without the remedy for a service's own store.
        raise _damaged(folder, error.message.partition("; ")[0]) from error


def _damaged(folder: Path, what: str) -> BackupDamaged:
    return BackupDamaged(
        f"the backup in {folder} is damaged: {what}; use another backup, such as one of an earlier generation"
    )


def require_rows(folder: Path, made: Backup) -> None:
    """Raise BackupDamaged unless all files of rows are those that the manifest names."""
    for table in made.tables:
        name = f"{table.name}.jsonl.gz"
        if dump.sha256_of(folder / made.folder / name) != table.sha256:
            raise BackupDamaged(f"{name} hasn't the sha256 that {MANIFEST} names")


def fill(connection: Connection, folder: Path, made: Backup, held: Mapping[str, Blob]) -> None:
    """Put the backup's rows into an empty database, whose schema then is this release's.

    Raises BackupDamaged where they refer to a blob that isn't among `held`.
    """
    migrations.upgrade(connection, made.revision)
    dump.read(connection, folder / made.folder, made.tables)
    lost = [blob.sha256 for blob in _referenced(Session(connection)) if blob.sha256 not in held]
    if lost:
        raise BackupDamaged(f"it lacks {len(lost)} blob(s) that its rows refer to, such as {lost[0]}")
    migrations.upgrade(connection)


def _earlier(to: Path) -> Backup | None:
    if not any(to.iterdir()):
        return None
    try:
        return load(to)
    except BackupInvalid as error:
        left = {path.name.partition("-")[0] for path in to.iterdir()}
        if left <= {ROWS, "blobs", f".{MANIFEST}.part"}:  # of one that was cut off
            return None
        raise TargetNotEmpty(f"{to} is neither empty nor an earlier backup ({error.message}); name another") from None


def _require_empty(database: Database, blobs: BlobStore, held: dict[str, Blob]) -> None:
    if database.dialect != "sqlite" or Path(str(database.url.database)).exists():
        with database.engine.connect() as connection:
            if not dump.is_empty(connection):
                raise TargetNotEmpty("the database has rows already; restore into an empty one")
    for blob, _ in blobs.listed():
        if blob.sha256 not in held:
            raise TargetNotEmpty(f"the blob store has other blobs, such as {blob.sha256}; name an empty one")


@contextmanager
def _no_sweep(database: Database) -> Iterator[Callable[[], None]]:
    """Keep all sweeps from removing blobs; what is yielded raises BackupUnderWay if that could not be kept up."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    over, lost = threading.Event(), threading.Event()

    def take() -> bool:
        with database.write() as session:
            return duties.take(session, duties.BACKUP, owner, seconds=duties.BACKUP_SECONDS)

    def keep() -> None:
        while not over.wait(duties.BACKUP_SECONDS / 6):
            try:
                if not take():
                    lost.set()
            except Exception:  # noqa: BLE001, S110 - tried again; `check` asks once more before the backup counts
                pass

    def check() -> None:
        if lost.is_set() or not take():
            raise BackupUnderWay("another backup has taken over; start again when that is done")

    if not take():
        raise BackupUnderWay("another backup is being made; one that was killed makes way after two minutes")
    keeper = threading.Thread(target=keep, name="hold off sweeps", daemon=True)
    keeper.start()
    try:
        yield check
    finally:
        over.set()
        keeper.join()
        with database.write() as session:
            duties.leave(session, duties.BACKUP, owner, done=True)


def _referenced(session: Session) -> list[Blob]:
    named = union(select(tables.files.c.sha256), select(tables.checkpoints.c.sha256)).subquery()
    columns = tables.blobs.c
    query = select(columns.sha256, columns.bytes).join(named, named.c.sha256 == columns.sha256)
    return [Blob(row.sha256, row.bytes) for row in session.execute(query.order_by(columns.sha256))]


def _copy(
    source: BlobStore, target: BlobStore, wanted: list[Blob], report: Report, check: Callable[[], None] = lambda: None
) -> int:
    """Copy blobs, each compared with its hash on the way; their bytes. Those that are there already aren't read."""
    size = 0
    there = {blob for blob, _ in target.listed()}
    for number, blob in enumerate(wanted, start=1):
        if blob not in there:
            target.copy_from(source, blob.sha256)
        size += blob.bytes
        report(number, len(wanted), size)
    check()
    return size


def _make_durable(to: Path, rows: Path) -> None:
    """All that the manifest is going to name, before it does. The contents of blobs are synced as they are put."""
    for path in rows.iterdir():
        fsync(path)
    # Also names of blobs that an earlier backup has copied, which may have been killed before it synced them.
    store = to / "blobs"
    folders = [path for path in (store / "sha256").glob("*") if path.is_dir()]
    for folder in (rows, *folders, store / "sha256", store, to):
        if folder.is_dir():
            fsync(folder)


def _write_manifest(to: Path, made: Backup) -> Path:
    """The manifest under a name of its own, synced."""
    part = to / f".{MANIFEST}.part"
    document: dict[str, Any] = asdict(made)
    with part.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    return part


def _remove_rows(to: Path, kept: set[str]) -> None:
    """Remove rows that no manifest names: of earlier backups, and of those that were killed."""
    for path in to.iterdir():
        if _ROWS_NAME.fullmatch(path.name) and path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _alone_in(to: Path) -> Iterator[Backup | None]:
    """The earlier backup in this folder, which nobody else changes until the end of the block, of any service.

    Raises BackupUnderWay where somebody is at it, and TargetNotEmpty where the folder is for something else.
    """
    descriptor = os.open(to, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise BackupUnderWay(f"another backup into {to} is being made") from None
            # No locks on this file system: the duty keeps off all but other services.
        yield _earlier(to)
    finally:
        os.close(descriptor)
