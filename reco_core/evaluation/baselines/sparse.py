"""A sparse item-by-item table in compressed rows, filled by counting and read by gathering whole rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reco_core.examples import ExampleSet

_GATHERED = 1 << 20  # table entries gathered at once


@dataclass(frozen=True)
class SparseTable:
    """Row i holds `values[j]` at column `columns[j]` for j in `offsets[i]:offsets[i + 1]`; columns rise."""

    offsets: NDArray[np.int64]  # [size + 1]
    columns: NDArray[np.int32]
    values: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Number of rows, and of columns."""
        return len(self.offsets) - 1

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each entry."""
        return np.repeat(np.arange(self.size), np.diff(self.offsets))

    def weighted_sums(
        self, rows: NDArray[np.int64], indices: NDArray[np.int32], weights: NDArray[np.float64], batch: int
    ) -> NDArray[np.float32]:
        """For each of `batch` results, the sum of `weights * table[indices]` over the entries with its `rows`.

        Args:
            rows: [entries], not falling.

        Returns:
            float32 [batch, size].
        """
        result = np.empty((batch, self.size), np.float32)
        gathered = int((self.offsets[indices + 1] - self.offsets[indices]).sum())
        step = max(1, min(batch, batch * _GATHERED // max(1, gathered)))
        for begin in range(0, batch, step):
            end = min(begin + step, batch)
            part = slice(*np.searchsorted(rows, (begin, end)))
            result[begin:end] = self._sums(rows[part] - begin, indices[part], weights[part], end - begin)
        return result

    def strongest(self, count: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """The `count` largest values of each row and their columns, the largest first, equals by lower column.

        Returns:
            Columns and values, both [size, count]; 0 where a row has fewer.
        """
        order = np.lexsort((self.columns, -self.values, self.rows))
        rows = self.rows
        place = np.arange(len(rows)) - self.offsets[rows]  # rows stay together, so each keeps its extent
        taken = place < count
        columns, values = np.zeros((self.size, count), np.int32), np.zeros((self.size, count))
        at = rows[taken], place[taken]
        columns[at], values[at] = self.columns[order[taken]], self.values[order[taken]]
        return columns, values

    def _sums(
        self, rows: NDArray[np.int64], indices: NDArray[np.int32], weights: NDArray[np.float64], batch: int
    ) -> NDArray[np.float64]:
        begin = self.offsets[indices]
        counts = self.offsets[indices + 1] - begin
        source = np.repeat(begin - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
        cells = np.repeat(rows * self.size, counts) + self.columns[source]
        addends = np.repeat(weights, counts) * self.values[source]
        sums: NDArray[np.float64] = np.bincount(cells, addends, batch * self.size).astype(np.float64, copy=False)
        return sums.reshape(batch, self.size)


def count_followers(example_set: ExampleSet, steps: int) -> SparseTable:
    """How often item j comes within `steps` steps after item i in one timeline, each time weighing 1 / distance.

    Both interactions must be in training; those held out between them still count as steps.
    """
    size = example_set.vocabulary.size + 1
    keys, sums = _merge(_follower_counts(example_set, steps, size))
    offsets = np.searchsorted(keys, np.arange(size + 1) * size)
    return SparseTable(offsets.astype(np.int64), (keys % size).astype(np.int32), sums)


def _follower_counts(
    example_set: ExampleSet, steps: int, size: int
) -> Iterable[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    timelines, learnable = example_set.timelines, example_set.in_training
    user = np.repeat(np.arange(timelines.users), np.diff(timelines.offsets))
    items = timelines.items.astype(np.int64)
    for distance in range(1, steps + 1):
        together = (user[:-distance] == user[distance:]) & learnable[:-distance] & learnable[distance:]
        keys = items[:-distance][together] * size + items[distance:][together]
        cells, counts = np.unique(keys, return_counts=True)
        yield cells, counts / distance


def _merge(
    parts: Iterable[tuple[NDArray[np.int64], NDArray[np.float64]]],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The union of sorted keys, with the sum of each key's values."""
    keys, values = zip(*parts, strict=True)
    merged, codes = np.unique(np.concatenate(keys), return_inverse=True)
    sums = np.bincount(codes, np.concatenate(values), len(merged))
    return merged.astype(np.int64), sums.astype(np.float64)
