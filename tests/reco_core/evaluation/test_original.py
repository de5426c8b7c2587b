"""The original's metrics against loops, and where the original itself would be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.evaluation import HistoryBatch, original_metrics
from reco_core.evaluation.original import batch_ranks, global_ranks
from reco_core.examples import generate


def oracle(scores, labels):
    """Places from 0 among all items and among the batch's different labels, one example after the other."""
    overall, within = [], []
    for row, label in zip(scores, labels, strict=True):
        order = sorted(range(1, len(row)), key=lambda item: (-row[item], item))
        overall.append(order.index(label))
        within.append([item for item in order if item in set(labels)].index(label))
    return overall, within


@pytest.mark.parametrize(("batch", "items"), [(1, 5), (7, 3), (16, 40), (40, 16)])
def test_ranks_are_those_of_a_loop(batch, items):
    random = np.random.default_rng(batch)
    # few different values: many ties
    scores = random.integers(0, 6, (batch, items + 1)).astype(np.float32)
    labels = random.integers(1, items + 1, batch).astype(np.int32)
    overall, within = oracle(scores, labels)
    assert global_ranks(scores, labels).tolist() == overall
    assert batch_ranks(scores, labels).tolist() == within


def test_worked_by_hand():
    # padding's high score plays no part; labels 3 and 1
    scores = np.array([[9, 0.1, 0.9, 0.2], [9, 0.5, 0.6, 0.4]], np.float32)
    labels = np.array([3, 1], np.int32)
    assert global_ranks(scores, labels).tolist() == [1, 1]
    assert batch_ranks(scores, labels).tolist() == [0, 0]


def test_a_label_twice_in_a_batch_is_one_candidate():
    scores = np.array([[0, 5, 1], [0, 5, 1], [0, 5, 1]], np.float32)
    assert batch_ranks(scores, np.array([1, 1, 2], np.int32)).tolist() == [0, 0, 1]


def test_a_label_without_a_score_stands_behind_all():
    scores = np.array([[0, -np.inf, -np.inf, 1]], np.float32)
    labels = np.array([1], np.int32)
    assert global_ranks(scores, labels).tolist() == [3]
    assert batch_ranks(scores, labels).tolist() == [1]


@pytest.fixture(scope="module")
def example_set(make_planted, make_config):
    return generate(make_config(evaluation={"protocol": "reference"}), make_planted(3, users=40, items=25))


@pytest.fixture(scope="module")
def scorer(example_set):
    """Scores that depend on the history, so that the order of the examples can't be told from them."""
    random = np.random.default_rng(1)
    table = random.normal(size=(26, 26)).astype(np.float32)
    table[:, 0] = 50
    return lambda batch: table[batch.last()]


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_every_example_counts_once_in_a_drawn_order(example_set, scorer, batch_size):
    found = original_metrics(scorer, example_set, "test", batch_size=batch_size, ks=(1, 5, 30), seed=4)
    order = np.random.default_rng([4, 3]).permutation(len(example_set.test))
    labels = example_set.timelines.items[example_set.test.labels][order]
    scores = scorer(HistoryBatch.of(example_set.timelines, example_set.test))[order]
    assert len(scores) > 30
    overall, within = [], []
    for begin in range(0, len(order), batch_size):
        part = oracle(scores[begin : begin + batch_size], labels[begin : begin + batch_size])
        overall += part[0]
        within += part[1]
    values = found["values"]
    assert (found["split"], found["batch_size"]) == ("test", batch_size)
    assert list(values) == [
        *(f"Global_Recall/Recall_{k}" for k in (1, 5, 30)),
        "global_mean_rank",
        *(f"Batch_Recall/Recall_{k}" for k in (1, 5, 30)),
        "batch_mean_rank",
    ]
    for name, ranks in (("Global", overall), ("Batch", within)):
        for k in (1, 5, 30):
            assert values[f"{name}_Recall/Recall_{k}"] == pytest.approx(np.mean(np.array(ranks) < k), abs=1e-6)
        assert values[f"{name.lower()}_mean_rank"] == pytest.approx(np.mean(ranks), abs=1e-5)


def test_k_beyond_the_batch_finds_every_label_that_has_a_score(example_set, scorer):
    values = original_metrics(scorer, example_set, "test", batch_size=4, ks=(10,), seed=0)["values"]
    assert values["Batch_Recall/Recall_10"] == 1.0

    def unknown_items(batch):
        return np.full((len(batch), 26), -np.inf, np.float32)

    unknown = original_metrics(unknown_items, example_set, "test", batch_size=4, ks=(90,), seed=0)["values"]
    assert unknown["Batch_Recall/Recall_90"] == unknown["Global_Recall/Recall_90"] == 0.0
