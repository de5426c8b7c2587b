"""Zips with nothing in them that depends on clock or host: the same files give the same bytes."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold; any fixed time would do


def write(folder: Path, path: Path) -> None:
    """All files below `folder` in one atomic step: stored, in the order of their names, with fixed times."""
    temporary = path.with_name(path.name + ".partial")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for member in sorted(folder.rglob("*")):
            if member.is_file():
                info = entry(member.relative_to(folder).as_posix())
                with member.open("rb") as source, archive.open(info, "w", force_zip64=False) as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    sync(temporary)
    temporary.replace(path)


def entry(name: str) -> zipfile.ZipInfo:
    """A member of such a zip."""
    info = zipfile.ZipInfo(name, _TIME)
    info.external_attr = 0o644 << 16
    info.create_system = 3  # the same on every platform
    return info


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
