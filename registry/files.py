"""Named files of datasets, model versions, jobs and example sets.

Entries are written once and never change; they go with their owner.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from registry import tables
from registry.errors import InvalidName
from registry.records import Blob, FileEntry, FileRole
from registry.upsert import insert_if_absent

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def check_sha256(sha256: str) -> str:
    """The sha256, if it is one: it becomes part of a path. Raises ValueError."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256[:80]!r} is not a sha256; expected 64 lower-case hex digits")
    return sha256


def record_blob(session: Session, blob: Blob, moment: datetime) -> None:
    """Note that a blob is in use. Raises ValueError for something that is no sha256."""
    check_sha256(blob.sha256)
    insert_if_absent(session, tables.blobs, sha256=blob.sha256, bytes=blob.bytes, created_at=moment)


def add(session: Session, owner_id: str, role: FileRole, entries: Iterable[FileEntry], moment: datetime) -> None:
    """Give `owner_id` these files. Their blobs must be in the store already. Raises InvalidName."""
    # Sorted, so that two transactions that share blobs take their locks in the same order.
    for entry in sorted(entries, key=lambda entry: entry.sha256):
        _check_path(entry.path)
        record_blob(session, entry.blob, moment)
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


def _check_path(path: str) -> None:
    parts = path.split("/")
    if len(path) > 512 or not path.isprintable() or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise InvalidName(f"file path {path[:80]!r} is not allowed; use a relative one such as variants/a.tflite")
