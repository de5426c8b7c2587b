"""The cold-item protocol's figures: labels that training was kept from, ranked among all items by their attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core.evaluation.evaluate import Evaluation, evaluate
from reco_core.evaluation.histories import HistoryBatch, Scorer
from reco_core.examples import ExampleSet, ItemAttribute, cold_labels, seen_pairs

SHOWN = ("recall@10", "ndcg@10")
_K = 10
_MOST_CELLS = 100_000_000  # of the table of items and values, 400 MB


def cold_report(
    scorer: Scorer, example_set: ExampleSet, *, share: float, repeats: bool, seed: int, bootstrap_samples: int
) -> dict[str, Any]:
    """`{share, items, without_attributes, labels, recall@10, ndcg@10, beside}`; see docs/evaluation.md.

    Args:
        scorer: of the file that ships, which knows the cold items by their attributes.
    """
    labels = cold_labels(example_set)
    facts: dict[str, Any] = {
        "share": share,
        "items": len(example_set.cold_items),
        "without_attributes": _without_attributes(example_set),
        "labels": len(labels.test),
        "candidates": example_set.vocabulary.size,
    }
    if len(labels.test) == 0:
        return {**facts, **dict.fromkeys(SHOWN), "beside": {}}
    everything = np.ones(example_set.vocabulary.size + 1, bool)

    def ranked(one: Scorer) -> dict[str, Any]:
        return _figures(
            evaluate(
                one,
                labels,
                "test",
                ks=(_K,),
                repeats=repeats,
                seed=seed,
                bootstrap_samples=bootstrap_samples,
                lists=False,
                known=everything,
            )
        )

    beside = {name: ranked(one) for name, one in _baselines(example_set).items()}
    return {**facts, **ranked(scorer), "beside": {"random": _random(labels, repeats), **beside}}


def attribute_popular(example_set: ExampleSet) -> Scorer:
    """Items by how often training meets an item with such a value, the mean over their values: one list for all."""
    attribute = _attribute(example_set)
    counts = example_set.vocabulary.counts
    rows = np.repeat(np.arange(len(counts)), np.diff(attribute.offsets))
    trained = counts[rows] > 0
    values = len(attribute.values)
    met = np.bincount(attribute.indices, counts[rows], values)
    items = np.bincount(attribute.indices[trained], minlength=values)
    popularity = met / np.maximum(items, 1)
    sums = np.bincount(rows, popularity[attribute.indices], len(counts))
    row = (sums / np.maximum(np.diff(attribute.offsets), 1)).astype(np.float32)

    def score(histories: HistoryBatch) -> NDArray[np.float32]:
        return np.broadcast_to(row, (len(histories), len(row)))

    return score


def attribute_profile(example_set: ExampleSet) -> Scorer | None:
    """Items by the cosine of their values and those of the history's items; None where the table would be too large."""
    attribute = _attribute(example_set)
    items, values = example_set.vocabulary.size + 1, len(attribute.values)
    if items * values > _MOST_CELLS:
        return None
    table = np.zeros((items, values), np.float32)
    lengths = np.diff(attribute.offsets)
    table[np.repeat(np.arange(items), lengths), attribute.indices] = 1
    table /= np.sqrt(np.maximum(lengths, 1), dtype=np.float32)[:, None]

    def score(histories: HistoryBatch) -> NDArray[np.float32]:
        rows, found, _ = histories.full()
        profile = np.zeros((len(histories), values), np.float32)
        np.add.at(profile, rows, table[found])
        scores: NDArray[np.float32] = profile @ table.T
        return scores

    return score


def _baselines(example_set: ExampleSet) -> dict[str, Scorer]:
    found = {
        "attribute_popular": attribute_popular(example_set),
        "attribute_profile": attribute_profile(example_set),
    }
    return {name: scorer for name, scorer in found.items() if scorer is not None}


def _random(example_set: ExampleSet, repeats: bool) -> dict[str, Any]:
    """What lists by lot give on average, in closed form: a label is as likely at every place."""
    timelines, examples = example_set.timelines, example_set.test
    candidates = np.full(len(examples), example_set.vocabulary.size)
    possible = np.ones(len(examples), bool)
    if not repeats:
        rows, seen = seen_pairs(timelines, examples)
        pairs = np.unique(np.stack([rows, seen], axis=1), axis=0)
        candidates -= np.bincount(pairs[:, 0], minlength=len(examples))
        labels = timelines.items[examples.labels]
        possible[rows[seen == labels[rows]]] = False
    gains = np.cumsum(1 / np.log2(np.arange(2, _K + 2)))
    places = np.minimum(candidates, _K)
    values = {
        "recall@10": np.where(possible, places / np.maximum(candidates, 1), 0.0).mean(),
        "ndcg@10": np.where(possible, gains[np.maximum(places, 1) - 1] / np.maximum(candidates, 1), 0.0).mean(),
    }
    return {name: {"value": float(value), "ci95": None} for name, value in values.items()}


def _figures(found: Evaluation) -> dict[str, Any]:
    return {
        name: {
            "value": found[name],
            "ci95": None if (interval := found.metrics[name].ci95) is None else list(interval),
        }
        for name in SHOWN
    }


def _attribute(example_set: ExampleSet) -> ItemAttribute:
    attribute = example_set.vocabulary.attribute
    if attribute is None:
        raise ValueError("there are cold items only where items have an attribute")
    return attribute


def _without_attributes(example_set: ExampleSet) -> int:
    lengths = np.diff(_attribute(example_set).offsets)[example_set.cold_items]
    return int(np.count_nonzero(lengths == 0))
