"""The neighbour head: a sparse table of what tends to follow each item, added to the dot products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_CODE = 127


@dataclass(frozen=True)
class NeighbourHead:
    """The strongest followers of each item, in whole numbers of eight bits, and what they count.

    To the score of item j a history adds `scale * sum(decay**age * code**2)`, over its items that have j among their
    followers; the newest item has age 0. Codes stand for roots, since strengths lie further apart than 1 and 127.
    """

    followers: NDArray[np.int32]  # [items + 1, F]; 0 where an item has fewer
    codes: NDArray[np.int8]  # [items + 1, F], from 0; row 0 (padding) and missing followers have 0
    decay: float
    scale: float

    @property
    def items(self) -> int:
        """Number of items, padding not counted (V)."""
        return len(self.followers) - 1

    def entries(self, history: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """What a batch of histories adds, not yet summed.

        Args:
            history: [batch, length], left-aligned, oldest first, 0 after the last.

        Returns:
            Items, int32 [batch, length, F], and what each adds to its score, float32 of the same shape; 0 at padding.
        """
        strengths = self.scale * np.square(self.codes[history], dtype=np.float32)
        decays = np.power(self.decay, ages(history), dtype=np.float32)
        return self.followers[history], (strengths * decays[:, :, None]).astype(np.float32)

    def add_to(self, scores: NDArray[np.float32], history: NDArray[np.int32]) -> None:
        """Add the head's scores for `history`, as in `entries`, to `scores` [batch, items + 1] in place."""
        items, added = self.entries(history)
        rows = np.arange(len(history))[:, None, None]
        np.add.at(scores, (np.broadcast_to(rows, items.shape), items), added)


def ages(history: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many real items come after each one: [batch, length]; 0 at padding."""
    # 7 5 0 0 -> 1 0 0 0
    counts = (history > 0).sum(axis=1, keepdims=True)
    return np.maximum(counts - 1 - np.arange(history.shape[1]), 0)


def coded(strengths: NDArray[np.floating]) -> tuple[NDArray[np.int8], float]:
    """Codes of strengths from 0, and the scale with which `scale * code**2` gives them back."""
    # strengths 4 1 .04 -> roots 2 1 .2 -> codes 127 64 13; 13 ** 2 * 4 / 127 ** 2 = .042
    largest = float(strengths.max(initial=0.0))
    if largest == 0:
        return np.zeros(strengths.shape, np.int8), 0.0
    codes = np.rint(np.sqrt(strengths / largest) * MOST_CODE).astype(np.int8)
    return codes, largest / MOST_CODE**2
