"""Dropout by a hash: the right share, no pattern, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def kept(tensorflow_runtime):
    import tensorflow as tf

    from reco_core.model.dropout import dropout

    def elements(rate, seed=1, number=0, shape=(200, 500)):
        return np.asarray(dropout(tf.ones(shape), rate, tf.constant(seed), tf.constant(number)))

    return elements


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_the_share_and_the_mean_are_right(kept, rate):
    found = kept(rate)
    assert set(np.unique(found)) == {np.float32(0), np.float32(1 / (1 - rate))}
    deviation = np.sqrt(rate * (1 - rate) / found.size)
    assert abs((found == 0).mean() - rate) < 4 * deviation


def test_it_is_the_same_for_the_same_seed_and_number(kept):
    assert np.array_equal(kept(0.3), kept(0.3))


def test_other_seeds_numbers_and_places_are_independent(kept):
    first = kept(0.5) > 0
    for other in (kept(0.5, seed=2), kept(0.5, number=1), kept(0.5, seed=3, number=7)):
        assert abs((first == (other > 0)).mean() - 0.5) < 0.01
    # neighbours, and rows
    assert abs((first[:, 1:] == first[:, :-1]).mean() - 0.5) < 0.01
    assert abs((first[1:] == first[:-1]).mean() - 0.5) < 0.01


def test_no_row_and_no_column_is_favoured(kept):
    found = kept(0.3, shape=(512, 512)) == 0
    for axis in (0, 1):
        counts = found.sum(axis=axis)
        # a binomial's spread, within a fifth
        assert counts.std() == pytest.approx(np.sqrt(512 * 0.3 * 0.7), rel=0.2)
