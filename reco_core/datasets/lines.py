"""Text files on the level of records: which are sound, and what is wrong with the others."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets.faults import Faults
from reco_core.datasets.limits import Limits
from reco_core.datasets.scan import scan
from reco_core.errors import DatasetInvalid, DatasetTooLarge, DatasetTooSmall, FieldError

BOM = b"\xef\xbb\xbf"
Buffer = bytes | mmap.mmap
DETAILS = {
    "nul_byte": "holds a NUL byte; expected text",
    "encoding_invalid": "not UTF-8; save the file as UTF-8, or give its encoding (latin-1)",
    "quote_invalid": 'a quotation mark inside an unquoted field, or one that is not closed; write "..." around fields',
    "line_too_long": "longer than a line may be; is a quotation mark or a line end missing?",
}


@dataclass(frozen=True)
class Sound:
    """The sound records of a text. `complete`: there are no others, not even blank lines."""

    lines: NDArray[np.int64]  # [records] 1-based
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


def check(
    data: Buffer,
    begin: int,
    first_line: int,
    faults: Faults,
    limits: Limits,
    *,
    separator: str = "\n",
    quoting: bool = False,
    columns: Sequence[str] | None = None,
) -> Sound:
    """Find the records of `data[begin:]` and add those that are malformed to `faults`; blank ones don't count.

    Args:
        first_line: number of the line at `begin`.
        columns: names of the fields that each record must have; None: not looked at.

    Raises:
        DatasetTooLarge: more records than the limits allow.
    """
    lines: list[NDArray[np.int64]] = []
    spans: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    complete = True
    count = 0
    buffer = np.frombuffer(data, dtype=np.uint8)
    for records in scan(buffer, begin, first_line, ord(separator), quoting=quoting, longest=limits.record_bytes):
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
        complete = complete and bool(sound.all())
        lines.append(records.lines[sound])
        spans.append((records.starts[sound], records.ends[sound]))
    return Sound(np.concatenate(lines) if lines else np.empty(0, dtype=np.int64), spans, complete)


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
