"""Text files whose lines are read whole: JSONL and sequences."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets.faults import Faults
from reco_core.datasets.limits import Limits
from reco_core.datasets.scan import scan
from reco_core.errors import DatasetInvalid, DatasetTooLarge, DatasetTooSmall, FieldError

BOM = b"\xef\xbb\xbf"
DETAILS = {
    "nul_byte": "holds a NUL byte; expected text",
    "encoding_invalid": "not UTF-8; save the file as UTF-8, or give its encoding (latin-1)",
    "quote_invalid": 'a quotation mark inside an unquoted field, or one that is not closed; write "..." around fields',
    "line_too_long": "longer than a line may be; is a quotation mark or a line end missing?",
}


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


def read_lines(path: Path, name: str, limits: Limits) -> tuple[pl.Series, NDArray[np.int64], Faults]:
    """The sound lines as text, their 1-based numbers, and the faults of the others; blank lines are left out."""
    data = mapped(path, name)
    faults = Faults(name)
    begin = len(BOM) if data[: len(BOM)] == BOM else 0
    numbers: list[NDArray[np.int64]] = []
    texts: list[pl.Series] = []
    for records in scan(
        np.frombuffer(data, dtype=np.uint8), begin, 1, ord("\n"), quoting=False, longest=limits.record_bytes
    ):
        sound = ~records.blank
        for code, mask in records.reasons.items():
            faults.add(code, records.lines[mask & sound], DETAILS[code])
            sound &= ~mask
        block = data[int(records.starts[0]) : int(records.ends[-1])].decode("utf-8", "replace")
        text = pl.Series("line", [block], dtype=pl.String).str.split("\n").explode().str.strip_suffix("\r")
        numbers.append(records.lines[sound])
        texts.append(text if sound.all() else text.filter(pl.Series(sound)))
    lines = np.concatenate(numbers)
    if len(lines) + faults.total > limits.rows:
        raise DatasetTooLarge(f"{name}: more than {limits.rows:,} lines, which is the limit")
    return pl.concat(texts), lines, faults
