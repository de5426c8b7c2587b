"""First-order Markov chain: what followed the last item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reco_core.evaluation.baselines.sparse import count_followers
from reco_core.evaluation.histories import HistoryBatch, Scorer
from reco_core.examples import ExampleSet


def markov(example_set: ExampleSet, *, repeats: bool = False) -> Scorer:  # noqa: ARG001 - all baselines are fitted alike
    """Items by how often they came directly after the history's last item; equal counts by popularity."""
    table = count_followers(example_set, steps=1)
    counts = example_set.vocabulary.counts
    # below one, so that it never outweighs a transition
    popularity = (0.5 * counts / max(1, int(counts.max()))).astype(np.float32)

    def score(histories: HistoryBatch) -> NDArray[np.float32]:
        rows = np.arange(len(histories))
        transitions = table.weighted_sums(rows, histories.last(), np.ones(len(histories)), len(histories))
        return transitions + popularity

    return score
