"""The loss against NumPy."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def loss(tensorflow_runtime):
    import tensorflow as tf

    from reco_core.training.losses import full_softmax

    def of_scores(scores, *rest):
        # each context's product with unit rows is the context itself
        items = scores.shape[1]
        return float(full_softmax(tf.constant(scores), tf.eye(items), tf.zeros([items]), *rest))

    return of_scores


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


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("at_once", [6_200_000, 20])  # all examples, or two
@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_teachers_are_a_part_of_the_target(tensorflow_runtime, monkeypatch, smoothing, at_once, weight):
    import tensorflow as tf

    from reco_core.training import losses

    monkeypatch.setattr(losses, "_CHUNK_SCORES", at_once)
    random = np.random.default_rng(3)
    batch, items = 5, 10
    contexts, rows, said, their_rows = (
        random.normal(size=size).astype(np.float32) for size in [(batch, 4), (items, 4), (batch, 6), (items, 6)]
    )
    biases = random.normal(size=items).astype(np.float32)
    labels = np.array([1, 10, 4, 4, 7], np.int32)
    counts = np.array([1, 2, 0, 1, 1], np.float32)
    learned = [tf.constant(contexts), tf.constant(rows), tf.constant(biases)]
    taught = losses.Taught(tf.constant(said), tf.constant(their_rows), weight)
    with tf.GradientTape() as tape:
        tape.watch([*learned, taught.contexts, taught.rows])
        found = losses.full_softmax(*learned, labels, counts, smoothing, None, taught)
    gradients = tape.gradient(found, learned)

    def probabilities(scores):
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    target = np.full((batch, items), (1 - weight) * smoothing / items)
    target[np.arange(batch), labels - 1] += (1 - weight) * (1 - smoothing)
    target += weight * probabilities(said.astype(np.float64) @ their_rows.T)
    own = probabilities(contexts.astype(np.float64) @ rows.T + biases)
    shares = (counts / counts.sum())[:, None]
    assert float(found) == pytest.approx(-(shares * target * np.log(own)).sum(), rel=1e-5)
    of_scores = shares * (own - target)
    for gradient, expected in zip(gradients, (of_scores @ rows, of_scores.T @ contexts, of_scores.sum(0)), strict=True):
        assert gradient.numpy() == pytest.approx(expected, abs=1e-6)


def test_nothing_flows_to_the_teachers(tensorflow_runtime):
    import tensorflow as tf

    from reco_core.training.losses import Taught, full_softmax

    own, theirs = tf.eye(3), tf.eye(3) * 2
    with tf.GradientTape() as tape:
        tape.watch([own, theirs])
        found = full_softmax(
            own, tf.eye(3), tf.zeros(3), np.array([1, 2, 3]), tf.ones(3), 0.0, None, Taught(theirs, theirs, 0.5)
        )
    assert tape.gradient(found, theirs) is None


@pytest.fixture
def batch_loss(tensorflow_runtime):
    from reco_core.training.losses import batch_softmax

    return lambda *arguments: float(batch_softmax(*(np.asarray(argument) for argument in arguments)))


def batch_oracle(scores, labels, weights) -> float:
    """Cross-entropy of each row over its own label and the other labels of rows that count, in double precision."""
    total = 0.0
    for i, row in enumerate(scores.astype(np.float64)):
        others = [row[j] for j in range(len(row)) if labels[j] != labels[i] and weights[j] > 0]
        total += weights[i] * (np.log(np.exp([row[i], *others]).sum()) - row[i])
    return total / weights.sum()


@pytest.mark.parametrize(("batch", "items"), [(1, 9), (5, 4), (16, 6), (12, 200)])
def test_the_other_labels_of_the_batch_are_the_negatives(batch_loss, batch, items):
    random = np.random.default_rng(batch)
    scores = random.normal(scale=3, size=(batch, batch)).astype(np.float32)
    labels = random.integers(1, items + 1, batch).astype(np.int32)
    weights = (random.random(batch) < 0.7).astype(np.float32)
    weights[0] = 1
    expected = batch_oracle(scores, labels, weights)
    assert batch_loss(scores, labels, weights) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_a_label_twice_in_a_batch_is_no_negative_of_itself(batch_loss):
    scores = np.array([[0, 50, np.log(3)]] * 3, np.float32)
    weights = np.array([1, 0, 0], np.float32)
    assert batch_loss(scores, [7, 7, 9], weights) == pytest.approx(0.0)  # 9's row only fills up
    alone = np.array([[0, 50, np.log(3)], [0, 0, -50], [0, 0, 0]], np.float32)
    # rows: log(1 + 3); 0; log(1 + 1 + 1)
    expected = (np.log(4) + 0 + np.log(3)) / 3
    assert batch_loss(alone, [7, 7, 9], np.ones(3, np.float32)) == pytest.approx(expected)


def test_nothing_flows_back_to_what_is_no_negative(tensorflow_runtime):
    import tensorflow as tf

    from reco_core.training.losses import batch_softmax

    scores = tf.constant(np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(scores)
        loss = batch_softmax(scores, tf.constant([3, 3, 5, 8]), tf.constant([1.0, 1.0, 1.0, 0.0]))
    gradient = tape.gradient(loss, scores).numpy()
    assert np.isfinite(gradient).all()
    assert (gradient[0, 1], gradient[1, 0]) == (0, 0)
    assert not gradient[3].any()
    assert not gradient[:, 3].any()
    assert gradient[0, 2] > 0


def test_the_model_s_scores_of_some_items_are_those_among_all(tensorflow_runtime, make_planted, make_config):
    from reco_core import model
    from reco_core.examples import generate, windows

    config = make_config()
    example_set = generate(config, make_planted(4, users=30, items=20))
    built = model.build(config, example_set.vocabulary)
    built.label_encoder.bias.assign(np.arange(20, dtype=np.float32))
    test = example_set.test
    history = windows(example_set.timelines, test.users, test.labels, 6)
    whole = built.scores({"history": history}).numpy()
    chosen = np.array([4, 20, 1, 4], np.int32)
    some = built.scores({"history": history}, candidates=chosen).numpy()
    assert some == pytest.approx(whole[:, chosen - 1], abs=1e-5)
