"""Files that trainers leave, put into the blob store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from registry.records import FileEntry

if TYPE_CHECKING:
    from registry.blobs import BlobStore


def put_folder(folder: Path, blobs: BlobStore, prefix: str = "") -> list[FileEntry]:
    """All files in `folder`, under their paths in it after `prefix`, such as `weights/`; none where it isn't there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [put(path, prefix + path.relative_to(folder).as_posix(), blobs) for path in files]


def put(path: Path, name: str, blobs: BlobStore) -> FileEntry:
    """A file to which nobody writes any more."""
    blob = blobs.adopt_file(path)
    return FileEntry(path=name, bytes=blob.bytes, sha256=blob.sha256)
