from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from reco_core.evaluation import Evaluation, compare, compare_ranks
from reco_core.examples import Examples


def ranked(ranks: NDArray[np.int64], users: NDArray[np.int32] | None = None) -> Evaluation:
    rows = np.arange(len(ranks), dtype=np.int32) if users is None else users
    return Evaluation("test", Examples(rows, np.arange(len(ranks))), ranks, None, {}, {}, 0.0, 0, 0)


RANKS = np.random.default_rng(0).integers(1, 40, 2000)


def test_a_model_is_not_distinguishable_from_itself() -> None:
    found = compare(ranked(RANKS), ranked(RANKS))
    assert all(comparison.verdict == "not distinguishable" for comparison in found.values())
    assert all(comparison.ci95 == (0, 0) for comparison in found.values())


def test_a_small_but_steady_gain_is_found_because_users_are_paired() -> None:
    better = np.where(np.arange(2000) % 100 == 0, 1, RANKS)  # one user in a hundred
    found = compare(ranked(better), ranked(RANKS), ("recall@10", "ndcg@10", "mean_rank"))
    assert {name: comparison.verdict for name, comparison in found.items()} == {
        "recall@10": "better",
        "ndcg@10": "better",
        "mean_rank": "better",
    }
    expected = np.mean((better <= 10).astype(float) - (RANKS <= 10))
    assert found["recall@10"].difference == pytest.approx(expected)
    assert found["mean_rank"].difference < 0
    assert compare(ranked(RANKS), ranked(better))["ndcg@10"].verdict == "worse"


def test_noise_is_not_distinguishable() -> None:
    noise = np.random.default_rng(1).permutation(RANKS)
    assert compare(ranked(RANKS), ranked(noise))["recall@10"].verdict == "not distinguishable"


def test_seeds_are_averaged_first() -> None:
    other = np.minimum(RANKS + 5, 40)
    found = compare([ranked(RANKS), ranked(other)], ranked(RANKS), ("mean_rank",))["mean_rank"]
    assert found.difference == pytest.approx((other.mean() - RANKS.mean()) / 2)


def test_users_with_many_examples_are_drawn_as_one() -> None:
    better = np.where(np.arange(2000) < 20, 1, 11)
    users = np.repeat(np.arange(10), 200).astype(np.int32)  # all the gain comes from a single user
    assert compare(ranked(better, users), ranked(np.full(2000, 11), users))["recall@10"].ci95[0] == 0


def test_other_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="same examples"):
        compare(ranked(RANKS), ranked(RANKS[:-1]))


def test_many_at_once_are_compared_as_one_by_one() -> None:
    users = np.random.default_rng(2).integers(0, 300, len(RANKS)).astype(np.int32)
    others = {"a": np.maximum(RANKS - 3, 1), "b": np.minimum(RANKS + 1, 40), "same": RANKS}
    names = ("recall@10", "mrr@10", "mean_rank")
    found = compare_ranks(users, RANKS, others, names, samples=200, seed=3)
    assert list(found) == list(others)
    for name, ranks in others.items():
        one = compare(ranked(ranks, users), ranked(RANKS, users), names, samples=200, seed=3)
        for metric in names:
            assert found[name][metric].verdict == one[metric].verdict
            assert found[name][metric].difference == pytest.approx(one[metric].difference)
            assert found[name][metric].ci95 == pytest.approx(one[metric].ci95)
    assert found["same"]["mean_rank"].ci95 == (0, 0)
