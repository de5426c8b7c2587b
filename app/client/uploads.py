"""A path as one file to upload: a file as it is, a folder as a stored zip."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

SentReport = Callable[[int, int], None]  # bytes sent, bytes in all


class CountingFile:
    """A binary file that reports how much of it has been read; what httpx needs of a file, and no more."""

    def __init__(self, file: BinaryIO, size: int, report: SentReport | None) -> None:
        self._file = file
        self._size = size
        self._report = report

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes."""
        chunk = self._file.read(size)
        if self._report is not None:
            self._report(self._file.tell(), self._size)
        return chunk

    def seek(self, offset: int, whence: int = 0) -> int:
        """As in `io`."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As in `io`."""
        return self._file.tell()


@contextmanager
def upload_file(path: Path) -> Iterator[Path]:
    """`path` itself, or a temporary zip of the files in the folder `path`, not compressed.

    Raises:
        FileNotFoundError: there is nothing at `path`, or no file in the folder.
    """
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such file or folder")
    members = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    if not members:
        raise FileNotFoundError(f"{path}: the folder holds no files")
    with TemporaryDirectory(prefix="pocketrec-upload-") as temporary:
        target = Path(temporary) / f"{path.resolve().name}.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for member in members:
                archive.write(member, Path(path.resolve().name) / member.relative_to(path))
        yield target
