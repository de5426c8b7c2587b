from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from reco_core.evaluation import BASELINES, HistoryBatch, evaluate
from reco_core.evaluation.baselines import cooccurrence, ease, markov, popular, recent_popular
from reco_core.evaluation.baselines.cooccurrence import decayed, follower_table
from reco_core.evaluation.baselines.selection import best_on_validation
from reco_core.examples import ExampleSet


def histories(example_set: ExampleSet) -> HistoryBatch:
    return HistoryBatch.of(example_set.timelines, example_set.test)


def index(example_set: ExampleSet, name: int) -> int:
    return example_set.vocabulary.item_ids.index(str(name))


@pytest.fixture
def chain_set(build_set) -> ExampleSet:
    """Item n is followed by n + 1 (of 20, in a circle) three times in four; users start anywhere."""
    random = np.random.default_rng(3)
    steps = np.where(random.random((200, 12)) < 0.75, 1, random.integers(0, 20, (200, 12)))
    return build_set((np.cumsum(steps, axis=1) % 20).tolist())


@pytest.mark.parametrize("name", BASELINES)
def test_scores_have_one_column_per_item_and_depend_on_training_only(random_set: ExampleSet, name: str) -> None:
    # histories cut off before the held-out items, so that these can act through the fit alone
    batch = HistoryBatch.of(random_set.timelines, random_set.validation)
    scores = BASELINES[name](random_set)(batch)
    assert scores.dtype == np.float32
    assert scores.shape == (90, random_set.vocabulary.size + 1)
    items = random_set.timelines.items.copy()
    items[random_set.test.labels] = 1
    changed = replace(random_set, timelines=replace(random_set.timelines, items=items))
    np.testing.assert_array_equal(BASELINES[name](changed)(batch), scores)


def test_popular_counts_training_interactions(random_set: ExampleSet) -> None:
    scores = popular(random_set)(histories(random_set))
    learnable = random_set.timelines.items[random_set.in_training]
    expected = [np.count_nonzero(learnable == item) for item in range(random_set.vocabulary.size + 1)]
    assert scores[0].tolist() == scores[-1].tolist() == expected


def test_recent_popular_finds_the_new_fashion(build_set) -> None:
    # item 1 rules the first half of the log, item 2 the second, where all held-out labels are 2
    early = [[1, 3, 1, 4, 3, 5]] * 30
    late = [[5, 2, 4, 2, 2, 2]] * 20
    times = [[0, 1, 2, 3, 4, 5]] * 30 + [[995, 996, 997, 998, 999, 1000]] * 20
    example_set = build_set([*early, *late], times)
    assert popular(example_set)(histories(example_set))[0].argmax() == index(example_set, 1)
    recent = recent_popular(example_set, repeats=True)
    assert recent(histories(example_set))[0].argmax() == index(example_set, 2)


def test_recent_popular_without_times_looks_at_the_ends_of_timelines(build_set) -> None:
    example_set = build_set([[1, 1, 1, 1, 2, 2, 2]] * 5)
    scores = recent_popular(example_set, repeats=True)(histories(example_set))[0]
    assert scores.argmax() == index(example_set, 2)
    assert scores[index(example_set, 1)] > 0


def test_all_at_one_time_is_plain_popularity(random_set: ExampleSet) -> None:
    flat = replace(random_set.timelines, timestamps=np.full(len(random_set.timelines.items), 7))
    scores = recent_popular(replace(random_set, timelines=flat))(histories(random_set))
    np.testing.assert_array_equal(scores, popular(random_set)(histories(random_set)))


def test_markov_counts_what_followed_the_last_item(random_set: ExampleSet) -> None:
    timelines, size = random_set.timelines, random_set.vocabulary.size + 1
    counts = np.zeros((size, size))
    for begin, end in zip(timelines.offsets[:-1], timelines.offsets[1:], strict=True):
        known = timelines.items[begin : end - 2].tolist()
        for first, second in pairwise(known):
            counts[first, second] += 1
    batch = histories(random_set)
    scores = markov(random_set)(batch)
    np.testing.assert_array_equal(np.floor(scores), counts[batch.last()])
    popularity = random_set.vocabulary.counts
    for row, score in zip(counts[batch.last()], scores, strict=True):
        order = sorted(range(size), key=lambda item: (-row[item], -popularity[item], item))
        assert np.argsort(-score, kind="stable").tolist() == order


def test_markov_beats_popular_on_a_chain(chain_set: ExampleSet) -> None:
    scores = {name: evaluate(BASELINES[name](chain_set, repeats=True), chain_set, "test", repeats=True, ks=(1,))
              for name in ("markov", "cooccurrence", "popular")}  # fmt: skip
    assert scores["markov"]["recall@1"] > 0.6
    assert scores["cooccurrence"]["recall@1"] > 0.6
    assert scores["popular"]["recall@1"] < 0.2


def test_cooccurrence_is_the_decayed_sum_of_scaled_rows(random_set: ExampleSet) -> None:
    timelines, counts = random_set.timelines, np.maximum(random_set.vocabulary.counts, 1)
    table = np.zeros((len(counts), len(counts)))
    for begin, end in zip(timelines.offsets[:-1], timelines.offsets[1:] - 2, strict=True):
        for first in range(begin, end):
            for second in range(first + 1, min(first + 11, end)):
                row = timelines.items[first]
                table[row, timelines.items[second]] += 1 / (second - first) / np.sqrt(counts[row])
    batch = histories(random_set)
    scores = decayed(follower_table(random_set), 0.7)(batch)
    for user, score in enumerate(scores):
        history = timelines.items[timelines.offsets[user] : timelines.offsets[user + 1] - 1][::-1]
        expected = sum((0.7**step * table[item] for step, item in enumerate(history)), np.zeros(len(counts)))
        np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_the_decay_is_the_best_of_three_on_validation(random_set: ExampleSet) -> None:
    table = follower_table(random_set)
    found = {decay: evaluate(decayed(table, decay), random_set, "validation")["ndcg@10"] for decay in (0.6, 0.7, 0.8)}
    chosen = evaluate(cooccurrence(random_set), random_set, "validation")
    assert chosen["ndcg@10"] == max(found.values())


def test_an_empty_history_is_scored(random_set: ExampleSet) -> None:
    empty = HistoryBatch(random_set.timelines, np.array([0], np.int32), random_set.timelines.offsets[:1])
    for fit in BASELINES.values():
        scores: NDArray[np.float32] = fit(random_set)(empty)
        assert np.isfinite(scores).all()
    assert markov(random_set)(empty)[0, 1:].argmax() == 0


def test_nothing_to_choose_from_is_an_error(random_set: ExampleSet) -> None:
    with pytest.raises(ValueError, match="no scorer"):
        best_on_validation(random_set, [], repeats=False)


@pytest.mark.parametrize("decay", [1.0, 0.8])
def test_ease_solves_a_ridge_regression_for_each_item(
    random_set: ExampleSet, decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("reco_core.evaluation.baselines.ease")
    monkeypatch.setattr(module, "_PENALTIES", (20.0,))
    monkeypatch.setattr(module, "_DECAYS", (decay,))
    monkeypatch.setattr(module, "_USERS", 32)
    timelines, size = random_set.timelines, random_set.vocabulary.size + 1
    users = np.zeros((timelines.users, size))
    known = users.copy()
    for user, (begin, end) in enumerate(zip(timelines.offsets[:-1], timelines.offsets[1:], strict=True)):
        users[user, timelines.items[begin : end - 2]] = 1
        for position in range(begin, end - 1):
            known[user, timelines.items[position]] = decay ** (end - 2 - position)
    expected = np.zeros((timelines.users, size))
    for item in range(1, size):
        others = np.delete(np.arange(size), item)
        gram = users[:, others].T @ users[:, others] + 20 * np.eye(size - 1)
        weights = np.linalg.solve(gram, users[:, others].T @ users[:, item])
        expected[:, item] = known[:, others] @ weights
    np.testing.assert_allclose(ease(random_set)(histories(random_set)), expected, atol=1e-5)
