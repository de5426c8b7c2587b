"""Zips from strangers: checked before anything is unpacked, then unpacked member by member under names of our own."""

from __future__ import annotations

import itertools
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from reco_core.datasets.limits import Limits
from reco_core.errors import ArchiveRejected, DatasetUnreadable

_BLOCK = 1 << 20
_RATIO_FROM = 32 << 20  # bytes; below, a high ratio harms nobody
_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"


class Archive:
    """An opened zip whose table of contents is sound; members are unpacked on request.

    Raises:
        ArchiveRejected: unsafe: paths that lead outside, links, names twice, overlapping or encrypted members, too
            many of them, too deep.
        DatasetUnreadable: not a zip, or a damaged one.
    """

    def __init__(self, path: Path, name: str, folder: Path, limits: Limits) -> None:
        self._name = name
        self._folder = folder
        self._limits = limits
        self._unpacked_bytes = 0
        self._unpacked: dict[str, Path] = {}
        _count_first(path, name, limits)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
            raise DatasetUnreadable(f"{name}: can't be opened as a zip ({error}); zip the files again") from None
        try:
            self._members = self._checked()
        except BaseException:
            self._zip.close()
            raise

    @property
    def names(self) -> tuple[str, ...]:
        """Paths of the files in it."""
        return tuple(self._members)

    def unpack(self, member: str) -> Path:
        """The file, unpacked into a folder of ours.

        Raises:
            ArchiveRejected: it unpacks to more than it announced or than the limits allow.
            DatasetUnreadable: it is damaged.
        """
        if member in self._unpacked:
            return self._unpacked[member]
        info = self._members[member]
        target = self._folder / f"{len(self._unpacked):05d}"
        try:
            with self._zip.open(info) as source, target.open("wb") as file:
                written = 0
                while block := source.read(_BLOCK):
                    written += len(block)
                    self._unpacked_bytes += len(block)
                    self._check_size(info, written)
                    file.write(block)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise DatasetUnreadable(f"{self._name}: {member} is damaged ({error}); zip the files again") from None
        self._unpacked[member] = target
        return target

    def close(self) -> None:
        """Close the zip; unpacked files stay with their folder."""
        self._zip.close()

    def _check_size(self, info: zipfile.ZipInfo, written: int) -> None:
        if self._unpacked_bytes > self._limits.archive_bytes:
            raise ArchiveRejected(
                f"{self._name}: unpacks to more than {self._limits.archive_bytes:,} bytes, which is the limit"
            )
        if written > _RATIO_FROM and written > self._limits.archive_ratio * max(info.compress_size, 1):
            raise ArchiveRejected(
                f"{self._name}: {info.filename!r} unpacks to more than {self._limits.archive_ratio} times its size; "
                "upload the file itself"
            )

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        if len(self._zip.infolist()) > self._limits.archive_entries:
            raise _too_many(self._name, self._limits)
        members: dict[str, zipfile.ZipInfo] = {}
        seen: set[str] = set()
        for info in self._zip.infolist():
            fault = self._fault(info)
            plain = str(PurePosixPath(info.filename)).casefold()
            if not fault and plain in seen:
                fault = "stands there more than once"
            if fault:
                raise ArchiveRejected(f"{self._name}: {info.filename[:200]!r} {fault}; zip plain files only")
            seen.add(plain)
            if not info.is_dir():
                members[info.filename] = info
        spans = sorted((info.header_offset, info.header_offset + info.compress_size) for info in members.values())
        for (_, end), (start, _) in itertools.pairwise(spans):
            if end > start:
                raise ArchiveRejected(f"{self._name}: its members overlap; zip the files again")
        return members

    def _fault(self, info: zipfile.ZipInfo) -> str:
        path = PurePosixPath(info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if "\\" in info.orig_filename or "\0" in info.orig_filename:
            return "has a backslash or NUL in its name"
        if len(info.filename) > self._limits.archive_name_characters:
            return f"has a name of more than {self._limits.archive_name_characters} characters"
        if path.is_absolute() or info.filename[1:2] == ":":
            return "is an absolute path"
        if ".." in path.parts:
            return "leads out of the archive"
        if len(path.parts) > self._limits.archive_depth + 1:
            return f"lies more than {self._limits.archive_depth} folders deep"
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            return "is a link or a device"
        if info.flag_bits & 0x1:
            return "is encrypted"
        return ""


def _count_first(path: Path, name: str, limits: Limits) -> None:
    """Refuse by the announced number of entries, before a table of a million of them is read into memory."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - (1 << 16) - 22))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise DatasetUnreadable(f"{name}: not a zip, or its end is missing; upload it again")
    entries, table_bytes = struct.unpack("<HI", tail[at + 10 : at + 16])
    larger = tail.rfind(_END_64, 0, at)
    if larger >= 0 and len(tail) >= larger + 48:
        # a zip64 has its numbers in a record of its own, which readers believe rather than the one above
        entries, table_bytes = struct.unpack("<QQ", tail[larger + 32 : larger + 48])
    # the table's size shows as well (46 bytes or more an entry)
    if entries > limits.archive_entries or (table_bytes != 0xFFFFFFFF and table_bytes > 512 * limits.archive_entries):
        raise _too_many(name, limits)


def _too_many(name: str, limits: Limits) -> ArchiveRejected:
    return ArchiveRejected(f"{name}: more than {limits.archive_entries:,} entries; zip only the log and its items")
