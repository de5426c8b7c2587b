"""Features beside a context, gathered inside the compiled step as `examples.feature_windows` does outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from reco_core.examples import FeatureTable


class FeatureWindows:
    """One feature's table on the device."""

    def __init__(self, table: FeatureTable) -> None:
        self.name = table.name
        self._table = table
        # a table without any value still needs something to gather
        self._values = tf.constant(table.values if len(table.values) else np.zeros(1, table.values.dtype))
        self._offsets = None if table.offsets is None else tf.constant(table.offsets.astype(np.int32))
        self._fill = tf.constant(table.fill, self._values.dtype)

    def gather(self, users: Any, positions: Any, items: Any, inside: Any) -> Any:
        """The windows of a batch.

        Args:
            users: int32 [batch] rows of the timelines.
            positions: int32 [batch, L] positions in `Timelines.items`.
            items: int32 [batch, L] what stands there, 0 outside.
            inside: bool [batch, L] whether the position belongs to the context.
        """
        table = self._table
        if table.scope == "user":
            return self._rows(users, tf.ones_like(users, tf.bool))
        rows = items if table.scope == "item" else tf.where(inside, positions, 0)
        if table.layout == "flat":
            return self._flat(rows, inside)
        found = self._rows(rows, inside)
        return found[..., 0] if table.length == 1 else found

    def _extent(self, rows: Any, inside: Any) -> tuple[Any, Any]:
        """Where the values of each row begin, and how many it has."""
        if self._offsets is None:
            return rows, tf.cast(inside, tf.int32)
        begin = tf.gather(self._offsets, rows)
        return begin, tf.where(inside, tf.gather(self._offsets, rows + 1) - begin, 0)

    def _rows(self, rows: Any, inside: Any) -> Any:
        """[...] rows -> [..., length] values of each."""
        begin, counts = self._extent(rows, inside)
        column = tf.range(self._table.length)
        filled = column < counts[..., None]
        return tf.where(filled, tf.gather(self._values, tf.where(filled, begin[..., None] + column, 0)), self._fill)

    def _flat(self, rows: Any, inside: Any) -> Any:
        """[batch, L] rows -> [batch, length]: the values of all rows one after the other."""
        begin, counts = self._extent(rows, inside)
        ends = tf.cumsum(counts, axis=1)
        column = tf.range(self._table.length)
        # counts 2 0 3, ends 2 2 5: columns 0 1 lie in row 0, 2 3 4 in row 2, as many ends as are not beyond them
        row = tf.reduce_sum(tf.cast(ends[:, None, :] <= column[None, :, None], tf.int32), axis=2)  # [batch, length]
        filled = row < tf.shape(rows)[1]
        row = tf.where(filled, row, 0)
        skipped = tf.gather(begin - ends + counts, row, batch_dims=1)
        return tf.where(filled, tf.gather(self._values, tf.where(filled, skipped + column, 0)), self._fill)
