"""Delimited text: CSV, TSV, MovieLens' `::` and `|` files, RecBole's atomic files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets import columns as column_names
from reco_core.datasets.faults import Faults, shown
from reco_core.datasets.kinds import kinds_of_records
from reco_core.datasets.limits import Limits
from reco_core.datasets.lines import DETAILS, Buffer, begin_of, joined_lines, mapped, parts, release
from reco_core.datasets.parse import Compact, Field, joined, parse
from reco_core.datasets.scan import CHUNK
from reco_core.datasets.tables import Table
from reco_core.errors import DatasetInvalid, DatasetTooSmall, FieldError

_SAMPLE_BYTES = 1 << 15


@dataclass(frozen=True)
class Dialect:
    """How a delimited text is written. `names` are the columns of a file without a header."""

    separator: str
    quoting: bool = True
    header: bool = True
    names: tuple[str, ...] | None = None
    encoding: str = "utf-8"  # "utf-8-or-latin-1": whichever it is


class DelimitedFile:
    """A delimited text with named columns.

    Raises:
        DatasetInvalid: no usable header: a name twice, not UTF-8, line ends of old Macs.
        DatasetTooSmall: the file is empty.
        DatasetTooLarge: too many columns.
    """

    def __init__(self, path: Path, name: str, dialect: Dialect, limits: Limits) -> None:
        self.name = name
        self._dialect = dialect
        self._limits = limits
        self._data = _load(path, name, dialect)
        self._quoting = dialect.quoting and len(dialect.separator) == 1
        begin = begin_of(self._data)
        skipped = 0
        head, self._end_of_header, lines = _first_record(self._data, begin, name, dialect, limits)
        while not head.strip():
            if self._end_of_header >= len(self._data):
                raise DatasetTooSmall(f"{name}: the file holds blank lines only; expected a line per interaction")
            begin, skipped = self._end_of_header, skipped + lines
            head, self._end_of_header, lines = _first_record(self._data, begin, name, dialect, limits)
        self._header_lines = skipped + lines
        first = self._fields(head)
        if dialect.header:
            self.columns: Sequence[str] = _named(column_names.checked(first, name, limits), name)
        else:
            self._end_of_header, self._header_lines = begin, skipped
            column_names.checked([""] * len(first), name, limits)
            numbered = tuple(f"column_{number}" for number in range(1, len(first) + 1))
            self.columns = (*(dialect.names or ())[: len(first)], *numbered[len(dialect.names or ()) :])

    def kinds(self) -> Sequence[str]:
        """What each column looks like in the first records."""
        head = self._data[self._end_of_header : self._end_of_header + _SAMPLE_BYTES]
        if self._end_of_header + len(head) < len(self._data):
            head = head[: head.rfind(b"\n") + 1]
        text = head.decode("utf-8", "replace").replace("\0", "")
        return kinds_of_records(text, self._dialect.separator, quoting=self._quoting, width=len(self.columns))

    def read(self, columns: Sequence[str], compact: Compact | None = None) -> Table:
        """Those columns, null where a field is empty; malformed and blank lines are left out.

        Blank lines are not counted. `faults` has the malformed ones: ragged, nul_byte, encoding_invalid,
        quote_invalid, line_too_long.

        Args:
            compact: None: all as text, as it stands in the file.
        """
        faults = Faults(self.name)
        found = parts(
            self._data,
            self._end_of_header,
            1 + self._header_lines,
            faults,
            self._limits,
            separator=self._dialect.separator.encode(),
            quoting=self._quoting,
            columns=self.columns,
        )
        chosen = list(dict.fromkeys(columns))
        fields = [Field(name, self.columns.index(name)) for name in chosen]
        if compact is not None:
            kinds = self.kinds()
            fields = [compact.field(name, self.columns.index(name), kinds) for name in chosen]
        lines: list[NDArray[np.integer[Any]]] = []
        pieces: list[list[pl.Series]] = []
        for part in found:
            lines.append(part.lines)
            if len(part.lines):
                found_here = parse(
                    self._data, part, fields, len(self.columns), self._dialect.separator, self._quoting, self.name
                )
                pieces.append(found_here)
            release(self._data, part.begin, part.end)
        series = [joined(field.name, [piece[number] for piece in pieces]) for number, field in enumerate(fields)]
        return Table(self.name, pl.DataFrame(series), joined_lines(lines), faults)

    def _fields(self, record: bytes) -> list[str]:
        try:
            text = record.decode("utf-8")
        except UnicodeDecodeError:
            raise DatasetInvalid(
                f"{self.name} line 1: {DETAILS['encoding_invalid']}",
                [FieldError("", "encoding_invalid", "the header is not UTF-8")],
            ) from None
        if "\0" in text:
            raise DatasetInvalid(
                f"{self.name} line 1: {DETAILS['nul_byte']}", [FieldError("", "nul_byte", "NUL in the header")]
            )
        if not self._quoting:
            return text.split(self._dialect.separator)
        try:
            return next(csv.reader([text], delimiter=self._dialect.separator), [])
        except csv.Error as error:
            raise DatasetInvalid(
                f"{self.name} line 1: the header can't be read ({error})", [FieldError("", "ragged", str(error))]
            ) from None


def _load(path: Path, name: str, dialect: Dialect) -> Buffer:
    """The bytes of the file, in UTF-8."""
    data: Buffer = mapped(path, name)
    if dialect.encoding == "utf-8" or _is_ascii(data):
        return data
    raw = bytes(data)
    return data if dialect.encoding != "latin-1" and _is_utf8(raw) else raw.decode("latin-1").encode("utf-8")


def _is_ascii(data: Buffer) -> bool:
    for begin in range(0, len(data), CHUNK):
        if not data[begin : begin + CHUNK].isascii():
            return False
        release(data, begin, min(begin + CHUNK, len(data)))
    return True


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _first_record(data: Buffer, begin: int, name: str, dialect: Dialect, limits: Limits) -> tuple[bytes, int, int]:
    """The record at `begin`, where the next one begins, and how many lines it takes."""
    end, lines = begin, 0
    while True:
        newline = data.find(b"\n", end)
        end = len(data) if newline < 0 else newline + 1
        lines += 1
        if end - begin > limits.record_bytes:
            raise DatasetInvalid(
                f"{name} line {lines}: {DETAILS['line_too_long']}", [FieldError("", "line_too_long", "too long")]
            )
        record = data[begin:end]
        if newline < 0 or not dialect.quoting or record.count(b'"') % 2 == 0:
            break
    record = record.rstrip(b"\r\n")
    if b"\r" in record and newline < 0:
        raise DatasetInvalid(
            f"{name}: lines end in a carriage return only; save the file with line feeds",
            [FieldError("", "line_end_invalid", "carriage return without line feed")],
        )
    return record, end, lines


def _named(fields: Sequence[str], name: str) -> tuple[str, ...]:
    names = tuple(field.strip() or f"column_{number}" for number, field in enumerate(fields, 1))
    twice = [column for column, count in Counter(names).items() if count > 1]
    if twice:
        raise DatasetInvalid(
            f"{name} line 1: column name {shown(twice[0])} stands there more than once; give each column its own name",
            [FieldError("", "duplicate_header", f"column name {shown(column)} is repeated") for column in twice[:20]],
        )
    return names
