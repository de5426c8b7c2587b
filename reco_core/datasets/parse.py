"""Sound records of a delimited text to columns: as text, or where nothing is lost by it as numbers.

A log of 32 million rows has four columns of which each takes half a gigabyte as text, and an eighth as numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from reco_core.datasets.lines import Buffer, Part
from reco_core.datasets.scan import STAND_IN
from reco_core.errors import DatasetUnreadable


@dataclass(frozen=True)
class Field:
    """A column to read. `integer`: as Int32 or Int64 if that loses nothing; `number`: as Float32 if all are numbers."""

    name: str
    index: int  # in the file
    kind: Literal["text", "integer", "number"] = "text"


@dataclass(frozen=True)
class Compact:
    """That numbers are to be read as such: those in `numbers` for their value, other columns only if they are integers.

    Text that an integer can't give back, such as 007 or +1, stays text, with all of its column.
    """

    numbers: Collection[str] = ()

    def field(self, name: str, index: int, kinds: Sequence[str]) -> Field:
        """The column `name`; `kinds` are what the file's columns look like in its first records."""
        if name in self.numbers:
            return Field(name, index, "number" if kinds[index] in ("integer", "number") else "text")
        return Field(name, index, "integer" if kinds[index] == "integer" else "text")


def parse(
    data: Buffer, part: Part, fields: Sequence[Field], width: int, separator: str, quoting: bool, file: str
) -> list[pl.Series]:
    """The fields of the part's records, each of which has `width` of them.

    Raises:
        DatasetUnreadable: the parser finds other records than the scan.
    """
    text = part.text(data)
    step = 1  # fields of the parser for each of the file
    if len(separator) == 2:
        both = separator.encode()
        if part.complete and both[0] == both[1] and text.count(both[:1]) == 2 * (width - 1) * len(part.lines):
            # 1::2 split at each colon: every other field is empty
            step, separator = 2, separator[0]
        else:
            text, separator = text.replace(both, bytes([STAND_IN])), chr(STAND_IN)
    try:
        found = _read(text, fields, width, separator, quoting, step, numbers=True)
    except pl.exceptions.PolarsError:
        found = _read(text, fields, width, separator, quoting, step, numbers=False)
    if any(len(column) != len(part.lines) for column in found):
        raise DatasetUnreadable(
            f"{file}: {len(part.lines)} records were found but {len(found[0])} read; check its quotation marks"
        )
    refused = [not _is_lossless(column, field, part) for column, field in zip(found, fields, strict=True)]
    if any(refused):
        as_text = _read(text, fields, width, separator, quoting, step, numbers=False)
        found = [_compact(as_text[i], fields[i]) if no else found[i] for i, no in enumerate(refused)]
    return [_small(column) for column in found]


def joined(name: str, pieces: list[pl.Series]) -> pl.Series:
    """One column of the pieces of all parts; if one is text, all are."""
    types = {piece.dtype for piece in pieces}
    if not types:
        return pl.Series(name, [], dtype=pl.String)
    if pl.String in types:
        pieces = [piece.cast(pl.String) for piece in pieces]
    elif len(types) > 1:
        pieces = [piece.cast(pl.Int64) for piece in pieces]
    return pl.concat(pieces, rechunk=True).alias(name)


def _read(
    text: bytes, fields: Sequence[Field], width: int, separator: str, quoting: bool, step: int, *, numbers: bool
) -> list[pl.Series]:
    types: dict[str, pl.DataType] = {"text": pl.String(), "integer": pl.Int64(), "number": pl.Float64()}
    schema: dict[str, pl.DataType] = {str(index): pl.String() for index in range((width - 1) * step + 1)}
    if numbers:
        schema |= {str(field.index * step): types[field.kind] for field in fields}
    frame = pl.read_csv(
        text,
        has_header=False,
        columns=sorted(field.index * step for field in fields),
        separator=separator,
        quote_char='"' if quoting else None,
        schema=schema,
        glob=False,
    )
    return [frame[str(field.index * step)] for field in fields]


def _is_lossless(column: pl.Series, field: Field, part: Part) -> bool:
    if field.kind == "text":
        return True
    if column.dtype == pl.String:
        return False
    if field.kind == "number":
        return bool(column.is_finite().all())
    # No text of an integer is shorter than the one it is written as, so equal sums mean equal texts.
    return part.widths is not None and _characters(column) == part.widths[field.index]


def _compact(text: pl.Series, field: Field) -> pl.Series:
    """The text as numbers, if nothing is lost by it."""
    if field.kind == "text":
        return text
    numbers = text.cast(pl.Float64 if field.kind == "number" else pl.Int64, strict=False)
    if numbers.null_count() > text.null_count():
        return text
    if field.kind == "number":
        return numbers if numbers.is_finite().all() else text
    return numbers if _characters(numbers) == int(text.str.len_bytes().sum()) else text


def _characters(integers: pl.Series) -> int:
    """Characters that the integers are written with, all together."""
    values = integers.drop_nulls().to_numpy()
    if not len(values):
        return 0
    largest = max(-int(values.min()), int(values.max()))
    magnitudes = np.abs(values)
    longer = sum(int((magnitudes >= 10**power).sum()) for power in range(1, len(str(largest))))
    return len(values) + longer + int((values < 0).sum())


def _small(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Float64:
        return column.cast(pl.Float32)
    if column.dtype == pl.Int64 and column.is_between(-(2**31), 2**31 - 1).all():
        return column.cast(pl.Int32)
    return column
