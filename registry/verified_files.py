"""Files whose content has been compared with its sha256, opened in such a way that it stays the content compared."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from registry.errors import BlobCorrupt, BlobMissing

MAX_REMEMBERED = 10_000
# Clocks of file systems tick every few milliseconds: within one tick a file can change without its times changing, so
# that a file just written is read again.
SETTLED_NS = 100_000_000


@dataclass(frozen=True)
class State:
    """What the file system says about a file; it changes whenever the content does. Times in nanoseconds."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, descriptor: int) -> State:
        """The present state of an open file."""
        status = os.fstat(descriptor)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def settled(self) -> bool:
        """Whether any later change is certain to show in the times."""
        return time.time_ns() - max(self.modified, self.changed) > SETTLED_NS


class VerifiedFile:
    """An open file whose content had the right sha256. Another file put in its place doesn't affect it.

    Close it, or use it as a context manager. Positions are explicit, so that threads may share it.
    """

    def __init__(self, file: FileIO, state: State) -> None:
        self.file = file
        self._state = state

    @property
    def size(self) -> int:
        """Bytes."""
        return self._state.size

    def unchanged(self) -> bool:
        """Whether the file is still as it was when it was compared."""
        return State.of(self.file.fileno()) == self._state

    def read(self, start: int, length: int) -> bytes:
        """`length` bytes from `start`; fewer at the end of the file."""
        return os.pread(self.file.fileno(), length, start)

    def close(self) -> None:
        self.file.close()

    def __enter__(self) -> VerifiedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Verifier:
    """Opens files by their hash, reading each one only if this object hasn't seen it in its present state.

    Safe to share between threads; a file that many ask for at once is read once.
    """

    def __init__(self) -> None:
        self._seen: dict[str, State] = {}
        self._reading: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def open(self, path: Path, sha256: str) -> VerifiedFile:
        """The file at `path`, whose content has the hash `sha256`.

        Raises BlobMissing, BlobCorrupt, or OSError where it can't be read.
        """
        try:
            file = FileIO(path)
        except FileNotFoundError:
            raise BlobMissing(f"blob {sha256} is not in the store") from None
        try:
            return VerifiedFile(file, self._verify(file, sha256))
        except BaseException:
            file.close()
            raise

    def _verify(self, file: FileIO, sha256: str) -> State:
        state = State.of(file.fileno())
        if self._seen.get(sha256) == state:
            return state
        with self._lock:
            turn = self._reading.setdefault(sha256, threading.Lock())
        try:
            with turn:
                if self._seen.get(sha256) == state:
                    return state
                return self._read(file, sha256)
        finally:
            with self._lock:
                self._reading.pop(sha256, None)

    def _read(self, file: FileIO, sha256: str) -> State:
        state = State.of(file.fileno())
        settled = state.settled()
        actual = hashlib.file_digest(file, "sha256").hexdigest()
        if actual != sha256:
            raise BlobCorrupt(f"blob {sha256} is damaged: its bytes have the sha256 {actual}; restore it from a backup")
        if State.of(file.fileno()) != state:
            raise BlobCorrupt(f"blob {sha256} was changed while it was being read; nobody may write to stored files")
        if settled:
            with self._lock:
                while len(self._seen) >= MAX_REMEMBERED:
                    del self._seen[next(iter(self._seen))]
                self._seen[sha256] = state
        return state
