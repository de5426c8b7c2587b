"""The loss against NumPy."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def loss(tensorflow_runtime):
    from reco_core.training.losses import full_softmax

    return lambda *arguments: float(full_softmax(*arguments))


def oracle(scores, labels, weights, smoothing) -> float:
    """Cross-entropy with the target 1 - e on the label plus e / V everywhere, in double precision."""
    scores = scores.astype(np.float64)
    total = 0.0
    for row, label, weight in zip(scores, labels, weights, strict=True):
        log_probabilities = row - np.log(np.exp(row).sum())
        target = np.full(len(row), smoothing / len(row))
        target[label - 1] += 1 - smoothing
        total -= weight * (target @ log_probabilities)
    return total / weights.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize(("batch", "items"), [(1, 2), (3, 7), (7, 3), (16, 16)])
def test_it_is_the_weighted_mean_cross_entropy(loss, batch, items, smoothing):
    random = np.random.default_rng(batch)
    scores = random.normal(scale=3, size=(batch, items)).astype(np.float32)
    labels = random.integers(1, items + 1, batch).astype(np.int32)
    weights = random.integers(0, 3, batch).astype(np.float32)
    weights[0] = 1  # not all zero
    expected = oracle(scores, labels, weights, smoothing)
    assert loss(scores, labels, weights, smoothing) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_examples_of_weight_zero_do_not_count(loss):
    scores = np.array([[0, np.log(3)], [50, -50]], np.float32)
    assert loss(scores, np.array([1, 2], np.int32), np.array([1, 0], np.float32), 0.0) == pytest.approx(np.log(4))


def test_large_scores_do_not_overflow(loss):
    scores = np.array([[3e4, 0.0]], np.float32)
    assert loss(scores, np.array([2], np.int32), np.ones(1, np.float32), 0.0) == pytest.approx(3e4)
