"""Groups of examples that are reported apart: by the label's popularity, the length of the history, and the user."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reco_core.examples import Examples, ExampleSet

POPULARITY = ("head", "mid", "tail", "cold")
USERS = ("known", "new")
_LENGTHS = (5, 10, 20, 50)  # upper bounds, inclusive
_WITH_NEW_USERS = ("temporal", "user_disjoint")  # the other protocols test nobody without training data


def popularity_of_items(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index into `POPULARITY` of each item.

    Items are taken by falling training count; those that hold the first third of the training interactions are the
    head, the second third the middle, the rest the tail. Items without training data are cold.

    Args:
        counts: [items + 1], training interactions of each item, not rising from index 1 on.
    """
    # counts [pad 4 3 2 0]: mass before each item 0 4/9 7/9 1 -> head, mid, tail, cold
    total = max(1, int(counts[1:].sum()))
    before = (np.cumsum(counts) - counts) * 3 // total
    return np.where(counts > 0, np.minimum(before, 2), 3)


def strata(example_set: ExampleSet, examples: Examples) -> Mapping[str, Mapping[str, NDArray[np.bool_]]]:
    """`{partition: {stratum: member [examples]}}`; strata without a member are left out."""
    timelines, counts = example_set.timelines, example_set.vocabulary.counts
    popularity = popularity_of_items(counts)[timelines.items[examples.labels]]
    lengths = examples.labels - timelines.offsets[examples.users]
    bucket = np.searchsorted(_LENGTHS, lengths, side="left")
    bounds = (
        *(f"{low + 1}-{high}" for low, high in zip((0, *_LENGTHS), _LENGTHS, strict=False)),
        f"{_LENGTHS[-1] + 1}+",
    )
    found = {
        "item_popularity": _members(POPULARITY, popularity),
        "history_length": _members(bounds, bucket),
    }
    if example_set.protocol in _WITH_NEW_USERS:
        found["user"] = _members(USERS, (~known_users(example_set))[examples.users].astype(np.intp))
    return found


def known_users(example_set: ExampleSet) -> NDArray[np.bool_]:
    """Whether anything of each user is in training: bool [users]."""
    timelines = example_set.timelines
    owners = np.repeat(np.arange(timelines.users), np.diff(timelines.offsets))
    return np.bincount(owners[example_set.in_training], minlength=timelines.users) > 0


def _members(names: tuple[str, ...], codes: NDArray[np.integer]) -> dict[str, NDArray[np.bool_]]:
    found = {name: codes == code for code, name in enumerate(names)}
    return {name: member for name, member in found.items() if member.any()}
