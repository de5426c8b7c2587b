"""Blobs on their way out: taken from their name first, gone for good only later. Private to the blob store's sweep.

Between the two the bytes lie under a name of their own in `trash/`, so that taking them can be undone. In a folder
taking is a rename. An object store renames by a copy, which takes as long as the blob is large, and a deletion; so the
copy is made beforehand by `prepare`, while nobody waits, and only the deletion is left for `take`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
from obstore.store import ObjectStore

from registry.files import check_sha256
from registry.local_commit import fsync
from registry.occupied import STALE_SECONDS

_PREFIX = "trash"


class Trash:
    """The trash of the store in `folder`, or of the object store `remote`."""

    def __init__(self, folder: Path | None, remote: ObjectStore | None) -> None:
        self._folder = folder
        self._remote = remote

    @property
    def is_local(self) -> bool:
        """Whether `prepare` costs nothing and `take` hardly anything, as in a folder on a disk."""
        return self._folder is not None

    def prepare(self, sha256: str) -> str:
        """The name that the blob is going to have in the trash. In an object store a copy of it has that name now."""
        name = f"{check_sha256(sha256)}.{os.urandom(8).hex()}"
        if self._folder is None:
            with suppress(FileNotFoundError):
                obstore.copy(self._store, _key(sha256), f"{_PREFIX}/{name}")
        return name

    def take(self, name: str) -> None:
        """Take the blob for which `prepare` gave this name from its own name. Where there is none nothing happens.

        Readers who have opened it read on. After an error it may be gone or not: `put_back` is right in both cases.
        """
        sha256 = name.partition(".")[0]
        with suppress(FileNotFoundError):
            if self._folder is not None:
                (self._folder / _PREFIX).mkdir(exist_ok=True)
                (self._folder / _key(sha256)).rename(self._folder / _PREFIX / name)
            else:
                # Without the copy, because there were no bytes when it should have been made: what has been put since
                # couldn't be put back, and does no harm where it is.
                obstore.head(self._store, f"{_PREFIX}/{name}")
                obstore.delete(self._store, _key(sha256))

    def put_back(self, name: str) -> None:
        """Undo `take`, whether it was done or not. A blob that has been put again meanwhile has the same content.

        The copy in an object store stays for a day: the deletion that was asked for may still be under way.
        """
        sha256 = name.partition(".")[0]
        with suppress(FileNotFoundError):  # it was never taken, or somebody has put it back already
            if self._folder is None:
                self._restore(name, _key(sha256))
                return
            trashed, final = self._folder / _PREFIX / name, self._folder / _key(sha256)
            if not final.exists():
                trashed.rename(final)
                fsync(final.parent)
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

    def _restore(self, name: str, key: str) -> None:
        copied = obstore.head(self._store, f"{_PREFIX}/{name}")
        try:
            obstore.head(self._store, key)
        except FileNotFoundError:
            obstore.copy(self._store, f"{_PREFIX}/{name}", key)
            return
        if copied["last_modified"] < datetime.now(UTC) - timedelta(seconds=STALE_SECONDS):
            obstore.delete(self._store, f"{_PREFIX}/{name}")

    @property
    def _store(self) -> ObjectStore:
        assert self._remote is not None  # noqa: S101
        return self._remote


def _key(sha256: str) -> str:
    return f"sha256/{sha256[:2]}/{check_sha256(sha256)}"
