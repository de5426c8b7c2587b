from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from reco_core.evaluation import HistoryBatch, evaluate, validation_ndcg
from reco_core.evaluation.baselines import popular
from reco_core.evaluation.metrics import metric_values
from reco_core.examples import Examples, ExampleSet


def last_item_scorer(example_set: ExampleSet) -> tuple[NDArray[np.float32], object]:
    """Scores depend on the last item only, rounded so that many are tied."""
    size = example_set.vocabulary.size
    table = np.random.default_rng(2).integers(0, 9, (size + 1, size + 1)).astype(np.float32)
    return table, lambda histories: table[histories.last()]


def oracle_ranks(example_set: ExampleSet, table: NDArray[np.float32], repeats: bool) -> list[int]:
    ranks = []
    for begin, end in zip(example_set.timelines.offsets[:-1], example_set.timelines.offsets[1:], strict=True):
        *history, label = example_set.timelines.items[begin:end].tolist()
        row = table[history[-1]]
        others = [item for item in range(1, len(row)) if repeats or item not in history]
        if label not in others or example_set.vocabulary.counts[label] == 0:
            ranks.append(len(row))
        else:
            ranks.append(sorted(others, key=lambda item: (-row[item], item)).index(label) + 1)
    return ranks


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("chunk", [1, 7, None])
def test_ranks_and_metrics_against_the_oracle(random_set: ExampleSet, repeats: bool, chunk: int | None) -> None:
    table, scorer = last_item_scorer(random_set)
    found = evaluate(scorer, random_set, "test", ks=(3,), repeats=repeats, chunk=chunk, bootstrap_samples=20)
    expected = np.array(oracle_ranks(random_set, table, repeats))
    assert found.ranks.tolist() == expected.tolist()
    assert found["recall@3"] == pytest.approx(np.mean(expected <= 3))
    assert found["ndcg@10"] == pytest.approx(metric_values("ndcg@10", expected).mean())
    assert found["mean_rank"] == pytest.approx(expected.mean())
    assert found.users == found.examples == 90


def test_several_threads_come_to_the_same(random_set: ExampleSet) -> None:
    _, scorer = last_item_scorer(random_set)
    reports: list[tuple[int, int]] = []
    alone = evaluate(scorer, random_set, "test", chunk=7)
    found = evaluate(
        scorer, random_set, "test", chunk=7, threads=3, progress=lambda done, total: reports.append((done, total))
    )
    assert np.array_equal(found.ranks, alone.ranks)
    assert np.array_equal(np.asarray(found.top), np.asarray(alone.top))
    assert (found.metrics, found.tied_share) == (alone.metrics, alone.tied_share)
    assert (found.seen_labels, found.cold_labels) == (alone.seen_labels, alone.cold_labels)
    assert reports == [(min(done, 90), 90) for done in range(7, 97, 7)]


def test_a_failure_in_a_thread_is_the_callers(random_set: ExampleSet) -> None:
    def failing(histories: HistoryBatch) -> NDArray[np.float32]:
        raise RuntimeError(f"no scores of {len(histories)}")

    with pytest.raises(RuntimeError, match="no scores"):
        evaluate(failing, random_set, "test", chunk=1, threads=2)


def test_misses_are_counted(random_set: ExampleSet) -> None:
    _, scorer = last_item_scorer(random_set)
    found = evaluate(scorer, random_set, "test")
    items, offsets = random_set.timelines.items, random_set.timelines.offsets
    spans = list(zip(offsets[:-1], offsets[1:] - 1, strict=True))
    assert found.seen_labels == sum(items[end] in items[begin:end] for begin, end in spans)
    assert found.seen_labels > 0
    assert found.cold_labels == np.count_nonzero(random_set.vocabulary.counts[items[random_set.test.labels]] == 0)


def test_a_label_without_training_data_is_a_miss_for_a_scorer_that_knows_it(build_set) -> None:
    example_set = build_set([[1, 2, 3, 9], [2, 1, 2, 3]])
    cold = example_set.vocabulary.item_ids.index("9")
    scores = np.zeros(example_set.vocabulary.size + 1, np.float32)
    scores[cold] = 5
    found = evaluate(lambda batch: np.tile(scores, (len(batch), 1)), example_set, "test", bootstrap_samples=0)
    assert found.ranks[0] == example_set.vocabulary.size + 1
    assert found.cold_labels >= 1


def test_the_light_path_agrees_with_the_whole(random_set: ExampleSet) -> None:
    _, scorer = last_item_scorer(random_set)
    whole = evaluate(scorer, random_set, "validation")
    assert validation_ndcg(scorer, random_set) == whole["ndcg@10"]
    light = evaluate(scorer, random_set, "validation", bootstrap_samples=0, lists=False)
    assert light.top is None
    assert light.strata == {}
    assert all(metric.ci95 is None for metric in light.metrics.values())
    assert {name: metric.value for name, metric in light.metrics.items()} == {
        name: whole.metrics[name].value for name in light.metrics
    }


def test_strata_partition_the_examples(random_set: ExampleSet) -> None:
    _, scorer = last_item_scorer(random_set)
    found = evaluate(scorer, random_set, "test", bootstrap_samples=50)
    assert set(found.strata) == {"item_popularity", "history_length"}
    for parts in found.strata.values():
        assert sum(part.examples for part in parts.values()) == found.examples
        hits = sum(part.examples * part.metrics["recall@10"].value for part in parts.values())
        assert hits == pytest.approx(found.examples * found["recall@10"])


def test_examples_of_one_user_are_resampled_together(random_set: ExampleSet) -> None:
    _, scorer = last_item_scorer(random_set)
    often = Examples(np.repeat(random_set.test.users, 20), np.repeat(random_set.test.labels, 20))
    once = evaluate(scorer, random_set, "test", seed=4)
    many = evaluate(scorer, replace(random_set, test=often), "test", seed=4)
    assert many.users == once.users
    assert many.metrics["recall@10"] == once.metrics["recall@10"]


def test_a_sample_is_seeded_and_of_the_asked_size(random_set: ExampleSet) -> None:
    _, scorer = last_item_scorer(random_set)
    whole = evaluate(scorer, random_set, "test", bootstrap_samples=0)
    some = evaluate(scorer, random_set, "test", bootstrap_samples=0, at_most=30, seed=3)
    again = evaluate(scorer, random_set, "test", bootstrap_samples=0, at_most=30, seed=3)
    assert some.examples == 30
    assert some.example_users.tolist() == again.example_users.tolist()
    assert some.ranks.tolist() == whole.ranks[some.example_users].tolist()


def test_progress_ends_at_the_total(random_set: ExampleSet) -> None:
    calls: list[tuple[int, int]] = []
    evaluate(popular(random_set), random_set, "test", chunk=40, progress=lambda *call: calls.append(call))
    assert calls == [(40, 90), (80, 90), (90, 90)]


def test_wrong_shape_and_empty_split_are_refused(random_set: ExampleSet) -> None:
    def short(histories: HistoryBatch) -> NDArray[np.float32]:
        return np.zeros((len(histories), random_set.vocabulary.size), np.float32)

    with pytest.raises(ValueError, match="expected scores of shape"):
        evaluate(short, random_set, "test")
    empty = replace(random_set, test=Examples(np.empty(0, np.int32), np.empty(0, np.int64)))
    with pytest.raises(ValueError, match="'test' has no examples"):
        evaluate(popular(random_set), empty, "test")
