"""Space set aside on SQLite's disk: once it is full nothing could be removed either, for that is written, too."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

RESERVED_BYTES = 8 << 20
# Never the last space of a small disk.
_LEAST_SHARE = 8


class Reserve:
    """The file `reserve` in the folder of the database."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "reserve"

    def keep(self) -> None:
        """Set the space aside if it isn't yet and there is plenty. A full disk is no error here."""
        if self._path.exists() or shutil.disk_usage(self._path.parent).free < _LEAST_SHARE * RESERVED_BYTES:
            return
        part = self._path.with_name(f"reserve.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVED_BYTES)
            part.rename(self._path)
        except OSError:
            with suppress(OSError):
                part.unlink()

    @contextmanager
    def room(self) -> Iterator[None]:
        """Within it a full disk has this space; at the end it is set aside again if there is enough."""
        if shutil.disk_usage(self._path.parent).free < RESERVED_BYTES:
            self._path.unlink(missing_ok=True)
        try:
            yield
        finally:
            self.keep()
