from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reco_core.errors import Diverged
from reco_core.evaluation import mask_scores, rank_labels, top_items

NOTHING = np.empty(0, np.int64), np.empty(0, np.int32)


def oracle_order(scores: NDArray[np.float32], seen: set[int]) -> list[int]:
    """Candidates, best first: sort by falling score, then rising index."""
    candidates = [item for item in range(1, len(scores)) if item not in seen and scores[item] > -np.inf]
    return sorted(candidates, key=lambda item: (-scores[item], item))


@st.composite
def batches(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Batch and vocabulary differ; with few distinct scores nearly everything is tied."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch, items = draw(st.integers(1, 7)), draw(st.integers(1, 300))
    distinct = draw(st.sampled_from([1, 2, 5, 10_000]))
    scores = random.integers(-distinct, distinct, (batch, items + 1)).astype(np.float32) / 7
    labels = random.integers(1, items + 1, batch)
    pairs = draw(st.integers(0, 3 * items))
    return scores, labels, random.integers(0, batch, pairs), random.integers(1, items + 1, pairs).astype(np.int32)


@given(batches(), st.booleans())
def test_ranks_are_places_in_a_stable_sort(
    batch: tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]], repeats: bool
) -> None:
    scores, labels, rows, items = batch
    found = rank_labels(scores, labels, rows, items, repeats)
    for row, label in enumerate(labels):
        seen = set() if repeats else set(items[rows == row].tolist())
        order = oracle_order(scores[row], seen)
        assert found.ranks[row] == (order.index(label) + 1 if label in order else scores.shape[1])
        equals = sum(scores[row, item] == scores[row, label] for item in order)
        assert found.tied[row] == (label in order and equals > 1)


@given(batches(), st.integers(1, 12))
def test_top_items_are_the_head_of_a_stable_sort(
    batch: tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]], k: int
) -> None:
    scores, _, rows, items = batch
    found = top_items(mask_scores(scores, rows, items), k)
    assert found.shape == (len(scores), k)
    for row in range(len(scores)):
        expected = oracle_order(scores[row], set(items[rows == row].tolist()))[:k]
        assert found[row].tolist() == expected + [0] * (k - len(expected))


def test_top_items_of_a_large_vocabulary() -> None:
    random = np.random.default_rng(0)
    scores = np.round(random.standard_normal((3, 5000)) * 4).astype(np.float32)
    found = top_items(mask_scores(scores, *NOTHING), 10)
    assert found.tolist() == [oracle_order(row, set())[:10] for row in scores]


def test_worked_examples() -> None:
    scores = np.array([[9, 0.1, 0.9, 0.2], [9, 0.9, 0.2, 0.2]], np.float32)  # padding scores highest, and is ignored
    found = rank_labels(scores, np.array([2, 3]), *NOTHING)
    assert found.ranks.tolist() == [1, 3]
    assert found.tied.tolist() == [False, True]


def test_a_seen_label_is_a_miss_unless_repeats() -> None:
    scores = np.array([[0, 3, 2, 1]], np.float32)
    seen = np.array([0, 0]), np.array([1, 2], np.int32)
    assert rank_labels(scores, np.array([1]), *seen).ranks.tolist() == [4]
    assert rank_labels(scores, np.array([3]), *seen).ranks.tolist() == [1]
    assert rank_labels(scores, np.array([1]), *seen, repeats=True).ranks.tolist() == [1]


def test_scores_are_left_as_they_were() -> None:
    scores = np.ones((2, 4), np.float32)
    mask_scores(scores, np.array([0]), np.array([1], np.int32))
    assert (scores == 1).all()


def test_a_used_buffer_changes_nothing() -> None:
    random = np.random.default_rng(1)
    buffer = mask_scores(random.random((5, 70), np.float32), np.array([4]), np.array([69], np.int32))
    scores = random.random((3, 70), np.float32)
    again = mask_scores(scores, np.array([1]), np.array([2], np.int32), out=buffer)
    np.testing.assert_array_equal(again, mask_scores(scores, np.array([1]), np.array([2], np.int32)))


def test_nan_is_an_error_not_a_rank() -> None:
    scores = np.array([[0, 1, 2], [0, np.nan, 1]], np.float32)
    with pytest.raises(Diverged, match="1 of 2 score vectors"):
        rank_labels(scores, np.array([1, 2]), *NOTHING)


def test_nan_of_the_padding_is_ignored() -> None:
    scores = np.array([[np.nan, 1, 2]], np.float32)
    assert rank_labels(scores, np.array([1]), *NOTHING).ranks.tolist() == [2]
