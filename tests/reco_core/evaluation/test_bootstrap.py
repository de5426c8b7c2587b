from __future__ import annotations

import numpy as np
import pytest

from reco_core.evaluation.bootstrap import intervals, per_user, resampled_ratios


def test_sums_per_user() -> None:
    users = np.array([4, 2, 4, 9], np.int32)
    values = np.array([[1, 10], [2, 20], [3, 30], [4, 40]], np.float64)
    assert per_user(users, values).tolist() == [[2, 20], [4, 40], [4, 40]]


def test_resamples_are_means_of_users_drawn_with_the_same_seed() -> None:
    random = np.random.default_rng(0)
    sums, counts = random.random((13, 2)), random.integers(1, 4, (13, 1)).astype(np.float64)
    found = resampled_ratios(sums, counts, np.array([0, 0]), 5, seed=11)
    oracle = np.random.default_rng(11)
    for row in found:
        drawn = oracle.integers(0, 13, 13)
        np.testing.assert_allclose(row, sums[drawn].sum(axis=0) / counts[drawn].sum())


def test_the_interval_is_that_of_a_binomial_share() -> None:
    hits = (np.arange(4000) < 800).astype(np.float64)[:, None]
    ((low, high),) = intervals(resampled_ratios(hits, np.ones((4000, 1)), np.array([0]), 2000, seed=0))
    error = 1.96 * np.sqrt(0.2 * 0.8 / 4000)
    assert low == pytest.approx(0.2 - error, abs=0.002)
    assert high == pytest.approx(0.2 + error, abs=0.002)


def test_each_column_has_the_denominator_of_its_group() -> None:
    sums = np.array([[2.0, 2.0], [2.0, 2.0]])
    counts = np.array([[1.0, 4.0], [1.0, 4.0]])
    assert resampled_ratios(sums, counts, np.array([0, 1]), 3, seed=0).tolist() == [[2.0, 0.5]] * 3


def test_resamples_without_a_member_of_a_group_are_left_out_of_its_interval() -> None:
    sums, counts = np.array([[0.5], [0.0]]), np.array([[1.0], [0.0]])
    found = resampled_ratios(sums, counts, np.array([0]), 200, seed=0)
    assert np.isnan(found).any()
    assert intervals(found) == [(0.5, 0.5)]


def test_the_same_seed_gives_the_same_resamples_in_any_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.random.default_rng(3).random((50, 1))
    whole = resampled_ratios(sums, np.ones((50, 1)), np.array([0]), 40, seed=1)
    monkeypatch.setattr("reco_core.evaluation.bootstrap._CELLS", 150)
    np.testing.assert_allclose(resampled_ratios(sums, np.ones((50, 1)), np.array([0]), 40, seed=1), whole, rtol=1e-12)
