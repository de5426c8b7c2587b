"""The time between an interaction and the one before it, as buckets whose bounds are fitted on training data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_LONGEST = np.uint64(2**63 - 1)


def time_gaps(timestamps: NDArray[np.int64], offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The gap before each interaction, and whether there is one: none before the first of a timeline.

    Args:
        timestamps: [interactions] of all timelines, rising within each.
        offsets: [users + 1].

    Returns:
        int64 [interactions] of the unit of `timestamps`, 0 where there is none; and bool [interactions].
    """
    # times 10 15 15 | 7 9 -> gaps 0 5 0 | 0 2, there: no yes yes | no yes
    there = np.ones(len(timestamps), bool)
    there[offsets[:-1]] = False
    gaps = np.zeros(len(timestamps), np.int64)
    # as unsigned numbers: two times may lie further apart than int64 reaches
    gaps[1:] = np.minimum(np.diff(timestamps).view(np.uint64), _LONGEST).astype(np.int64)
    gaps[~there] = 0
    return gaps, there


def fit_bounds(gaps: NDArray[np.int64], buckets: int) -> tuple[int, ...]:
    """Upper bounds of all buckets but the last, such that about equally many of `gaps` lie in each.

    Equal gaps share a bucket, so that there may be fewer than `buckets`.
    """
    if len(gaps) == 0:
        return ()
    shares = np.arange(1, buckets) / buckets
    bounds = np.unique(np.quantile(gaps, shares, method="inverted_cdf"))
    return tuple(bounds[bounds < gaps.max()].tolist())


def bucket_of(gaps: NDArray[np.int64] | NDArray[np.float64], bounds: Sequence[int]) -> NDArray[np.int32]:
    """The bucket of each gap: b (from 1) where it is at most `bounds[b - 1]` and above the bound before."""
    # bounds 0 60: 0 -> 1; 1 .. 60 -> 2; 61 -> 3
    return (np.searchsorted(np.asarray(bounds, np.int64), gaps, side="left") + 1).astype(np.int32)
