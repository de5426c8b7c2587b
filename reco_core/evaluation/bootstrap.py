"""Bootstrap over users: how far a figure would move with another sample of the same users.

Users are drawn, not examples, since one user's examples depend on each other. A figure is a ratio of sums over users,
so that resampling is a product of draw counts with per-user sums.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_CELLS = 1 << 22  # draw counts held at once
Interval = tuple[float, float]


def per_user(users: NDArray[np.int32], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of `values` [examples, columns] over the examples of each user: [users, columns], users rising."""
    _, codes = np.unique(users, return_inverse=True)
    size = int(codes.max(initial=-1)) + 1
    return np.stack([np.bincount(codes, column, size) for column in values.T], axis=1)


def resampled_ratios(
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
    denominators: NDArray[np.intp],
    samples: int,
    seed: int,
) -> NDArray[np.float64]:
    """The ratios in `samples` resamples of the users: float64 [samples, columns], NaN where nothing was drawn.

    Args:
        sums: [users, columns], numerators.
        counts: [users, groups], numbers of examples.
        denominators: [columns], which group each numerator is divided by.
    """
    parts = []
    for draws in _draws(len(sums), samples, seed):
        with np.errstate(invalid="ignore", divide="ignore"):
            parts.append((draws @ sums) / (draws @ counts)[:, denominators])
    return np.concatenate(parts)


def intervals(resampled: NDArray[np.float64]) -> list[Interval]:
    """The 95% percentile interval of each column of [samples, columns]."""
    low, high = np.nanquantile(resampled, (0.025, 0.975), axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _draws(users: int, samples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each user is drawn in each resample, in blocks: [block, users]."""
    random = np.random.default_rng(seed)
    block = max(1, _CELLS // users)
    for begin in range(0, samples, block):
        size = min(block, samples - begin)
        draws = np.empty((size, users), np.float64)
        for row in range(size):
            draws[row] = np.bincount(random.integers(0, users, users), minlength=users)
        yield draws
