"""Rows of the item table for items that training knew nothing of, made of what it learned of their attributes.

Such a row is the mean of the item's attribute embeddings, as every row has it, and in place of the id embedding that
it lacks the mean of the trained ones; its bias likewise. docs/decisions/0015 has the figures behind the choice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def new_row(values: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """What stands for a new item in a table with a row, or a number, per item: the mean over the trained ones.

    Args:
        values: [items, ...] id embeddings, or biases; index i stands in row i - 1.
        counts: [at least items + 1] training interactions; rows without any are as they were before training.
    """
    trained = counts[1 : len(values) + 1] > 0
    mean: NDArray[np.float32] = values[trained].mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean
