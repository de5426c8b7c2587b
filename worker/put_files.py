"""Files that trainers leave, put into the blob store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from registry import files
from registry.database import now
from registry.errors import BlobMissing
from registry.records import FileEntry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from registry.blobs import BlobStore
    from registry.records import Claim
    from worker.lease import Lease
    from worker.outputs import Record

TRIES = 5


def put_folder(folder: Path, blobs: BlobStore, prefix: str = "") -> list[FileEntry]:
    """All files in `folder`, under their paths in it after `prefix`, such as `weights/`; none where it isn't there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [put(path, prefix + path.relative_to(folder).as_posix(), blobs) for path in files]


def put(path: Path, name: str, blobs: BlobStore) -> FileEntry:
    """A file to which nobody writes any more."""
    blob = blobs.adopt_file(path)
    return FileEntry(path=name, bytes=blob.bytes, sha256=blob.sha256)


def put_held(lease: Lease, store: Callable[[], Record]) -> Record:
    """What `store` returns, with all that it has put kept from the sweep until it is recorded, for an hour or so.

    A blob that lay there unused, and that the sweep took just when `store` had found it there, is put again.
    """
    for left in reversed(range(TRIES)):
        record = store()
        try:
            if record.entries:
                lease.write(partial(_hold, record))
        except BlobMissing:
            if not left:
                raise
        else:
            break
    return record


def _hold(record: Record, session: Session, _claim: Claim) -> None:
    files.hold_blobs(session, [entry.blob for entry in record.entries], now(session))
