"""What a scorer is given: the histories of a batch of examples, as a padded window or as flat rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core.examples import Examples, Timelines, feature_windows, windows


@dataclass(frozen=True)
class HistoryBatch:
    """What lies before each example's label. `ends` are positions in `Timelines.items`, exclusive."""

    timelines: Timelines
    users: NDArray[np.int32]  # [batch]
    ends: NDArray[np.int64]  # [batch]

    @classmethod
    def of(cls, timelines: Timelines, examples: Examples, begin: int = 0, end: int | None = None) -> HistoryBatch:
        """The histories of `examples[begin:end]`."""
        return cls(timelines, examples.users[begin:end], examples.labels[begin:end])

    def __len__(self) -> int:
        return len(self.users)

    def window(self, length: int) -> NDArray[np.int32]:
        """The newest `length` items, oldest first, left-aligned, padded with 0: int32 [batch, length]."""
        return windows(self.timelines, self.users, self.ends, length)

    def inputs(self, length: int) -> dict[str, NDArray[Any]]:
        """What a model is given: `history`, as `window` has it, and each of the timelines' features by name."""
        features = {
            name: feature_windows(self.timelines, table, self.users, self.ends, length)
            for name, table in self.timelines.features.items()
        }
        return {"history": self.window(length), **features}

    def last(self) -> NDArray[np.int32]:
        """The newest item of each history, 0 where it is empty: int32 [batch]."""
        return self.window(1)[:, 0]

    def full(self, newest: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
        """All items of each history, or its `newest` ones: (row, item, distance), sorted by row, oldest first.

        Distance counts from the label, so the newest item has distance 1.
        """
        begin = self.timelines.offsets[self.users]
        if newest is not None:
            begin = np.maximum(begin, self.ends - newest)
        counts = self.ends - begin
        rows = np.repeat(np.arange(len(self), dtype=np.int64), counts)
        # ends 4 (length 3): running index 0 1 2 -> positions 1 2 3 -> distances 3 2 1
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        positions = np.repeat(begin, counts) + within
        return rows, self.timelines.items[positions], np.repeat(self.ends, counts) - positions


Scorer = Callable[[HistoryBatch], NDArray[np.float32]]
"""Scores of every item for each history: float32 [batch, items + 1]; column 0 (padding) is ignored."""
