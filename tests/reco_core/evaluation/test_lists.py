from __future__ import annotations

import numpy as np
import pytest

from reco_core.evaluation.lists import coverage, gini, identical_share, novelty, overlap

RANDOM = np.random.default_rng(8)
LISTS = np.stack([RANDOM.permutation(30)[:10] + 1 for _ in range(70)]).astype(np.int32)


def test_coverage() -> None:
    assert coverage(LISTS[:2], 30) == len(set(LISTS[:2].ravel().tolist())) / 30
    assert coverage(np.array([[2, 0]], np.int32), 4) == 0.25  # 0 fills an empty place and is no item


def test_gini_is_the_mean_difference_over_twice_the_mean() -> None:
    exposure = np.bincount(LISTS.ravel(), minlength=31)[1:]
    differences = np.abs(exposure[:, None] - exposure).mean()
    assert gini(LISTS, 30) == pytest.approx(differences / (2 * exposure.mean()))


@pytest.mark.parametrize(("lists", "expected"), [([[1], [2], [3]], 0.0), ([[3], [3], [3]], 2 / 3), ([[0], [0]], 0.0)])
def test_gini_of_extremes(lists: list[list[int]], expected: float) -> None:
    assert gini(np.array(lists, np.int32), 3) == pytest.approx(expected)


def test_novelty_in_bits() -> None:
    counts = np.array([0, 8, 4, 4, 0])
    lists = np.array([[1, 2], [3, 0], [4, 0], [0, 0]], np.int32)  # an unknown item counts as seen once in 16
    assert novelty(lists, counts).tolist() == [1.5, 2.0, 4.0, 0.0]


def test_identical_lists() -> None:
    lists = np.array([[1, 2], [2, 1], [1, 2], [3, 4], [1, 2]], np.int32)
    assert identical_share(lists) == 0.6
    assert identical_share(np.empty((0, 2), np.int32)) == 0


def test_overlap_ignores_places_and_empty_ones() -> None:
    first = np.array([[1, 2, 3], [4, 5, 0], [0, 0, 0]], np.int32)
    second = np.array([[3, 1, 9], [5, 0, 0], [0, 0, 0]], np.int32)
    assert overlap(first, second) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert overlap(LISTS, LISTS[:, ::-1]) == 1
    shares = [len(set(one) & set(other)) / 10 for one, other in zip(LISTS.tolist(), LISTS[::-1].tolist(), strict=True)]
    assert overlap(LISTS, LISTS[::-1]) == pytest.approx(np.mean(shares))
