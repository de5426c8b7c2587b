"""Rows of items that training knew nothing of."""

from __future__ import annotations

import numpy as np

from reco_core.model.new_rows import new_bias, new_rows


def test_new_rows_lie_around_the_trained_ones_as_their_attributes_do():
    trained = np.array([[2.0, 1.0], [-2.0, 1.0]], np.float32)
    own = np.array([[0.5, 3.0], [-0.5, 3.0]], np.float32)
    new = np.array([[0.25, 3.0], [0.0, 3.5], [0.0, 0.0]], np.float32)
    rows = new_rows(new, np.array([True, True, False]), trained, own)
    np.testing.assert_allclose(rows, [[1.0, 1.0], [0.0, 3.0], [0.0, 1.0]], atol=1e-6)


def test_they_are_as_far_spread_as_the_trained_ones():
    random = np.random.default_rng(0)
    own = random.normal(size=(500, 8)).astype(np.float32) * 0.3
    trained = own + random.normal(size=(500, 8)).astype(np.float32)
    rows = new_rows(own, np.ones(500, bool), trained, own)
    spread = [np.sqrt(((one - one.mean(axis=0)) ** 2).sum(axis=1).mean()) for one in (rows, trained)]
    np.testing.assert_allclose(*spread, rtol=1e-4)
    np.testing.assert_allclose(rows.mean(axis=0), trained.mean(axis=0), atol=1e-5)


def test_attributes_that_tell_nothing_apart_give_the_mean_row():
    own = np.ones((3, 2), np.float32)
    rows = new_rows(own[:1], np.array([True]), np.array([[1, 2], [3, 4], [5, 6]], np.float32), own)
    np.testing.assert_allclose(rows, [[3, 4]])


def test_the_bias_is_the_mean_over_trained_items():
    assert new_bias(np.array([1.0, 3.0, 90.0], np.float32), np.array([0, 5, 2, 0])) == 2.0
