"""Datasets that are fetched by name. None is redistributed with PocketRec: their licences don't allow it."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reco_core.datasets import download, wheels
from reco_core.errors import DatasetUnavailable


@dataclass(frozen=True)
class Original:
    """A file at its publisher's."""

    url: str
    bytes: int | None  # None: not known, and bounded by MOST_BYTES
    sha256: str


@dataclass(frozen=True)
class Copy:
    """The same data inside a package; what is kept is a zip of `members`, which always has the same bytes."""

    requirement: str
    wheel_sha256: str
    members: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Builtin:
    """Where a dataset is found; the first source that works is kept. And what there is to know before it is fetched."""

    original: Original
    copy: Copy | None  # None: only its publisher has it
    title: str = ""
    licence: str = ""  # what the publisher allows, in short
    users: int = 0
    items: int = 0
    interactions: int = 0


DATASETS = {
    "movielens-100k": Builtin(
        title="MovieLens 100K: ratings of films, 1997 to 1998",
        licence="GroupLens: free for research, no commercial use without permission, not to be redistributed.",
        users=943,
        items=1682,
        interactions=100_000,
        original=Original(
            url="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
            bytes=4_924_029,
            sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        ),
        copy=Copy(
            requirement="recbole==1.2.1",
            wheel_sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
            members=tuple(f"recbole/dataset_example/ml-100k/ml-100k.{kind}" for kind in ("inter", "item", "user")),
            sha256="74f216f6ee0d9b6c8862aaa060b4c45e3ba8c7885b95233015cbc8f5d3e581b6",
        ),
    ),
    "movielens-1m": Builtin(
        title="MovieLens 1M: ratings of films, 2000 to 2003",
        licence="GroupLens: free for research, no commercial use without permission, not to be redistributed.",
        users=6040,
        items=3706,
        interactions=1_000_209,
        original=Original(
            url="https://files.grouplens.org/datasets/movielens/ml-1m.zip",
            bytes=None,
            sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        ),
        copy=None,
    ),
}


def _say_nothing(message: str) -> None:
    """Default of `report`."""


def fetch(name: str, cache: Path, report: Callable[[str], None] = _say_nothing, *, uv: Path | None = None) -> Path:
    """A file with the dataset, ready for `load`: the publisher's, or the same data from a package.

    Both are checked against pinned SHA-256 sums; what lies in `cache` is used without any network, and replaced if it
    is damaged.

    Args:
        name: one of `DATASETS`.
        report: receives lines for people.
        uv: a uv program, tried before others when the package is needed.

    Raises:
        DatasetUnavailable: no such dataset, or no source could be reached; the message has each cause.
    """
    builtin = DATASETS.get(name)
    if builtin is None:
        raise DatasetUnavailable(f"no built-in dataset {name!r}; there is: {', '.join(DATASETS)}; or use --data PATH")
    return obtain(builtin, name, cache / name, report, uv)


def obtain(builtin: Builtin, name: str, folder: Path, report: Callable[[str], None], uv: Path | None = None) -> Path:
    """`fetch` for a description of one's own; `folder` is the cache.

    Raises:
        DatasetUnavailable: no source could be reached, or what came isn't what is pinned.
    """
    original, copy = folder / "original.zip", folder / "copy.zip"
    kept = [(original, builtin.original.sha256), *([(copy, builtin.copy.sha256)] if builtin.copy else [])]
    for path, sha256 in kept:
        if _is_sound(path, sha256, report):
            return path
    folder.mkdir(parents=True, exist_ok=True)
    report(f"fetching {name} from {builtin.original.url}")
    try:
        download.fetch(builtin.original.url, original, size=builtin.original.bytes, sha256=builtin.original.sha256)
        return original
    except DatasetUnavailable as error:
        first = error.message
    if builtin.copy is None:
        raise DatasetUnavailable(
            f"{name} can't be obtained: {first}. Fetch it by hand and give it with --data PATH"
        ) from None
    report(f"{first}; taking the copy in the package {builtin.copy.requirement}")
    try:
        _fetch_copy(builtin.copy, copy, uv)
        return copy
    except DatasetUnavailable as error:
        raise DatasetUnavailable(
            f"{name} can't be obtained: {first}; and {error.message}. Fetch it by hand and give it with --data PATH"
        ) from None


def _is_sound(path: Path, sha256: str, report: Callable[[str], None]) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        report(f"{path} is damaged (its SHA-256 is not the pinned one); fetching it again")
        path.unlink()
    return found == sha256


def _fetch_copy(copy: Copy, target: Path, uv: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="pocketrec-fetch-", dir=target.parent) as folder:
        contents = wheels.members(copy.requirement, copy.wheel_sha256, copy.members, Path(folder), uv)
        packed = Path(folder) / "packed.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for member, content in zip(copy.members, contents, strict=True):
                # a fixed date and system and no compression: the same bytes everywhere
                entry = zipfile.ZipInfo(member.rsplit("/", 1)[1], (1980, 1, 1, 0, 0, 0))
                entry.create_system = 3
                archive.writestr(entry, content)
        found = hashlib.sha256(packed.read_bytes()).hexdigest()
        if found != copy.sha256:
            raise DatasetUnavailable(f"the data in {copy.requirement} has SHA-256 {found}, not the pinned one")
        packed.replace(target)
