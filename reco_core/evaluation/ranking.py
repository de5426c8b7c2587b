"""Full ranking: the label's place among all items, and the best items, with ties going to the lower index.

Seen items and padding stand at minus infinity. A label at minus infinity is a miss; its rank is the number of items
plus one, so that it counts as a miss at every k and as the worst in the mean rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reco_core.errors import Diverged

_BLOCKS = (64, 8, 1)  # each divides the one before; a masked row is padded to a multiple of the first


@dataclass(frozen=True)
class Ranks:
    """Places from 1, and whether another candidate has exactly the label's score."""

    ranks: NDArray[np.int64]  # [batch]
    tied: NDArray[np.bool_]  # [batch]


def mask_scores(
    scores: NDArray[np.float32],
    seen_rows: NDArray[np.int64],
    seen_items: NDArray[np.int32],
    *,
    repeats: bool = False,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """A copy of `scores` in which only candidates stand above minus infinity.

    Args:
        scores: [batch, items + 1]; column 0 is padding.
        seen_rows: with `seen_items`, the (row, item) pairs that the users have already seen.
        repeats: whether seen items may be recommended again.
        out: a buffer from an earlier call with as many items and at least as many rows, to be used again.

    Returns:
        float32 [batch, width], width being items + 1 rounded up to a multiple of 64; the surplus is minus infinity.

    Raises:
        Diverged: a score is not a number, so there is no ranking.
    """
    batch, columns = scores.shape
    width = -(-columns // _BLOCKS[0]) * _BLOCKS[0]
    masked = np.empty((batch, width), np.float32) if out is None else out[:batch]
    masked[:, :columns] = scores
    masked[:, columns:] = -np.inf
    masked[:, 0] = -np.inf
    with np.errstate(invalid="ignore"):
        broken = np.isnan(masked.max(axis=1))  # a maximum over a row with a NaN is NaN
    if broken.any():
        raise Diverged(
            f"{int(broken.sum())} of {batch} score vectors contain NaN, so nothing can be ranked; the model has "
            "diverged: lower training.learning_rate or set training.gradient_clip_norm"
        )
    if not repeats:
        masked[seen_rows, seen_items] = -np.inf
    return masked


def rank_masked(masked: NDArray[np.float32], labels: NDArray[np.integer], items: int) -> Ranks:
    """Places of the labels in rows made by `mask_scores`; see `rank_labels`."""
    rows = np.arange(len(masked))
    own = masked[rows, labels]
    greater = _count(masked > own[:, None])
    equal = _count(masked == own[:, None])
    missed = np.isneginf(own)
    tied = (equal > 1) & ~missed
    ranks = np.where(missed, items + 1, greater + 1)
    # only tied rows, which are few in a trained model, need to know which of their equals come first
    (few,) = np.nonzero(tied)
    if len(few):
        lower = np.arange(masked.shape[1]) < labels[few][:, None]
        ranks[few] += _count((masked[few] == own[few][:, None]) & lower)
    return Ranks(ranks, tied)


def rank_labels(
    scores: NDArray[np.float32],
    labels: NDArray[np.integer],
    seen_rows: NDArray[np.int64],
    seen_items: NDArray[np.int32],
    repeats: bool = False,
) -> Ranks:
    """Place of each row's label among all items, from 1: one more than those above it and its equals of lower index.

    Args:
        scores: [batch, items + 1]; column 0 is padding.
        labels: [batch] item indices.
        seen_rows: with `seen_items`, the (row, item) pairs that may not be recommended unless `repeats`.

    Raises:
        Diverged: a score is not a number.
    """
    # label at column 2, scores [pad .1 .9 .2] -> rank 1; label at column 3, scores [pad .9 .2 .2] -> rank 3, tied
    return rank_masked(mask_scores(scores, seen_rows, seen_items, repeats=repeats), labels, scores.shape[1] - 1)


def top_items(masked: NDArray[np.float32], k: int) -> NDArray[np.int32]:
    """The `k` best items of each row made by `mask_scores`, best first, 0 where candidates run out: int32 [batch, k].

    Rows of any other width, with minus infinity where an item isn't a candidate, are padded first.

    The k best items lie in the k blocks with the highest maxima, equal maxima taken from the left: a block left out
    has k blocks before it, each with an item that comes before all of its own. So it is enough to sort block maxima.
    """
    if masked.shape[1] % _BLOCKS[0]:
        masked = np.pad(masked, ((0, 0), (0, -masked.shape[1] % _BLOCKS[0])), constant_values=-np.inf)
    batch, width = masked.shape
    rows = np.arange(batch)[:, None]
    begin = np.zeros((batch, 1), np.int64)  # [batch, kept] where the kept blocks begin, ascending
    span = width
    for size in _BLOCKS:
        inner = begin[:, :, None] + np.arange(0, span, size)  # [batch, kept, parts]
        inner = inner.reshape(batch, -1)
        if span == width:
            best = masked.reshape(batch, -1, size).max(axis=2)
        else:
            best = masked[rows[:, :, None], inner[:, :, None] + np.arange(size)].max(axis=2)
        order = np.argsort(-best, axis=1, kind="stable")[:, :k]
        if size > 1:
            order.sort(axis=1)
        begin, span = np.take_along_axis(inner, order, axis=1), size
    found = np.where(np.isneginf(np.take_along_axis(masked, begin, axis=1)), 0, begin)
    result = np.zeros((batch, k), np.int32)
    result[:, : found.shape[1]] = found
    return result


def _count(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """True values per row. The width is a multiple of 8, so eight of them are counted at once by their bits."""
    counts: NDArray[np.int64] = np.bitwise_count(flags.view(np.uint64)).sum(axis=1, dtype=np.int64)
    return counts
