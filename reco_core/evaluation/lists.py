"""What the recommended lists are like as a whole, whether or not they hit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def coverage(lists: NDArray[np.int32], items: int) -> float:
    """Share of all items that stand in at least one list. `lists` is [users, k], 0 where a list is short."""
    return float(np.count_nonzero(_exposure(lists, items)) / items)


def gini(lists: NDArray[np.int32], items: int) -> float:
    """Gini coefficient of the items' exposure: 0 if all are shown equally often, near 1 if a few fill all lists."""
    # exposure [0 0 4] -> 2 * (1*0 + 2*0 + 3*4) / (3 * 4) - (3 + 1) / 3 = 2/3
    exposure = np.sort(_exposure(lists, items))
    total = exposure.sum()
    if total == 0:
        return 0.0
    place = np.arange(1, items + 1)
    return float(2 * (place @ exposure) / (items * total) - (items + 1) / items)


def novelty(lists: NDArray[np.int32], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean self-information of each list in bits, -log2 of the item's share of training interactions: [users].

    An item without training data counts as if it had one interaction; an empty list has novelty 0.
    """
    # shares [.5 .25] -> (1 + 2) / 2 = 1.5 bits
    bits = np.log2(max(1, int(counts.sum()))) - np.log2(np.maximum(counts, 1))
    bits[0] = 0
    lengths = np.count_nonzero(lists, axis=1)
    return np.asarray(bits[lists].sum(axis=1) / np.maximum(lengths, 1), np.float64)


def identical_share(lists: NDArray[np.int32]) -> float:
    """Share of lists that at least one other list equals, item by item."""
    if len(lists) == 0:
        return 0.0
    _, sizes = np.unique(lists, axis=0, return_counts=True)
    return float(sizes[sizes > 1].sum() / len(lists))


def overlap(first: NDArray[np.int32], second: NDArray[np.int32]) -> float:
    """Mean share of items that two models' lists for the same users have in common, whatever their places.

    Args:
        first: [users, k], 0 where a list is short.
        second: [users, k], likewise.
    """
    # [1 2 3] and [3 1 9] -> 2/3
    common = ((first[:, :, None] == second[:, None, :]) & (first[:, :, None] > 0)).sum(axis=(1, 2))
    lengths = np.maximum(np.count_nonzero(first, axis=1), np.count_nonzero(second, axis=1))
    return float(np.where(lengths > 0, common / np.maximum(lengths, 1), 1.0).mean())


def _exposure(lists: NDArray[np.int32], items: int) -> NDArray[np.int64]:
    return np.bincount(lists.ravel(), minlength=items + 1)[1:]
