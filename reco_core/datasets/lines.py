"""Text files on the level of records: which are sound, and what is wrong with the others."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets.faults import Faults
from reco_core.datasets.limits import Limits
from reco_core.datasets.scan import Records, scan
from reco_core.errors import DatasetInvalid, DatasetTooLarge, DatasetTooSmall, FieldError

_MOST_INT32 = 2**31 - 1
BOM = b"\xef\xbb\xbf"
Buffer = bytes | mmap.mmap
DETAILS = {
    "nul_byte": "holds a NUL byte; expected text",
    "encoding_invalid": "not UTF-8; save the file as UTF-8, or give its encoding (latin-1)",
    "quote_invalid": 'a quotation mark inside an unquoted field, or one that is not closed; write "..." around fields',
    "line_too_long": "longer than a line may be; is a quotation mark or a line end missing?",
}


@dataclass(frozen=True)
class Part:
    """The sound records of a run of lines."""

    lines: NDArray[np.integer[Any]]  # [records] 1-based
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    begin: int  # of the run
    end: int
    complete: bool  # the run has no other records, not even blank lines
    widths: NDArray[np.int64] | None  # [fields] bytes of each, all records together; None: not complete, or not known

    def text(self, data: Buffer) -> bytes:
        """The sound records, each on its own line."""
        if self.complete:
            return data[self.begin : self.end]
        return b"\n".join(data[start:end] for start, end in _joined(self.starts, self.ends))


@dataclass(frozen=True)
class Sound:
    """The sound records of a text. `complete`: there are no others, not even blank lines."""

    lines: NDArray[np.integer[Any]]  # [records] 1-based
    spans: list[tuple[NDArray[np.int64], NDArray[np.int64]]]  # starts and ends, in runs
    complete: bool

    def text(self, data: Buffer) -> bytes:
        """The sound records, each on its own line."""
        return b"\n".join(data[start:end] for starts, ends in self.spans for start, end in _joined(starts, ends))

    def series(self, data: Buffer) -> pl.Series:
        """[records] The sound records as text."""
        parts = [
            pl.Series("line", [b"\n".join(data[start:end] for start, end in _joined(starts, ends)).decode()])
            .str.split("\n")
            .explode()
            .str.strip_suffix("\r")
            for starts, ends in self.spans
            if len(starts)
        ]
        return pl.concat(parts) if parts else pl.Series("line", [], dtype=pl.String)


def mapped(path: Path, name: str) -> mmap.mmap:
    """The file's bytes, read from disk as they are looked at.

    Raises:
        DatasetTooSmall: the file is empty.
        DatasetInvalid: UTF-16, which is recognised by its first bytes.
    """
    if not path.stat().st_size:
        raise DatasetTooSmall(f"{name}: the file is empty; expected a line per interaction")
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DatasetInvalid(
            f"{name}: written as UTF-16; save it as UTF-8", [FieldError("", "encoding_invalid", "UTF-16")]
        )
    return data


def begin_of(data: Buffer) -> int:
    """Where the text begins: behind a byte order mark, if there is one."""
    return len(BOM) if data[: len(BOM)] == BOM else 0


def release(data: Buffer, begin: int, end: int) -> None:
    """Let go of the pages of a mapped file that were read; they are read again from disk if they are needed."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        first = begin - begin % mmap.PAGESIZE
        data.madvise(mmap.MADV_DONTNEED, first, end - first)


def check(data: Buffer, begin: int, first_line: int, faults: Faults, limits: Limits) -> Sound:
    """Find the lines of `data[begin:]` and add those that are malformed to `faults`; blank ones don't count.

    Args:
        first_line: number of the line at `begin`.

    Raises:
        DatasetTooLarge: more lines than the limits allow.
    """
    found = list(parts(data, begin, first_line, faults, limits))
    lines = joined_lines([part.lines for part in found])
    return Sound(lines, [(part.starts, part.ends) for part in found], all(part.complete for part in found))


def joined_lines(lines: list[NDArray[np.integer[Any]]]) -> NDArray[np.integer[Any]]:
    """The line numbers of successive parts as one array."""
    return np.concatenate(lines) if lines else np.empty(0, dtype=np.int64)


def parts(
    data: Buffer,
    begin: int,
    first_line: int,
    faults: Faults,
    limits: Limits,
    *,
    separator: bytes = b"\n",
    quoting: bool = False,
    columns: Sequence[str] | None = None,
) -> Iterator[Part]:
    """The records of `data[begin:]` in runs; those that are malformed are added to `faults`, blank ones don't count.

    Args:
        first_line: number of the line at `begin`.
        columns: names of the fields that each record must have; None: not looked at.

    Raises:
        DatasetTooLarge: more records than the limits allow.
    """
    count = 0
    buffer = np.frombuffer(data, dtype=np.uint8)
    for records in scan(buffer, begin, first_line, separator, quoting=quoting, longest=limits.record_bytes):
        sound = ~records.blank
        faults.blank_lines += int(records.blank.sum())
        count += int(sound.sum())
        if count > limits.rows:
            raise DatasetTooLarge(f"{faults.file}: more than {limits.rows:,} rows, which is the limit")
        for code, mask in records.reasons.items():
            faults.add(code, records.lines[mask & sound], DETAILS[code])
            sound &= ~mask
        if columns is not None:
            ragged = sound & (records.fields != len(columns))
            _add_ragged(faults, records.lines[ragged], records.fields[ragged], columns)
            sound &= ~ragged
        run = (int(records.starts[0]), min(int(records.ends[-1]) + 1, len(buffer)))
        # half the memory, but for files of two thousand million lines
        lines = records.lines.astype(np.int32) if records.lines[-1] < _MOST_INT32 else records.lines
        if sound.all():
            widths = None if columns is None else _widths(records, len(columns), len(separator))
            yield Part(lines, records.starts, records.ends, *run, True, widths)
        else:
            yield Part(lines[sound], records.starts[sound], records.ends[sound], *run, False, None)


def _widths(records: Records, columns: int, separator: int) -> NDArray[np.int64]:
    """[columns] Bytes in each column of records that all have so many fields, quotation marks included."""
    # 1::22 and 333::4 from 0 and 6: fields begin at 0,3 and 6,11, end at 1,5 and 9,12 -> widths 1+3, 2+1
    between = records.separators.reshape(len(records.starts), columns - 1).sum(axis=0)
    begins = np.append(records.starts.sum(), between + separator * len(records.starts))
    ends = np.append(between, (records.starts + records.widths).sum())
    widths: NDArray[np.int64] = ends - begins
    return widths


def _add_ragged(faults: Faults, lines: NDArray[np.int64], found: NDArray[np.int64], columns: Sequence[str]) -> None:
    expected = ",".join(columns[:8]) + (",..." if len(columns) > 8 else "")
    faults.add("ragged", lines, lambda i: f"{found[i]} fields; expected {len(columns)}: {expected}")


def _joined(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Neighbouring records joined: a few long slices instead of one a record."""
    if not len(starts):
        return []
    # a record follows its predecessor directly if nothing but a line feed lies between them
    breaks = np.flatnonzero(starts[1:] - ends[:-1] > 1)
    first = np.concatenate(([0], breaks + 1))
    last = np.concatenate((breaks, [len(starts) - 1]))
    return list(zip(starts[first].tolist(), ends[last].tolist(), strict=True))
