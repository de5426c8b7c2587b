"""Columns of unknown content, as they come from a file, to the five types that features are made of."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from reco_core.datasets.limits import Limits
from reco_core.datasets.tables import Further

# Codes such as 007 are no numbers: their zeros would be lost.
_INTEGER = r"^[-+]?(0|[1-9][0-9]*)$"
_NUMBER = r"^[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?$"
# What programs write for a missing number.
_MISSING = pl.Series(["nan", "na", "n/a", "null", "none", "\\n"])
# A tenth of the values, so that a single title with a bar in it makes no lists of all others.
_LIST_SHARE = 0.1
# Blanks of any kind and control characters: what Python's str.split parts words at, and what no line can hold.
_GAP = r"[\s\x00-\x1f\x7f]+"
_KINDS: Mapping[pl.DataType, str] = {
    pl.Int64(): "integer",
    pl.Float64(): "number",
    pl.String(): "text",
    pl.List(pl.Int64()): "integer_list",
    pl.List(pl.String()): "text_list",
}


def kind_of(column: pl.Series) -> str:
    """`integer`, `number`, `text`, `integer_list` or `text_list`."""
    return _KINDS[column.dtype]


def typed(frame: pl.DataFrame, limits: Limits) -> Further:
    """The columns of `frame` as Int64, Float64, String, List(Int64) or List(String), rows unchanged.

    Text becomes numbers where every value is one (an empty field is null, and so is `nan` among numbers), and lists
    where values are JSON arrays or a tenth of them hold a `|`. Columns without values, with objects, with lists of
    fractions, and with texts longer than an id may be are left out.
    """
    kept: list[pl.Series] = []
    left_out: dict[str, str] = {}
    for column in frame.get_columns():
        found = _typed(column, limits)
        if isinstance(found, str):
            left_out[column.name] = found
        else:
            kept.append(found.alias(column.name))
    return Further(pl.DataFrame(kept), left_out)


def clean(text: pl.Series) -> pl.Series:
    """Text that can stand in a vocabulary file: words with one blank between them, null where there are none."""
    # "Ana\u00a0 B\n" -> "Ana B"
    text = text.str.replace_all(_GAP, " ").str.strip_chars()
    return text.set(text == "", None)


def clean_lists(lists: pl.Series) -> pl.Series:
    """List(String) with clean values, empty ones dropped, repeated ones kept; null lists stay null."""
    element = pl.element().str.replace_all(_GAP, " ").str.strip_chars()
    return lists.list.eval(element.filter(element.is_not_null() & (element != "")))


def from_arrays(text: pl.Series) -> pl.Series:
    """`["a, b", "c"]` or, as Python prints lists, `['a', 'b']`."""
    try:
        return text.str.json_decode(pl.List(pl.String))
    except pl.exceptions.PolarsError:
        return text.str.strip_chars("[]").str.replace_all(r"[\"']", "").str.split(",")


def _typed(column: pl.Series, limits: Limits) -> pl.Series | str:
    """The column, or the reason for which it is left out."""
    dtype = column.dtype
    if column.null_count() == column.len():
        return "no values"
    if isinstance(dtype, pl.List | pl.Array):
        return _list(column, limits)
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return _text(column.cast(pl.String), limits)
    if dtype.is_integer():
        whole = column.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == column.null_count() else column.cast(pl.String)
    if dtype.is_float() or dtype.is_decimal():
        numbers = column.cast(pl.Float64)
        numbers = numbers.set(~numbers.is_finite().fill_null(False), None)
        return numbers if numbers.null_count() < numbers.len() else "no values"
    if dtype == pl.Boolean or dtype.is_temporal():
        return column.cast(pl.String)
    return f"of type {dtype}"[:60]


def _text(column: pl.Series, limits: Limits) -> pl.Series | str:
    text = clean(column)
    if text.null_count() == text.len():
        return "no values"
    numbers = _numbers(text.set(text.str.to_lowercase().is_in(_MISSING.implode()), None))
    if numbers is not None:
        return numbers
    arrays = _shaped(text, "[", "]")
    if arrays.all():
        return _list(from_arrays(text), limits)
    if _shaped(text, "{", "}").all():
        return "objects"
    if float(text.str.contains("|", literal=True).mean() or 0) >= _LIST_SHARE:  # type: ignore[arg-type]
        return _list(text.str.split("|"), limits)
    return _short(text, limits)


def _numbers(text: pl.Series) -> pl.Series | None:
    """Int64 or Float64 if every value is a number."""
    floats = text.cast(pl.Float64, strict=False)
    if floats.null_count() > text.null_count() or text.null_count() == text.len():
        return None
    if text.str.contains(_INTEGER).all():
        whole = text.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == text.null_count() else None  # codes of 20 digits: text
    return floats if text.str.contains(_NUMBER).all() and floats.is_finite().all() else None


def _shaped(text: pl.Series, opening: str, closing: str) -> pl.Series:
    return text.str.starts_with(opening) & text.str.ends_with(closing)


def _list(column: pl.Series, limits: Limits) -> pl.Series | str:
    column = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
    inner = column.dtype.inner  # type: ignore[attr-defined]
    if inner.is_integer():
        lists = column.cast(pl.List(pl.Int64), strict=False)
        return lists.list.drop_nulls() if lists.list.len().sum() else "no values"
    if inner not in (pl.String, pl.Categorical, pl.Enum):
        return f"lists of type {inner}"[:60]
    lists = clean_lists(column.cast(pl.List(pl.String)))
    values = lists.explode().drop_nulls()
    if not values.len():
        return "no values"
    numbers = _numbers(values)
    if numbers is None:
        short = _short(values, limits)
        return short if isinstance(short, str) else lists
    return lists.cast(pl.List(pl.Int64)) if numbers.dtype == pl.Int64 else "lists of fractions"


def _short(text: pl.Series, limits: Limits) -> pl.Series | str:
    longest = int(text.str.len_chars().max() or 0)  # type: ignore[arg-type]
    return text if longest <= limits.id_characters else f"texts of up to {longest:,} characters"
