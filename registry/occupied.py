"""Files and folders that say by a lock whether somebody is still at work on them.

The system gives the lock back when a process ends, however it ends: what a killed one left can be told from what is in
use, without waiting.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = "lock"
# Younger ones may not have got their lock yet.
FRESH_SECONDS = 60.0
# Where the file system has no locks, only age tells; nobody works that long on one file.
STALE_SECONDS = 24 * 3600.0


def occupy(descriptor: int) -> None:
    """Mark an open file as in use until it is closed. Best effort: not every file system has locks."""
    with suppress(OSError):
        # Shared: two may hold one file under different names.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


@contextmanager
def folder(path: Path, *, mode: int = 0o777) -> Iterator[Path]:
    """A new folder, in use until the end of the block, when it is removed."""
    path.mkdir(mode=mode, parents=True)
    try:
        with (path / LOCK).open("w") as lock:
            occupy(lock.fileno())
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remove_left_files(root: Path, *, fresh_seconds: float = FRESH_SECONDS) -> list[str]:
    """Remove the files in `root` that nobody has in use; their names."""
    left = [path for path in _entries(root) if path.is_file() and _is_left(path, path, fresh_seconds)]
    for path in left:
        path.unlink(missing_ok=True)
    return [path.name for path in left]


def remove_left_folders(root: Path, *, fresh_seconds: float = FRESH_SECONDS) -> list[str]:
    """Remove the folders in `root` that nobody has in use; their names."""
    found = []
    for path in _entries(root):
        if path.is_dir() and not path.is_symlink() and _is_left(path, path / LOCK, fresh_seconds):
            shutil.rmtree(path, ignore_errors=True)
            found.append(path.name)
    return found


def _entries(root: Path) -> list[Path]:
    try:
        return sorted(root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_left(path: Path, lock: Path, fresh_seconds: float) -> bool:
    """Whether `path`, whose lock is `lock`, is old enough and in nobody's hands."""
    try:
        age = time.time() - path.lstat().st_ctime
    except FileNotFoundError:  # its owner was faster
        return False
    if age <= fresh_seconds:
        return False
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        # A folder without its lock: killed before it got one, or one of an earlier release.
        return lock != path and age > max(fresh_seconds, STALE_SECONDS)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES) and age > max(fresh_seconds, STALE_SECONDS)
    else:
        return True
    finally:
        os.close(descriptor)
