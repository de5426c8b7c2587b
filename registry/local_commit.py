"""The last step of writing a file to a local disk: under its name, whole, and there after a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def commit_file(part: Path, final: Path, size: int) -> None:
    """Give `part`, written and synced, the name `final`, unless a file of `size` bytes has it already.

    `part` may be gone or left behind afterwards. A final file of another size can only be the damage of a disk or
    of a person, since commits are atomic; it is replaced.
    """
    if not final.parent.is_dir():
        final.parent.mkdir(parents=True, exist_ok=True)
        fsync(final.parent.parent)
        fsync(final.parent.parent.parent)
    part.chmod(0o444)
    while not _name(part, final, size):
        pass
    fsync(final.parent)


def _name(part: Path, final: Path, size: int) -> bool:
    """One try; False where somebody took the file that was there away while we looked at it."""
    try:
        # Unlike rename, link never replaces: the first of two writers wins.
        os.link(part, final)
    except FileExistsError:
        try:
            is_whole = final.stat().st_size == size
        except FileNotFoundError:
            return False
        if not is_whole:
            part.replace(final)
    except OSError:
        # A file system without hard links.
        part.replace(final)
    return True


def fsync(path: Path) -> None:
    """Make the content of a file durable, whoever has written it, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it, with names that are there after a power cut. One that is there is fine."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=mode, exist_ok=True)
        fsync(folder.parent)
