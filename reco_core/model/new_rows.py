"""Rows of the item table for items that training knew nothing of, made of what it learned of their attributes.

Decision 15 (docs/decisions) has the figures behind the choice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float32]


def new_rows(own: Table, described: NDArray[np.bool_], trained: Table, trained_own: Table) -> Table:
    """Rows that lie around the mean of the trained ones as their attributes lie around theirs, as far spread.

    Attributes say a part only of what a trained row holds. Taken as they are, they would lie so near each other that no
    new item ever came before all but ten of the trained ones.

    Args:
        own: [n, dim] mean attribute embedding of each new item.
        described: [n] whether it has any attribute; one that has none gets the mean row.
        trained: [m, dim] rows of the items that training has learned of.
        trained_own: [m, dim] their mean attribute embeddings.

    Returns:
        float32 [n, dim].
    """
    # trained rows 2 -2, their attributes .5 -.5: spread 4; a new item's attributes .25 -> row 1
    middle, own_middle = trained.mean(axis=0), trained_own.mean(axis=0)
    spread = _deviation(trained - middle) / max(_deviation(trained_own - own_middle), 1e-9)
    around = np.where(described[:, None], (own - own_middle) * np.float32(spread), 0)
    return (middle + around).astype(np.float32)


def new_bias(biases: Table, counts: NDArray[np.int64]) -> np.float32:
    """The mean of the trained items' biases.

    Args:
        biases: [items]; that of index i stands at i - 1.
        counts: [at least items + 1] training interactions.
    """
    return np.float32(biases[counts[1 : len(biases) + 1] > 0].mean(dtype=np.float64))


def _deviation(values: Table) -> float:
    """Root of the mean squared length."""
    return float(np.sqrt(np.square(values, dtype=np.float64).sum(axis=1).mean()))
