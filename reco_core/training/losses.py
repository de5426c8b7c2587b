"""Losses over all items, over a sample of them, or over the batch's labels only.

Those over many items are the ends of a training step, so each computes its gradient along with its value: the products
of matrices and the exponentials are done once, and what lies between is given up as soon as it has been used.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

_NO_CANDIDATE = -1e9  # far below any score, and finite, so that gradients stay numbers
_CHUNK_SCORES = 6_200_000  # at once: 25 MB, which a shared cache holds
_CHUNK_SAMPLED = 1_000_000  # 4 MB, which the cores' own caches hold; parts cost nothing, since there are few negatives


class Taught(NamedTuple):
    """What teachers say of the examples: their scores are the products of both."""

    contexts: Any  # float32 [batch, numbers]
    rows: Any  # float32 [items, numbers]
    weight: float  # of the target


def full_softmax(
    contexts: Any,
    rows: Any,
    biases: Any,
    labels: Any,
    weights: Any,
    label_smoothing: float = 0.0,
    total: Any = None,
    taught: Taught | None = None,
) -> Any:
    """Weighted mean cross-entropy over the whole vocabulary.

    With smoothing e over V items the target is 1 - e on the label plus e / V on every item (Szegedy et al. 2016):
    log-sum-exp - (1 - e) * score of the label - e * mean score. With teachers of weight w it is 1 - w times that, plus
    w times their probabilities (Hinton et al. 2015).

    Args:
        contexts: float32 [batch, dim].
        rows: float32 [items, dim]; index i stands in row i - 1.
        biases: float32 [items], added to the dot products.
        labels: int32 [batch], indices from 1.
        weights: float32 [batch].
        total: what the weights of the mean add up to, where these examples are a share of it; None: they are all.
        taught: what teachers say; nothing of it is learned.
    """
    # scores [0 log(3)], label 1 -> log(1 + 3) - 0 = 1.386
    batch, items = contexts.shape[0], rows.shape[0]
    step = max(1, min(batch, _CHUNK_SCORES // items))
    by_label = 1.0 if taught is None else 1.0 - taught.weight
    on_label, on_all = by_label * (1.0 - label_smoothing), by_label * label_smoothing

    @tf.custom_gradient
    def loss(contexts: Any, rows: Any, biases: Any) -> Any:
        shares = _shares(weights, total)
        # the bias as one more dimension: it then costs no pass over the scores of its own, nor does its gradient;
        # and one of ones, which adds up an example's exponentials
        ones = tf.ones_like(contexts[:, :1])
        contexts = tf.concat([contexts, ones], axis=1)
        rows = tf.concat([rows, biases[:, None], tf.ones_like(rows[:, :1])], axis=1)
        value, of_contexts = tf.constant(0.0), []
        turned = tf.zeros([contexts.shape[1], items])
        for begin in range(0, batch, step):
            part = slice(begin, begin + step)
            said = None if taught is None else taught._replace(contexts=taught.contexts[part])
            found = _chunk(contexts[part], rows, labels[part] - 1, shares[part][:, None], on_label, on_all, said)
            value += found[0]
            of_contexts.append(found[1][:, :-1])
            turned += found[2]
        # turned by a product, which is faster than a transposition
        of_rows = tf.matmul(turned, tf.eye(turned.shape[0]), transpose_a=True)
        of_rows = tf.tensor_scatter_nd_sub(of_rows, labels[:, None] - 1, contexts * (on_label * shares[:, None]))
        if on_all:
            of_rows -= on_all / items * tf.reduce_sum(contexts * shares[:, None], axis=0, keepdims=True)
        gradients = (tf.concat(of_contexts, axis=0), of_rows[:, :-1], of_rows[:, -1])
        return value, lambda upstream: tuple(upstream * gradient for gradient in gradients)

    return loss(contexts, rows, biases)


def _chunk(
    contexts: Any, rows: Any, labels: Any, shares: Any, on_label: float, on_all: float, taught: Taught | None
) -> tuple[Any, Any, Any]:
    """Loss of some examples, each counting with its share; the gradient of contexts; and, turned, of rows.

    That of rows lacks what the label and an even distribution have of the target.

    Args:
        contexts: float32 [batch, dim].
        rows: float32 [items, dim + 1], ones in the last column.
        on_label: how much of the target stands on the label.
        on_all: how much is spread evenly over all items; the rest is the teachers'.
    """
    dim = contexts.shape[1]
    label_rows = tf.gather(rows[:, :dim], labels)
    label_scores = tf.reduce_sum(contexts * label_rows, axis=1, keepdims=True)
    scores = tf.matmul(contexts, rows[:, :dim], transpose_b=True)
    highest = tf.reduce_max(scores, axis=1, keepdims=True)
    powers = tf.exp(scores - highest)
    # probability of item v = powers[v] / total; each score's gradient is that, less what the target has
    if taught is None:
        sums = tf.matmul(powers, rows)
        total = sums[:, dim:]
        # a product that reads the scores as they lie is faster than one whose result lies as the rows do
        turned = tf.matmul(contexts * (shares / total), powers, transpose_a=True)
        of_contexts = sums[:, :dim] * (shares / total)
        losses = tf.math.log(total) + highest
    else:
        total = tf.reduce_sum(powers, axis=1, keepdims=True)
        theirs = taught.weight * tf.nn.softmax(tf.matmul(taught.contexts, taught.rows, transpose_b=True))
        apart = powers / total - theirs
        turned = tf.matmul(contexts * shares, apart, transpose_a=True)
        of_contexts = tf.matmul(apart, rows[:, :dim]) * shares
        losses = tf.math.log(total) + highest - tf.reduce_sum(theirs * scores, axis=1, keepdims=True)
    losses -= on_label * label_scores
    of_contexts -= on_label * shares * label_rows
    if on_all:
        mean_row = tf.reduce_mean(rows[:, :dim], axis=0, keepdims=True)
        losses -= on_all * tf.reduce_sum(contexts * mean_row, axis=1, keepdims=True)
        of_contexts -= on_all * shares * mean_row
    return tf.reduce_sum(losses * shares), of_contexts, turned


def sampled_softmax(
    contexts: Any,
    label_rows: Any,
    label_biases: Any,
    negative_rows: Any,
    negative_biases: Any,
    is_label: Any,
    log_expected: Any,
    weights: Any,
    total: Any = None,
) -> Any:
    """Weighted mean cross-entropy over the label and negatives that all examples share.

    The negatives stand for all other items: the score of one that is drawn q times on average counts less log q, which
    makes their sum an estimate of the whole vocabulary's without bias (Bengio and Senecal 2008). The label is in the
    sum with certainty, so nothing is taken from its score: that is the correction of the usual logQ correction
    (Khrylchenko et al. 2025).

    Args:
        contexts: float32 [batch, dim].
        label_rows: float32 [batch, dim].
        label_biases: float32 [batch].
        negative_rows: float32 [negatives, dim].
        negative_biases: float32 [negatives].
        is_label: bool [batch, negatives], whether the negative is the example's own label, and so no negative of it.
        log_expected: float32, or float32 [negatives]: logarithm of how often each is drawn on average.
        weights: float32 [batch].
        total: as in `full_softmax`.
    """
    # label score 0, two negatives with score log(3) out of four other items -> log(1 + 2 * 3 * 4 / 2) - 0 = 2.565

    batch, negatives = contexts.shape[0], negative_rows.shape[0]
    step = max(1, min(batch, _CHUNK_SAMPLED // negatives))

    @tf.custom_gradient
    def loss(contexts: Any, label_rows: Any, label_biases: Any, negative_rows: Any, negative_biases: Any) -> Any:
        shares = _shares(weights, total)[:, None]
        ones = tf.ones_like(contexts[:, :1])
        contexts = tf.concat([contexts, ones], axis=1)
        label_rows = tf.concat([label_rows, label_biases[:, None]], axis=1)
        corrected = (negative_biases - log_expected)[:, None]
        negative_rows = tf.concat([negative_rows, corrected, tf.ones_like(corrected)], axis=1)
        value, of_contexts, of_labels = tf.constant(0.0), [], []
        turned = tf.zeros([contexts.shape[1], negatives])
        for begin in range(0, batch, step):
            part = slice(begin, begin + step)
            found = _sampled_chunk(contexts[part], label_rows[part], negative_rows, is_label[part], shares[part])
            value += found[0]
            of_contexts.append(found[1])
            of_labels.append(found[2])
            turned += found[3]
        gradients = (
            tf.concat(of_contexts, axis=0)[:, :-1],
            *_apart(tf.concat(of_labels, axis=0)),
            *_apart(tf.transpose(turned)),
        )
        return value, lambda upstream: tuple(upstream * gradient for gradient in gradients)

    return loss(contexts, label_rows, label_biases, negative_rows, negative_biases)


def _sampled_chunk(
    contexts: Any, label_rows: Any, negative_rows: Any, is_label: Any, shares: Any
) -> tuple[Any, Any, Any, Any]:
    """Loss of some examples, and the gradients of contexts, label rows and, turned, negative rows.

    Args:
        contexts, label_rows: float32 [batch, dim].
        negative_rows: float32 [negatives, dim + 1], ones in the last column.
    """
    dim = contexts.shape[1]
    own = tf.reduce_sum(contexts * label_rows, axis=1, keepdims=True)
    scores = tf.where(is_label, _NO_CANDIDATE, tf.matmul(contexts, negative_rows[:, :dim], transpose_b=True))
    highest = tf.maximum(tf.reduce_max(scores, axis=1, keepdims=True), own)
    powers, own_power = tf.exp(scores - highest), tf.exp(own - highest)
    sums = tf.matmul(powers, negative_rows)
    total = sums[:, dim:] + own_power
    scale = shares / total
    on_label = shares - own_power * scale
    value = tf.reduce_sum((tf.math.log(total) + highest - own) * shares)
    turned = tf.matmul(contexts * scale, powers, transpose_a=True)
    return value, sums[:, :dim] * scale - label_rows * on_label, -contexts * on_label, turned


def _shares(weights: Any, total: Any) -> Any:
    """What each example counts for in the mean."""
    return weights / tf.maximum(tf.reduce_sum(weights) if total is None else total, 1e-9)


def _apart(rows_and_biases: Any) -> tuple[Any, Any]:
    return rows_and_biases[:, :-1], rows_and_biases[:, -1]


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
    losses = tf.reduce_logsumexp(candidates, axis=1) - tf.linalg.diag_part(scores)
    return tf.reduce_sum(losses * weights) / tf.maximum(tf.reduce_sum(weights), 1e-9)
