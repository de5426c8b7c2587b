"""Popularity, over the whole log or over its recent part: the same scores for everybody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reco_core.evaluation.baselines.selection import best_on_validation
from reco_core.evaluation.histories import HistoryBatch, Scorer
from reco_core.examples import ExampleSet

_SPANS = (1 / 2, 1 / 8, 1 / 32, 1 / 128)  # half-lives as shares of the log's time span
_STEPS = (16.0, 4.0, 1.0)  # half-lives in interactions, where the log only gives the order


def popular(example_set: ExampleSet, *, repeats: bool = False) -> Scorer:  # noqa: ARG001 - all baselines are fitted alike
    """Items by their number of training interactions."""
    return _constant(example_set.vocabulary.counts)


def recent_popular(example_set: ExampleSet, *, repeats: bool = False) -> Scorer:
    """Items by their training interactions, each weighing half as much for every half-life that it is old.

    Age is the time until the last training interaction of the log or, without timestamps, the number of training
    interactions that its user made after it. The half-life is chosen on validation.
    """
    age, half_lives = _ages(example_set)
    items = example_set.timelines.items[example_set.in_training]
    size = example_set.vocabulary.size + 1
    weights = (np.exp2(-age / half_life) for half_life in half_lives)
    scorers = (_constant(np.bincount(items, weight, size)) for weight in weights)
    return best_on_validation(example_set, scorers, repeats=repeats)


def _ages(example_set: ExampleSet) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    """The age of each training interaction and the half-lives to try, in the same unit."""
    timelines, learnable = example_set.timelines, example_set.in_training
    if timelines.timestamps is not None:
        times = timelines.timestamps[learnable]
        newest, oldest = int(times.max()), int(times.min())
        return (newest - times) / max(1, newest - oldest), _SPANS
    user = np.repeat(np.arange(timelines.users), np.diff(timelines.offsets))[learnable]
    # one user's three interactions -> ages 2 1 0
    ends = np.searchsorted(user, user, side="right")
    return (ends - 1 - np.arange(len(user))).astype(np.float64), _STEPS


def _constant(scores: NDArray[np.integer] | NDArray[np.floating]) -> Scorer:
    row = scores.astype(np.float32)

    def score(histories: HistoryBatch) -> NDArray[np.float32]:
        return np.broadcast_to(row, (len(histories), len(row)))

    return score
