"""Column values: ids to text, times to whole numbers, ratings to floats. What can't be is null in the result."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets.limits import Limits
from reco_core.errors import DatasetInvalid, FieldError

_DATE_TIME_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
)
_ZONED_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z", "%Y-%m-%d %H:%M%z")
_LARGEST = 2.0**62
PADDING = "<pad>"  # what vocabularies call index 0


def keys(column: pl.Series, role: str, file: str) -> pl.Series:
    """As `ids`, but integers stay what they are: the ids of a log are told apart first, and then made text."""
    return column if column.dtype.is_integer() else ids(column, role, file)


def ids(column: pl.Series, role: str, file: str) -> pl.Series:
    """Ids as text without surrounding blanks, null where missing. Whole floats (`1.0`, as pandas writes) become `1`.

    Raises:
        DatasetInvalid: a type that can't be an id, such as a list.
    """
    if column.dtype.is_integer() or column.dtype == pl.Boolean:
        return column.cast(pl.String)
    if column.dtype.is_float():
        finite = column.is_finite().fill_null(False)
        column = column.set(~finite, None)
        whole = column.round(0) == column
        return column.cast(pl.Int64, strict=False).cast(pl.String) if whole.all() else column.cast(pl.String)
    if column.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise DatasetInvalid(
            f"{file}: the {role} column {column.name!r} is of type {column.dtype}; expected text or integers",
            [FieldError(f"/mapping/{role}", "type_invalid", f"column type {column.dtype}; expected text or integers")],
        )
    text = column.cast(pl.String).str.strip_chars()
    text = text.set(text == "", None)
    if text.len() > text.null_count() and text.drop_nulls().str.ends_with(".0").all():
        stem = text.str.strip_suffix(".0")
        if stem.drop_nulls().str.contains(r"^-?\d+$").all():
            return stem
    return text


def unusable(ids: pl.Series, limits: Limits) -> NDArray[np.bool_] | None:
    """Ids that can't stand in a vocabulary file with a line per id, or None if all can."""
    # far fewer than rows, as a rule
    if ids.dtype.is_integer():
        return None
    distinct = ids.unique(maintain_order=True)  # the order is of no use here, but this way is faster
    refused = distinct.filter(
        distinct.str.contains(r"[\x00-\x1f\x7f\x{85}\x{2028}\x{2029}]")
        | (distinct.str.len_chars() > limits.id_characters)
        | (distinct == PADDING)
    )
    return ids.is_in(refused.implode()).fill_null(False).to_numpy() if refused.len() else None


def missing(column: pl.Series) -> pl.Series:
    """True where there is no value: null or blank text."""
    if column.dtype != pl.String:
        return column.is_null()
    return column.is_null() | (column.str.strip_chars() == "").fill_null(True)


def ratings(column: pl.Series) -> pl.Series:
    """float32, null where missing, not a number or not finite."""
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    numbers = column if column.dtype == pl.Float32 else _floats(column).cast(pl.Float32)
    return numbers.set(~numbers.is_finite().fill_null(False), None)


def timestamps(column: pl.Series) -> tuple[pl.Series, str | None]:
    """int64, null where missing or invalid, and a note on the unit if it is not the column's own.

    Integers stay as they are, whole floats become integers. Floats with fractions are taken for seconds and scaled to
    milliseconds, or microseconds if that loses something. Dates and times become seconds since 1970 (UTC if no zone is
    given), or the coarsest of milli- and microseconds that is exact.
    """
    dtype = column.dtype
    if dtype.is_integer():
        return column.cast(pl.Int64, strict=False), None
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return _epoch(column.cast(pl.Datetime("us")))
    if dtype == pl.String:
        return _from_text(column.str.strip_chars())
    return _from_floats(_floats(column))


def _from_text(text: pl.Series) -> tuple[pl.Series, str | None]:
    integers = text.cast(pl.Int64, strict=False)
    absent = text.is_null() | (text == "")
    if not (integers.is_null() & ~absent).any():
        return integers, None
    floats = _floats(text)
    times = _date_times(text.set(floats.is_not_null(), None))
    if times.len() - times.null_count() > floats.len() - floats.null_count():
        return _epoch(times)
    scaled, note = _from_floats(floats)
    if note is None:
        return integers.fill_null(scaled), None  # integers above 2**53 would lose digits as floats
    return scaled, note


def _floats(column: pl.Series) -> pl.Series:
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        return pl.Series(column.name, [None] * column.len(), dtype=pl.Float64)
    floats = column.cast(pl.Float64, strict=False)
    return floats.set(~floats.is_finite().fill_null(False), None)


def _from_floats(floats: pl.Series) -> tuple[pl.Series, str | None]:
    floats = floats.set((floats.abs() >= _LARGEST).fill_null(False), None)
    if (floats.round(0) == floats).all():
        return floats.cast(pl.Int64, strict=False), None
    scale, unit = 1e3, "milliseconds"
    # seconds near 2e9 are exact to 2.4e-7 as float64
    if ((floats * 1e3 - (floats * 1e3).round(0)).abs() > 4e-4).any():
        scale, unit = 1e6, "microseconds"
    scaled = (floats * scale).round(0)
    scaled = scaled.set((scaled.abs() >= _LARGEST).fill_null(False), None)
    return scaled.cast(pl.Int64, strict=False), f"timestamps have fractions; kept as whole {unit} (times {scale:,.0f})"


def _date_times(text: pl.Series) -> pl.Series:
    """Datetimes in microseconds, UTC, null where no format fits."""
    text = text.str.replace(r"\s*[Zz]$", "+00:00").str.replace(r"([+-]\d{2})$", "${1}:00x")
    # the rule for "+02" also meets dates like 2020-01-02; those keep their day
    text = text.str.replace(r"^(\d{4}-\d{2}-\d{2}):00x$", "${1} 00:00").str.replace(r":00x$", ":00")
    found = pl.Series(text.name, [None] * text.len(), dtype=pl.Datetime("us"))
    for form in (*_DATE_TIME_FORMATS, *_ZONED_FORMATS):
        left = found.is_null() & text.is_not_null()
        if not left.any():
            break
        zoned = form in _ZONED_FORMATS
        parsed = text.set(~left, None).str.to_datetime(
            form, strict=False, time_unit="us", time_zone="UTC" if zoned else None
        )
        found = found.fill_null(parsed.dt.replace_time_zone(None) if zoned else parsed)
    return found


def _epoch(times: pl.Series) -> tuple[pl.Series, str | None]:
    micros = times.cast(pl.Datetime("us")).cast(pl.Int64)
    for scale, unit in ((1_000_000, "seconds"), (1_000, "milliseconds"), (1, "microseconds")):
        if ((micros % scale) == 0).all():
            return micros // scale, f"dates and times are kept as {unit} since 1970-01-01 UTC"
    raise AssertionError("every integer is a multiple of 1")
