"""Columns encoded for the model: vocabularies fitted on training data, values as rows of flat arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.config import FeaturesConfig, FloatFeature, IntFeature, TimeGapFeature
from reco_core.config.feature_columns import Scope, placed
from reco_core.config.features import ColumnFeature
from reco_core.datasets.types import Interactions
from reco_core.errors import ConfigInvalid, FieldError
from reco_core.examples.features import fault, find_column, is_without, missing_column, require_times
from reco_core.examples.time_gaps import bucket_of, fit_bounds, time_gaps
from reco_core.examples.timelines import RawTimelines
from reco_core.examples.types import FeatureTable

PAD, OOV = "<pad>", "<oov>"
# What the original fills lists of text up with: to its app it is the same as nothing.
UNKNOWN = "UNK"


class Fitted(Protocol):
    """What of a feature comes from the training data: a `FeatureTable` has it, and so has a bundle."""

    @property
    def scope(self) -> str:
        """As in `FeatureTable`."""

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """As in `FeatureTable`."""

    @property
    def mean(self) -> float:
        """As in `FeatureTable`."""

    @property
    def deviation(self) -> float:
        """As in `FeatureTable`."""

    @property
    def bounds(self) -> tuple[int, ...] | None:
        """As in `FeatureTable`."""


def encode(
    features: FeaturesConfig,
    interactions: Interactions,
    raw: RawTimelines,
    *,
    index: NDArray[np.int32],
    items: int,
    in_training: NDArray[np.bool_],
    fitted: Mapping[str, Fitted] | None = None,
) -> dict[str, FeatureTable]:
    """Every feature of a resolved config, by name.

    Vocabularies, means, deviations and bounds come from the training interactions, of user features from the users
    who have some, of item features from the whole item table
    (docs/decisions/0012-item-features-from-the-whole-table.md).

    Args:
        index: [item codes] item indices; 0 for items that the model doesn't know.
        items: number of items that it knows.
        in_training: [interactions] which may be learned from.
        fitted: by name, to encode as an earlier model did; None fits anew. A feature that the data say nothing of
            is then missing everywhere.

    Raises:
        ConfigInvalid: a column of the wrong type or, where it is to be learned from, one that the data lack or
            without a value; likewise time gaps of a log without timestamps.
    """
    places = {
        "user": _users(raw, in_training),
        "item": _items(index, items),
        "interaction": _Rows(raw.rows, in_training),
    }
    tables = {}
    for feature, pointer, scopes in placed(features):
        known = None if fitted is None else fitted[feature.name]
        if isinstance(feature, TimeGapFeature):
            if known is None:
                require_times(feature, interactions, pointer)
            tables[feature.name] = _encode_gaps(feature, raw, in_training, known)
            continue
        if known is not None and is_without(feature, interactions, scopes):
            scope = cast("Scope", known.scope)
            column = missing_column(feature, interactions, scope)
        else:
            scope, column = find_column(feature, interactions, scopes, pointer)
        tables[feature.name] = _encode(feature, scope, column, places[scope], known, pointer)
    return tables


def taken(table: FeatureTable, rows: NDArray[np.integer]) -> FeatureTable:
    """The table with these of its rows, in this order; -1 is a row without a value."""
    there = rows >= 0
    at = np.where(there, rows, 0)
    if table.offsets is None:
        values: NDArray[Any] = table.values[at]
        values[~there] = table.fill
        return replace(table, values=values)
    begin = table.offsets[at]
    lengths = np.where(there, table.offsets[at + 1] - begin, 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    positions = np.repeat(begin - offsets[:-1], lengths) + np.arange(offsets[-1])
    return replace(table, values=table.values[positions], offsets=offsets)


def trained_users(raw: RawTimelines, in_training: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[timelines] whether anything of the user may be learned from."""
    until = np.concatenate([[0], np.cumsum(in_training)])
    trained: NDArray[np.bool_] = until[raw.offsets[1:]] > until[raw.offsets[:-1]]
    return trained


@dataclass(frozen=True)
class _Rows:
    """Which row of the column stands in each row of the table (-1: none), and which of them may be learned from."""

    take: NDArray[np.integer]
    fit: NDArray[np.bool_]


def _users(raw: RawTimelines, in_training: NDArray[np.bool_]) -> _Rows:
    return _Rows(raw.users, trained_users(raw, in_training))


def _items(index: NDArray[np.int32], items: int) -> _Rows:
    take = np.full(items + 1, -1, np.int64)
    take[index] = np.arange(len(index))
    take[0] = -1
    return _Rows(take, np.ones(items + 1, bool))


@dataclass(frozen=True)
class _Values:
    """A column's values, row after row; without `lengths` one a row, which may be null."""

    flat: pl.Series
    fit: NDArray[np.bool_]
    lengths: NDArray[np.int64] | None

    @property
    def offsets(self) -> NDArray[np.int64] | None:
        return None if self.lengths is None else np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)


def _values(column: pl.Series, rows: _Rows, several: bool) -> _Values:
    """The column's rows as the table has them; `several`: missing values take no place."""
    taken = pl.Series(rows.take)
    if rows.take.min(initial=0) < 0:
        taken = taken.set(taken < 0, None)
    found = column.gather(taken)
    if not isinstance(column.dtype, pl.List):
        if not several:
            return _Values(found, rows.fit, None)
        present = found.is_not_null().to_numpy()
        return _Values(found.filter(pl.Series(present)), rows.fit[present], present.astype(np.int64))
    found = found.list.drop_nulls()
    lengths = found.list.len().fill_null(0).to_numpy().astype(np.int64)
    return _Values(found.filter(pl.Series(lengths > 0)).explode(), np.repeat(rows.fit, lengths), lengths)


def _encode_gaps(
    feature: TimeGapFeature, raw: RawTimelines, in_training: NDArray[np.bool_], known: Fitted | None
) -> FeatureTable:
    times = np.zeros(len(raw.rows), np.int64) if raw.timestamps is None else raw.timestamps
    gaps, there = time_gaps(times, raw.offsets)
    bounds = fit_bounds(gaps[there & in_training], feature.buckets) if known is None else known.bounds or ()
    buckets = bucket_of(gaps, bounds)
    buckets[~there if raw.timestamps is not None else slice(None)] = 0
    rows = len(bounds) + 2  # none, a bucket for each bound, and what is longer
    return FeatureTable(feature.name, "interaction", buckets, None, feature.length, table_rows=rows, bounds=bounds)


def _encode(
    feature: ColumnFeature, scope: Scope, column: pl.Series, rows: _Rows, known: Fitted | None, pointer: str
) -> FeatureTable:
    length = feature.length or 1
    flat = feature.layout == "flat"
    if isinstance(feature, FloatFeature):
        # one value an interaction even where it is missing, so that the model knows how many there are
        values = _values(column, rows, several=False)
        numbers, mean, deviation = _standard(feature, values, known, pointer)
        return FeatureTable(
            feature.name, scope, numbers, None, length, mean=mean, deviation=deviation, layout=feature.layout
        )
    if isinstance(feature, IntFeature) and not feature.vocabulary:
        size = feature.vocabulary_size or 0  # the config requires one
        if flat or length > 1:
            column = _without(column, 0)  # where values are indices themselves, 0 means missing
        values = _values(column, rows, several=flat or length > 1)
        inside = (values.flat >= 0) & (values.flat < size)
        if known is None:
            _require_inside(feature, values, size, pointer)
        codes = values.flat.set(~inside, size).fill_null(0).cast(pl.Int32)
        vocabulary, table_rows = None, size + 1
    else:
        if not isinstance(feature, IntFeature):
            column = _without(_texts(column), UNKNOWN) if flat else _texts(column)
        values = _values(column, rows, flat or length > 1)
        words = _vocabulary(feature, values, known, pointer)
        places = pl.int_range(2, len(words) + 2, dtype=pl.Int32, eager=True)
        first = words.is_first_distinct()  # a vocabulary that was read may hold a word twice
        found = values.flat.replace_strict(words.filter(first), places.filter(first), default=1, return_dtype=pl.Int32)
        codes = found.set(values.flat.is_null(), 0)
        vocabulary = (PAD, OOV, *words.cast(pl.String).to_list())
        table_rows = len(vocabulary)
    return FeatureTable(
        feature.name,
        scope,
        codes.to_numpy().astype(np.int32),
        values.offsets,
        length,
        vocabulary=vocabulary,
        table_rows=table_rows,
        layout=feature.layout,
    )


def _require_inside(feature: IntFeature, values: _Values, size: int, pointer: str) -> None:
    """Raise ConfigInvalid where no value of the training data has an index of its own."""
    seen = values.flat.filter(pl.Series(values.fit)).drop_nulls()
    seen = seen.filter(seen != 0)
    if len(seen) == 0 or ((seen > 0) & (seen < size)).any():
        return
    numbers = seen.to_numpy()
    detail = (
        f"all {len(seen):,} values of the feature {feature.name!r} in the training data, {numbers.min()} to "
        f"{numbers.max()}, lie outside 0 to {size - 1}, so that nothing can be learned of them; raise "
        "vocabulary_size, or leave vocabulary: false out"
    )
    raise ConfigInvalid(detail, [FieldError(f"{pointer}/vocabulary_size", "all_out_of_range", detail)])


def _without(column: pl.Series, value: int | str) -> pl.Series:
    """`value` counts as missing."""
    if isinstance(column.dtype, pl.List):
        return column.list.eval(pl.element().filter(pl.element() != value))
    return column.set(column == value, None)


def _texts(column: pl.Series) -> pl.Series:
    return column.cast(pl.List(pl.String) if isinstance(column.dtype, pl.List) else pl.String)


def _vocabulary(feature: ColumnFeature, values: _Values, known: Fitted | None, pointer: str) -> pl.Series:
    """The values that have an index of their own, in its order: falling count, then value."""
    if known is not None:
        return pl.Series((known.vocabulary or ())[2:], dtype=pl.String).cast(values.flat.dtype)
    seen = values.flat.filter(pl.Series(values.fit)).drop_nulls().alias("value")
    if len(seen) == 0:
        raise _no_values(feature, pointer)
    counts = seen.value_counts().sort(["count", "value"], descending=[True, False])
    words = counts["value"]
    size = None if isinstance(feature, FloatFeature) else feature.vocabulary_size
    return words if size is None else words.head(size)


def _standard(
    feature: FloatFeature, values: _Values, known: Fitted | None, pointer: str
) -> tuple[NDArray[np.float32], float, float]:
    """The numbers, missing ones at the mean, and mean and deviation of the training data."""
    with np.errstate(over="ignore"):
        numbers = values.flat.cast(pl.Float64).to_numpy().astype(np.float32)
    finite = np.isfinite(numbers)
    if known is not None:
        mean, deviation = known.mean, known.deviation
    else:
        seen = numbers[finite & values.fit].astype(np.float64)
        if len(seen) == 0:
            raise _no_values(feature, pointer)
        mean = float(np.float32(seen.mean()))
        deviation = float(np.float32(seen.std())) or 1.0
    return np.where(finite, numbers, np.float32(mean)), mean, deviation


def _no_values(feature: ColumnFeature, pointer: str) -> Exception:
    return fault(
        pointer,
        "no_values",
        f"the column {feature.source_column!r} holds no value in the training data; leave {feature.name!r} out",
    )
