"""Whole sequences, packed into rows: every example once, with the history that belongs to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.examples import generate


@pytest.fixture
def data(tensorflow_runtime, make_planted, make_config):
    from reco_core.training.sequences import SequenceExamples

    example_set = generate(make_config(), make_planted(5, users=60, untidy=True))
    return example_set, lambda batch=128, length=5: SequenceExamples(example_set, batch, length)


def batches(examples, order):
    return [examples.gather(part) for part in order]


@pytest.mark.parametrize("length", [1, 3, 50, 100])
@pytest.mark.parametrize("batch", [1, 200, 10**6])
def test_a_pass_holds_every_example_once(data, batch, length):
    example_set, make = data
    examples = make(batch, length)
    order = examples.order(3, 1)
    assert order.shape == (examples.steps, *examples.order_shape)
    learned = [
        positions[np.asarray(found.weights) > 0] + 1
        for positions, found in zip(order, batches(examples, order), strict=True)
    ]
    assert sorted(np.concatenate(learned)) == sorted(example_set.train.labels)
    if examples.rows > 1:
        assert all((part >= 0).any() for part in order)  # no step without an example


@pytest.mark.parametrize("length", [1, 4, 100])
def test_each_example_sees_its_users_newest_items_and_nothing_else(data, length):
    example_set, make = data
    examples = make(length=length)
    timelines = example_set.timelines
    owner = np.repeat(np.arange(timelines.users), np.diff(timelines.offsets))
    for positions in examples.order(0, 0):
        found = examples.gather(positions)
        seen, weights = np.asarray(found.seen), np.asarray(found.weights)
        for row, column in np.argwhere(weights > 0):
            here = positions[row, column]
            looked_at = positions[row][seen[row, column]]
            assert len(looked_at) <= length
            assert looked_at.tolist() == list(range(here - len(looked_at) + 1, here + 1))
            assert (owner[looked_at] == owner[here + 1]).all()
            assert found.labels[row, column] == timelines.items[here + 1]
            assert found.inputs["history"][row, column] == timelines.items[here]


def test_two_users_whose_items_lie_as_far_apart_as_their_columns_see_nothing_of_each_other(
    tensorflow_runtime, make_planted, make_config
):
    from reco_core.training.sequences import SequenceExamples

    example_set = generate(make_config(), make_planted(21, users=60, items=30))
    examples = SequenceExamples(example_set, 128, 40)
    timelines = example_set.timelines
    owner = np.repeat(np.arange(timelines.users), np.diff(timelines.offsets))
    chances = 0
    for positions in examples.order(7, 0):
        seen = np.asarray(examples.gather(positions).seen)
        real = positions >= 0
        column = np.arange(positions.shape[1])
        alike = positions[:, :, None] - positions[:, None, :] == column[:, None] - column[None, :]
        foreign = owner[positions][:, :, None] != owner[positions][:, None, :]
        both = real[:, :, None] & real[:, None, :]
        chances += np.count_nonzero(alike & foreign & both)
        assert not (seen & foreign & both).any()
        assert not (seen & ~real[:, None, :] & real[:, :, None]).any()
    assert chances > 0  # otherwise this log shows nothing


def test_histories_of_all_lengths_are_learned_from(data):
    examples = data[1](length=4)
    lengths = np.concatenate(
        [
            np.asarray(found.seen).sum(axis=2)[np.asarray(found.weights) > 0]
            for epoch in range(4)
            for found in batches(examples, examples.order(0, epoch))
        ]
    )
    shares = np.bincount(lengths, minlength=5)[1:] / len(lengths)
    assert (shares > 0.1).all()


def test_order_follows_seed_and_pass(data):
    examples = data[1]()
    assert np.array_equal(examples.order(1, 2), examples.order(1, 2))
    assert not np.array_equal(examples.order(1, 2), examples.order(1, 3))
    assert not np.array_equal(examples.order(1, 2), examples.order(2, 2))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=60), st.integers(20, 64))
def test_packed_sequences_lie_apart_and_in_few_rows(lengths, columns):
    from reco_core.training.sequences import _packed

    row, column, rows = _packed(np.array(lengths), columns)
    taken = np.zeros((rows, columns), int)
    for one, begin, length in zip(row, column, lengths, strict=True):
        assert begin + length <= columns
        taken[one, begin : begin + length] += 1
    assert taken.max() == 1
    assert taken.any(axis=1).all()


def test_rows_are_nearly_full():
    from reco_core.training.sequences import _packed

    # most timelines are short and some are long, as in most logs
    lengths = 1 + np.random.default_rng(0).geometric(0.2, 5000) % 50
    rows = _packed(lengths, 64)[2]
    assert lengths.sum() > 0.98 * rows * 64
