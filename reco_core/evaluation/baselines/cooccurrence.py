"""Decayed co-occurrence: what tends to follow any of the last items, the newest counting most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reco_core.evaluation.baselines.selection import best_on_validation
from reco_core.evaluation.baselines.sparse import SparseTable, count_followers
from reco_core.evaluation.histories import HistoryBatch, Scorer
from reco_core.examples import ExampleSet

STEPS = 10
_DECAYS = (0.6, 0.7, 0.8)
_NEWEST = 30  # .8 ** 30 is about .001: older items change nothing


def cooccurrence(example_set: ExampleSet, *, repeats: bool = False) -> Scorer:
    """Sum of the history items' followers, decayed by distance from the end.

    Followers are counted within ten steps, each weighing 1 / distance; the row of an item is divided by the square
    root of its popularity. The decay is chosen on validation.
    """
    table = follower_table(example_set)
    return best_on_validation(example_set, (decayed(table, decay) for decay in _DECAYS), repeats=repeats)


def follower_table(example_set: ExampleSet, steps: int = STEPS) -> SparseTable:
    """Directed co-occurrence within `steps` steps, weight 1 / distance, rows over the square root of popularity."""
    table = count_followers(example_set, steps)
    popularity = np.maximum(example_set.vocabulary.counts, 1)
    return SparseTable(table.offsets, table.columns, table.values / np.sqrt(popularity)[table.rows])


def decayed(table: SparseTable, decay: float) -> Scorer:
    """The sum of the table's rows over a history, the n-th newest item's row times `decay ** (n - 1)`."""

    def score(histories: HistoryBatch) -> NDArray[np.float32]:
        rows, items, distance = histories.full(_NEWEST)
        return table.weighted_sums(rows, items, np.power(decay, distance - 1, dtype=np.float64), len(histories))

    return score
