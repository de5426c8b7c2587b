"""Losses over scores of all items, or of the batch's labels only."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_NO_CANDIDATE = -1e9  # far below any score, and finite, so that gradients stay numbers


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
    return _mean(losses, weights)


def batch_softmax(scores: Any, labels: Any, weights: Any) -> Any:
    """Weighted mean cross-entropy over the labels of the batch: the other examples' labels are the negatives.

    An item that is the label of several examples is no negative of any of them, and a row that only fills up the
    batch is nobody's negative.

    Args:
        scores: float32 [batch, batch]; entry (i, j) is the score of label j after history i.
        labels: int32 [batch], indices from 1.
        weights: float32 [batch], 0 for rows that fill up.
    """
    # labels [7 7 9], scores of row 0 [0 5 log(3)] -> the second 7 is left out: log(1 + 3) - 0 = 1.386
    own = tf.eye(tf.shape(labels)[0], dtype=tf.bool)
    negative = (labels[:, None] != labels[None, :]) & (weights > 0)[None, :]
    candidates = tf.where(own | negative, scores, _NO_CANDIDATE)
    return _mean(tf.reduce_logsumexp(candidates, axis=1) - tf.linalg.diag_part(scores), weights)


def _mean(losses: Any, weights: Any) -> Any:
    return tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)
