"""Blobs on their way out: taken from their name first, gone for good only later. Private to the blob store's sweep.

Between the two the bytes lie under a name of their own in `trash/`, so that taking them can be undone.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import obstore
from obstore.store import ObjectStore

from registry.files import check_sha256
from registry.local_commit import fsync_folder

_PREFIX = "trash"


class Trash:
    """The trash of the store in `folder`, or of the object store `remote`."""

    def __init__(self, folder: Path | None, remote: ObjectStore | None) -> None:
        self._folder = folder
        self._remote = remote

    def take(self, sha256: str) -> list[str]:
        """Take the blob from its name; the name that it has in the trash, or none where there is no such blob.

        Readers who have opened it read on.
        """
        name = f"{check_sha256(sha256)}.{os.urandom(8).hex()}"
        try:
            if self._folder is not None:
                (self._folder / _PREFIX).mkdir(exist_ok=True)
                (self._folder / _key(sha256)).rename(self._folder / _PREFIX / name)
            else:
                obstore.rename(self._store, _key(sha256), f"{_PREFIX}/{name}")
        except FileNotFoundError:
            return []
        return [name]

    def put_back(self, name: str) -> None:
        """Undo `take`. Where the blob has been put again meanwhile, it has the same content."""
        sha256 = name.partition(".")[0]
        with suppress(FileNotFoundError):  # somebody has put it back already
            if self._folder is None:
                obstore.rename(self._store, f"{_PREFIX}/{name}", _key(sha256))
                return
            trashed, final = self._folder / _PREFIX / name, self._folder / _key(sha256)
            if not final.exists():
                trashed.rename(final)
                fsync_folder(final.parent)
            else:
                trashed.unlink()

    def drop(self, name: str) -> None:
        """The end of the blob that has this name in the trash."""
        with suppress(FileNotFoundError):
            if self._folder is None:
                obstore.delete(self._store, f"{_PREFIX}/{name}")
            else:
                (self._folder / _PREFIX / name).unlink()

    def names(self) -> list[str]:
        """What lies in the trash: also what a killed process has left there."""
        if self._folder is not None:
            root = self._folder / _PREFIX
            return sorted(path.name for path in root.iterdir()) if root.is_dir() else []
        pages = obstore.list(self._store, f"{_PREFIX}/")
        return sorted(found["path"].rpartition("/")[2] for page in pages for found in page)

    @property
    def _store(self) -> ObjectStore:
        assert self._remote is not None  # noqa: S101
        return self._remote


def _key(sha256: str) -> str:
    return f"sha256/{sha256[:2]}/{check_sha256(sha256)}"
