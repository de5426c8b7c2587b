"""Rows are updated as Keras updates whole tables, and only those that took part."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.config import TrainingConfig

ITEMS, DIM = 9, 3


@pytest.fixture
def make(tensorflow_runtime):
    import keras
    import tensorflow as tf

    from reco_core.training.optimizer import build_optimizer, learning_rates
    from reco_core.training.row_updates import RowOptimizer

    def tables():
        values = np.random.default_rng(0).normal(size=(ITEMS, DIM)).astype(np.float32)
        return [keras.Variable(values, name="embeddings"), keras.Variable(values[:, 0], name="bias")]

    def by_rows(config, touched, gradients, first=0):
        variables = tables()
        optimizer = RowOptimizer(config, learning_rates(config, 10), variables)
        optimizer.variables[-1].assign(tf.fill([ITEMS], first))
        for step, (rows, found) in enumerate(zip(touched, gradients, strict=True), start=first):
            rows = tf.constant(rows, tf.int32)
            filled = tf.pad(rows, [[0, ITEMS - rows.shape[0]]])
            taken, done = optimizer.take(filled)
            taken = optimizer.brought_up(taken, done, tf.constant(step))
            local = [tf.gather(gradient, filled) for gradient in found]
            optimizer.put(rows, optimizer.updated(taken, local, tf.constant(step)), tf.constant(step))
        optimizer.settle(tf.constant(first + len(touched)))
        return [variable.numpy() for variable in variables]

    def by_keras(config, gradients, first=0):
        variables = tables()
        optimizer = build_optimizer(config, variables, 10)
        optimizer.iterations.assign(first)
        for found in gradients:
            optimizer.apply(found, variables)
        return [variable.numpy() for variable in variables]

    return tables, by_rows, by_keras


def gradients(steps):
    random = np.random.default_rng(1)
    return [
        [random.normal(size=(ITEMS, DIM)).astype(np.float32), random.normal(size=ITEMS).astype(np.float32)]
        for _ in range(steps)
    ]


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "adagrad"])
def test_where_every_row_takes_part_it_is_the_keras_optimizer(make, optimizer):
    decay = {"weight_decay": 0.1} if optimizer == "adamw" else {}
    config = TrainingConfig(optimizer=optimizer, gradient_clip_norm=None, learning_rate=0.05, **decay)
    _, by_rows, by_keras = make
    orders = [np.random.default_rng(step).permutation(ITEMS) for step in range(5)]
    for found, expected in zip(by_rows(config, orders, gradients(5)), by_keras(config, gradients(5)), strict=True):
        assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "adagrad"])
def test_rows_that_take_part_now_and_then_end_where_dense_updates_leave_them(make, optimizer):
    decay = {"weight_decay": 0.01} if optimizer == "adamw" else {}
    # far from the start, and at a constant rate: while either changes, moves long after the gradient are made up for
    # with what held at its time
    first = 3000
    config = TrainingConfig(
        optimizer=optimizer,
        gradient_clip_norm=None,
        learning_rate=0.05,
        learning_rate_decay="none",
        warmup_steps=0,
        **decay,
    )
    tables, by_rows, by_keras = make
    random = np.random.default_rng(5)
    steps = 40
    touched = [np.sort(random.choice(ITEMS, random.integers(1, 4), replace=False)) for _ in range(steps)]
    found = gradients(steps)
    for rows, both in zip(touched, found, strict=True):
        absent = np.setdiff1d(np.arange(ITEMS), rows)
        for gradient in both:
            gradient[absent] = 0
    before = [variable.numpy() for variable in tables()]
    ours, expected = by_rows(config, touched, found, first), by_keras(config, found, first)
    for start, one, dense in zip(before, ours, expected, strict=True):
        moved = np.abs(dense - start).max()
        assert np.abs(one - dense).max() < 0.02 * moved


def test_rows_that_never_took_part_stay_as_they_are(make):
    tables, by_rows, _ = make
    before = [variable.numpy() for variable in tables()]
    after = by_rows(TrainingConfig(), [[1, 4], [4, 6, 7]], gradients(2))
    for old, new in zip(before, after, strict=True):
        changed = (old != new).reshape(ITEMS, -1).any(axis=1)
        assert np.flatnonzero(changed).tolist() == [1, 4, 6, 7]
