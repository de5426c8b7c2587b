"""Named files of datasets, model versions, jobs and example sets.

Entries are written once and never change; they go with their owner.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from registry import tables
from registry.database import blobs_of
from registry.errors import InvalidName
from registry.records import Blob, FileEntry, FileRole
from registry.upsert import insert_if_absent

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def check_sha256(sha256: str) -> str:
    """The sha256, if it is one: it becomes part of a path. Raises ValueError."""
    if not is_sha256(sha256):
        raise ValueError(f"{sha256[:80]!r} is not a sha256; expected 64 lower-case hex digits")
    return sha256


def is_sha256(text: str) -> bool:
    """Whether `text` is 64 lower-case hex digits."""
    return _SHA256.fullmatch(text) is not None


def record_blobs(session: Session, blobs: Iterable[Blob], moment: datetime) -> None:
    """Note that these blobs are in use from the commit on; they must be in the store already.

    Until the transaction ends nobody can remove them: their rows are locked, on SQLite with the whole database. Then
    they are looked for in the store, where the database knows it. So of a sweep that removes a blob at the same time
    and a reference to it, whichever gets the row first wins, and the other one sees what it did.

    Raises:
        ValueError: something is no sha256.
        BlobMissing: one isn't in the store, or was swept after it had been put there. Put it again, and try again.
    """
    wanted = _sorted(blobs)
    for blob in wanted:
        if _lock(session, blob, moment, unused_since=None).unused_since is not None:
            session.execute(update(tables.blobs).where(tables.blobs.c.sha256 == blob.sha256).values(unused_since=None))
    _require_there(session, wanted)


def hold_blobs(session: Session, blobs: Iterable[Blob], moment: datetime) -> None:
    """Keep blobs that have just been put from the sweep for a while, for a reference that follows: see `sweeping`.

    Raises BlobMissing where the sweep was faster: put it again.
    """
    wanted = _sorted(blobs)
    for blob in wanted:
        if _lock(session, blob, moment, unused_since=moment).unused_since not in (None, moment):
            session.execute(
                update(tables.blobs).where(tables.blobs.c.sha256 == blob.sha256).values(unused_since=moment)
            )
    _require_there(session, wanted)


def add(session: Session, owner_id: str, role: FileRole, entries: Iterable[FileEntry], moment: datetime) -> None:
    """Give `owner_id` these files. Their blobs must be in the store already. Raises InvalidName, BlobMissing."""
    entries = list(entries)
    for entry in entries:
        _check_path(entry.path)
    record_blobs(session, (entry.blob for entry in entries), moment)
    for entry in entries:
        row = {"owner_id": owner_id, "role": role, **entry.as_dict()}
        session.execute(insert(tables.files).values(**row))


def remove(session: Session, owner_id: str) -> None:
    """Take all its files from `owner_id`. The blobs stay: others may have the same content."""
    session.execute(delete(tables.files).where(tables.files.c.owner_id == owner_id))


def of(session: Session, owner_ids: Iterable[str]) -> dict[tuple[str, str], tuple[FileEntry, ...]]:
    """Files by (owner id, role), each sorted by path. Owners without files are absent."""
    files = tables.files
    found: defaultdict[tuple[str, str], list[FileEntry]] = defaultdict(list)
    for row in session.execute(select(files).where(files.c.owner_id.in_(list(owner_ids)))):
        found[row.owner_id, row.role].append(FileEntry(row.path, row.bytes, row.sha256))
    return {key: tuple(sorted(entries, key=lambda entry: entry.path)) for key, entries in found.items()}


def _sorted(blobs: Iterable[Blob]) -> list[Blob]:
    """Each once, and in one order, so that two transactions that share blobs take their locks in it."""
    return [blob for _, blob in sorted({check_sha256(blob.sha256): blob for blob in blobs}.items())]


def _lock(session: Session, blob: Blob, moment: datetime, *, unused_since: datetime | None) -> Any:
    """The row of `blob`, made if it isn't there, and there until the transaction ends."""
    columns = tables.blobs.c
    query = select(columns.unused_since).where(columns.sha256 == blob.sha256)
    while True:
        insert_if_absent(
            session,
            tables.blobs,
            sha256=blob.sha256,
            bytes=blob.bytes,
            created_at=moment,
            unused_since=unused_since,
        )
        row = session.execute(query.with_for_update(read=True, key_share=True)).one_or_none()
        if row is not None:  # else a sweep has deleted it between the two statements
            return row


def _require_there(session: Session, blobs: list[Blob]) -> None:
    store = blobs_of(session)
    if store is not None:
        store.require(blobs)


def _check_path(path: str) -> None:
    parts = path.split("/")
    if len(path) > 512 or not path.isprintable() or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise InvalidName(f"file path {path[:80]!r} is not allowed; use a relative one such as variants/a.tflite")
