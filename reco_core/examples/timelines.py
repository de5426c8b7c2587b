"""Interactions as timelines: sort once, then only offsets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reco_core.datasets.types import Interactions


@dataclass(frozen=True)
class RawTimelines:
    """Timelines whose items are still codes of the dataset, since the vocabulary's order depends on the split."""

    offsets: NDArray[np.int64]  # [users + 1]
    codes: NDArray[np.int32]  # [interactions]
    timestamps: NDArray[np.int64] | None  # [interactions]
    seen_offsets: NDArray[np.int64]  # [users + 1]
    seen_codes: NDArray[np.int32]
    seen_before: NDArray[np.int64]  # [interactions]
    users: NDArray[np.int32]  # [users] codes into `Interactions.user_ids`
    dropped_users: int
    rows: NDArray[np.int32] | None = None  # [interactions] rows of the log, where they were asked for


def build_timelines(
    interactions: Interactions, min_length: int, min_rating: float | None, *, with_rows: bool = False
) -> RawTimelines:
    """Sort the log by user and time (equal times keep file order) and drop users with short timelines.

    Args:
        with_rows: whether to say also which row of the log each interaction was.
    """
    order = _by_user_and_time(interactions)
    users = interactions.users[order]
    codes = interactions.items[order]
    if min_rating is None or interactions.ratings is None:
        positive = np.ones(len(users), bool)
    else:
        positive = interactions.ratings[order] >= min_rating
    lengths = np.bincount(users[positive], minlength=len(interactions.user_ids))
    kept_user = lengths >= min_length
    kept_row = kept_user[users]
    users, codes, positive = users[kept_row], codes[kept_row], positive[kept_row]
    timestamps = None if interactions.timestamps is None else interactions.timestamps[order][kept_row][positive]
    return RawTimelines(
        offsets=_offsets(lengths[kept_user]),
        codes=codes[positive],
        timestamps=timestamps,
        seen_offsets=_offsets(np.bincount(users, minlength=len(kept_user))[kept_user]),
        seen_codes=codes,
        seen_before=np.flatnonzero(positive).astype(np.int64),
        users=np.flatnonzero(kept_user).astype(np.int32),
        dropped_users=int(np.count_nonzero(~kept_user)),
        rows=order[kept_row][positive].astype(np.int32) if with_rows else None,
    )


def first_occurrences(offsets: NDArray[np.int64], codes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """bool [interactions]: whether it is the user's first interaction with that item."""
    # one user's items 5 7 5 -> True True False
    rows = np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))
    keys = rows * (int(codes.max(initial=0)) + 1) + codes
    first = np.zeros(len(codes), bool)
    first[np.unique(keys, return_index=True)[1]] = True
    return first


def _by_user_and_time(interactions: Interactions) -> NDArray[np.int64]:
    if interactions.timestamps is None:
        return np.argsort(interactions.users, kind="stable")
    return np.lexsort((interactions.timestamps, interactions.users))


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
