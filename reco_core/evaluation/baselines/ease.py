"""EASE with a decaying history: a linear item-to-item model in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", 2019; the decay is an addition.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reco_core.evaluation.baselines.selection import best_on_validation
from reco_core.evaluation.histories import HistoryBatch, Scorer
from reco_core.examples import ExampleSet

_PENALTIES = (100.0, 300.0, 1000.0)
_DECAYS = (1.0, 0.95, 0.9)  # 1 is the published method; tastes move, so newer items usually deserve more weight
_USERS = 2_048  # rows of the user-by-item matrix held at once


def ease(example_set: ExampleSet, *, repeats: bool = False) -> Scorer:
    """Ridge regression of each item on all others over users' sets of training items.

    The n-th newest item of a history weighs `decay ** (n - 1)`; decay and ridge penalty are chosen on validation.
    Dense: with V items it holds a few V x V matrices of float64, so a config leaves it out of large vocabularies; see
    `EvaluationConfig.baselines_for`.
    """
    gram = _gram(example_set)
    tables = (_weights(gram, penalty) for penalty in _PENALTIES)
    scorers = (_linear(table, decay) for table in tables for decay in _DECAYS)
    return best_on_validation(example_set, scorers, repeats=repeats)


def _gram(example_set: ExampleSet) -> NDArray[np.float64]:
    """How many users have both items of each pair in training: [items + 1, items + 1]."""
    timelines, learnable = example_set.timelines, example_set.in_training
    user = np.repeat(np.arange(timelines.users), np.diff(timelines.offsets))[learnable]
    items = timelines.items[learnable]
    size = example_set.vocabulary.size + 1
    gram = np.zeros((size, size))
    for begin in range(0, timelines.users, _USERS):
        part = slice(*np.searchsorted(user, (begin, begin + _USERS)))
        block = np.zeros((_USERS, size), np.float32)
        block[user[part] - begin, items[part]] = 1
        gram += block.T @ block
    return gram


def _weights(gram: NDArray[np.float64], penalty: float) -> NDArray[np.float32]:
    """The B with a zero diagonal that minimises |X - X B|^2 + penalty |B|^2, from gram = X'X.

    With P = (gram + penalty I)^-1 it is B_ij = -P_ij / P_jj off the diagonal.
    """
    inverse = np.linalg.inv(gram + penalty * np.eye(len(gram)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights.astype(np.float32)


def _linear(weights: NDArray[np.float32], decay: float) -> Scorer:
    def score(histories: HistoryBatch) -> NDArray[np.float32]:
        rows, items, distance = histories.full()
        history = np.zeros((len(histories), len(weights)), np.float32)
        history[rows, items] = np.power(decay, distance - 1, dtype=np.float64)  # of an item twice, the newer stays
        return history @ weights

    return score
