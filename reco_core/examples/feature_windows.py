"""A feature's values beside a context, as the model's inputs have them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core.examples.types import FeatureTable, Timelines

Values = NDArray[Any]  # int32 or float32


def feature_windows(
    timelines: Timelines, table: FeatureTable, users: NDArray[np.int32], ends: NDArray[np.int64], history_length: int
) -> Values:
    """The values of a feature for the newest `history_length` interactions before each position, or of the user.

    Args:
        users: [batch] rows of the timelines.
        ends: [batch] positions in `timelines.items`, exclusive.

    Returns:
        int32 or float32 [batch, *table.window_shape(history_length)]; `table.fill` stands where there is no value.
    """
    if table.scope == "user":
        return _rows(table, users, np.ones(len(users), bool)).reshape(len(users), table.length)
    begin = np.maximum(timelines.offsets[users], ends - history_length)
    positions = begin[:, None] + np.arange(history_length)  # [batch, L]
    inside = positions < ends[:, None]
    rows: NDArray[np.integer] = np.minimum(positions, len(timelines.items) - 1)
    if table.scope == "item":
        rows = timelines.items[rows]
    if table.layout == "flat":
        return _flat(table, rows, inside)
    return _rows(table, rows, inside).reshape(len(users), *table.window_shape(history_length))


def _rows(table: FeatureTable, rows: NDArray[np.integer], inside: NDArray[np.bool_]) -> Values:
    """[...] rows -> [..., length] values of each."""
    values, column = table.values, np.arange(table.length)
    begin, counts = _extent(table, rows, inside)
    filled = column < counts[..., None]
    at = np.where(filled, begin[..., None] + column, 0)
    return _where(filled, values[at] if len(values) else np.zeros(at.shape, values.dtype), table)


def _flat(table: FeatureTable, rows: NDArray[np.integer], inside: NDArray[np.bool_]) -> Values:
    """[batch, L] rows -> [batch, length]: the values of all rows one after the other, as many as there is room for."""
    # values of three rows 4 5 | - | 6 7, length 4 -> 4 5 6 7; length 6 -> 4 5 6 7 0 0
    begin, counts = _extent(table, rows, inside)
    own = counts.sum(axis=1)
    runs = counts.ravel()
    at = np.repeat(begin.ravel() - (np.cumsum(runs) - runs), runs) + np.arange(runs.sum())
    example = np.repeat(np.arange(len(rows)), own)
    column = np.arange(len(example)) - np.repeat(np.cumsum(own) - own, own)
    kept = column < table.length
    result = np.full((len(rows), table.length), table.fill, table.values.dtype)
    result[example[kept], column[kept]] = table.values[at[kept]]
    return result


def _extent(
    table: FeatureTable, rows: NDArray[np.integer], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the values of each row begin, and how many it has."""
    if table.offsets is None:
        return rows.astype(np.int64), inside.astype(np.int64)
    begin = table.offsets[rows]
    return begin, np.where(inside, table.offsets[rows + 1] - begin, 0)


def _where(filled: NDArray[np.bool_], values: Values, table: FeatureTable) -> Values:
    return np.where(filled, values, table.values.dtype.type(table.fill)).astype(table.values.dtype)
