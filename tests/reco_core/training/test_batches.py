"""Batches gathered in the graph are the windows of the timelines."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.examples import generate, windows


@pytest.fixture
def data(tensorflow_runtime, make_planted, make_config):
    from reco_core.training.batches import TrainingExamples

    example_set = generate(make_config(), make_planted(5, users=23, untidy=True))
    return example_set, lambda batch, length=4: TrainingExamples(example_set, batch, length)


@pytest.mark.parametrize("length", [1, 4, 30])
def test_gathered_batches_are_the_windows_before_the_labels(data, length):
    example_set, make = data
    examples = make(10**6, length)
    rows = np.random.default_rng(0).permutation(examples.count).astype(np.int32)
    batch = examples.gather(rows)
    train, timelines = example_set.train, example_set.timelines
    assert np.array_equal(batch.inputs["history"], windows(timelines, train.users[rows], train.labels[rows], length))
    assert np.array_equal(batch.labels, timelines.items[train.labels[rows]])
    assert np.array_equal(batch.weights, np.ones(len(rows)))


@pytest.mark.parametrize("batch_size", [1, 7, 64, 10**6])
def test_an_epoch_holds_every_example_once(data, batch_size):
    examples = data[1](batch_size)
    order = examples.order(3, 0)
    assert order.shape == (examples.steps, examples.batch_size)
    assert sorted(order[order >= 0]) == list(range(examples.count))
    assert (order[:-1] >= 0).all()  # only the last batch is short
    assert (order[-1] >= 0).any()


def test_rows_that_fill_up_weigh_nothing(data):
    batch = data[1](8).gather(np.array([0, -1, 2, -1], np.int32))
    assert np.array_equal(batch.weights, [1, 0, 1, 0])
    assert (np.asarray(batch.labels) >= 1).all()


def test_order_follows_seed_and_epoch(data):
    examples = data[1](8)
    assert np.array_equal(examples.order(1, 2), examples.order(1, 2))
    assert not np.array_equal(examples.order(1, 2), examples.order(1, 3))
    assert not np.array_equal(examples.order(1, 2), examples.order(2, 2))
