"""Losses over scores of all items."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def full_softmax(scores: Any, labels: Any, weights: Any, label_smoothing: float) -> Any:
    """Weighted mean cross-entropy over the whole vocabulary.

    With smoothing e over V items the target is 1 - e on the label plus e / V on every item (Szegedy et al. 2016):
    log-sum-exp - (1 - e) * score of the label - e * mean score.

    Args:
        scores: float32 [batch, items].
        labels: int32 [batch], indices from 1.
        weights: float32 [batch].
    """
    # scores [0 log(3)], label 1 -> log(1 + 3) - 0 = 1.386
    label_scores = tf.gather(scores, labels - 1, batch_dims=1)
    losses = tf.reduce_logsumexp(scores, axis=1) - (1.0 - label_smoothing) * label_scores
    if label_smoothing:
        losses -= label_smoothing * tf.reduce_mean(scores, axis=1)
    return tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)
