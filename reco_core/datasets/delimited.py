"""Delimited text: CSV, TSV, MovieLens' `::` and `|` files, RecBole's atomic files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from reco_core.datasets import columns as column_names
from reco_core.datasets.faults import Faults, shown
from reco_core.datasets.kinds import kinds_of_records
from reco_core.datasets.limits import Limits
from reco_core.datasets.lines import DETAILS, Buffer, Sound, begin_of, check, mapped
from reco_core.datasets.tables import Table
from reco_core.errors import DatasetInvalid, DatasetTooSmall, DatasetUnreadable, FieldError

_SAMPLE_BYTES = 1 << 15
_ONE_BYTE = "\x1f"  # stands in for separators of two characters; "unit separator" is what it was made for


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
        self._path = path
        self._dialect = dialect
        self._limits = limits
        self._data, self._original, self._separator = _load(path, name, dialect)
        begin = begin_of(self._data)
        skipped = 0
        head, self._end_of_header, lines = _first_record(self._data, begin, name, dialect, limits)
        while not head.strip():
            if self._end_of_header >= len(self._data):
                raise DatasetTooSmall(f"{name}: the file holds blank lines only; expected a line per interaction")
            begin, skipped = self._end_of_header, skipped + lines
            head, self._end_of_header, lines = _first_record(self._data, begin, name, dialect, limits)
        self._header_lines, self._skipped = skipped + lines, skipped
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
        return kinds_of_records(text, self._separator, quoting=self._dialect.quoting, width=len(self.columns))

    def read(self, columns: Sequence[str]) -> Table:
        """Those columns as text, null where a field is empty; malformed and blank lines are left out.

        Blank lines are not counted. `faults` has the malformed ones: ragged, nul_byte, encoding_invalid,
        quote_invalid, line_too_long.
        """
        faults = Faults(self.name)
        sound = check(
            self._data,
            self._end_of_header,
            1 + self._header_lines,
            faults,
            self._limits,
            separator=self._separator,
            quoting=self._dialect.quoting,
            columns=self.columns,
        )
        return Table(self.name, self._parse(columns, sound), sound.lines, faults)

    def _parse(self, columns: Sequence[str], sound: Sound) -> pl.DataFrame:
        rows = len(sound.lines)
        if not rows:
            return pl.DataFrame({name: pl.Series(name, [], dtype=pl.String) for name in columns})
        source: Path | bytes
        skip = 0
        if sound.complete and not self._skipped:
            skip = 1 if self._dialect.header else 0
            source = self._path if self._original else bytes(self._data)
        else:
            source = sound.text(self._data)
        positions = {name: index for index, name in enumerate(self.columns)}
        frame = pl.read_csv(
            source,
            has_header=False,
            skip_rows=skip,
            columns=sorted({positions[name] for name in columns}),
            separator=self._separator,
            quote_char='"' if self._dialect.quoting else None,
            infer_schema=False,
            glob=False,
        )
        if frame.height != rows:
            raise DatasetUnreadable(
                f"{self.name}: {rows} records were found but {frame.height} read; check its quotation marks"
            )
        order = sorted(set(columns), key=positions.__getitem__)
        return frame.rename(dict(zip(frame.columns, order, strict=True))).select(columns)

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
        if not self._dialect.quoting:
            return text.split(self._separator)
        try:
            return next(csv.reader([text], delimiter=self._separator), [])
        except csv.Error as error:
            raise DatasetInvalid(
                f"{self.name} line 1: the header can't be read ({error})", [FieldError("", "ragged", str(error))]
            ) from None


def _load(path: Path, name: str, dialect: Dialect) -> tuple[Buffer, bool, str]:
    """The bytes, whether they are those of the file, and the separator in them: one byte, in UTF-8."""
    data: Buffer = mapped(path, name)
    original = True
    if dialect.encoding != "utf-8":
        raw = bytes(data)
        if not raw.isascii() and (dialect.encoding == "latin-1" or not _is_utf8(raw)):
            data, original = raw.decode("latin-1").encode("utf-8"), False
    if len(dialect.separator) == 1:
        return data, original, dialect.separator
    return bytes(data).replace(dialect.separator.encode(), _ONE_BYTE.encode()), False, _ONE_BYTE


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
