"""Rank every item for every example of a split, and sum up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reco_core.evaluation import lists as list_metrics
from reco_core.evaluation.bootstrap import Interval, intervals, per_user, resampled_ratios
from reco_core.evaluation.histories import HistoryBatch, Scorer
from reco_core.evaluation.metrics import metric_names, metric_values
from reco_core.evaluation.ranking import mask_scores, rank_masked, top_items
from reco_core.evaluation.strata import strata
from reco_core.examples import Examples, ExampleSet, Split, seen_pairs

LIST_LENGTH = 10
_BLOCK_SCORES = 1 << 21  # scores ranked at once: 8 MB, which a shared cache holds
_STRATUM_METRICS = ("recall@10", "ndcg@10")


@dataclass(frozen=True)
class Metric:
    """A figure and its 95% bootstrap interval over users; None where none was asked for or none makes sense."""

    value: float
    ci95: Interval | None = None


@dataclass(frozen=True)
class Stratum:
    """The metrics of a part of the examples."""

    examples: int
    metrics: Mapping[str, Metric]


@dataclass(frozen=True)
class Evaluation:
    """How a scorer ranks one split. Arrays run over its examples, in their order."""

    split: Split
    examples_ranked: Examples  # all of the split, or those that `at_most` drew
    ranks: NDArray[np.int64]  # from 1; number of items + 1 for a miss at any k
    top: NDArray[np.int32] | None  # [examples, 10] best items first, 0 where candidates run out; None: not asked for
    metrics: Mapping[str, Metric]
    strata: Mapping[str, Mapping[str, Stratum]]
    tied_share: float  # labels whose score another candidate has too
    seen_labels: int  # labels the user had seen before: misses unless repeats are allowed
    cold_labels: int  # labels that the scorer has no training data of: misses

    @property
    def examples(self) -> int:
        """Number of examples ranked."""
        return len(self.ranks)

    @property
    def users(self) -> int:
        """Number of different users among them."""
        return len(np.unique(self.example_users))

    @property
    def example_users(self) -> NDArray[np.int32]:
        """The user of each example."""
        return self.examples_ranked.users

    def __getitem__(self, metric: str) -> float:
        """The value of a metric, such as `evaluation["ndcg@10"]`."""
        return self.metrics[metric].value


def evaluate(
    scorer: Scorer,
    example_set: ExampleSet,
    split: Split,
    *,
    ks: Iterable[int] = (10,),
    repeats: bool = False,
    seed: int = 0,
    bootstrap_samples: int = 1000,
    lists: bool = True,
    at_most: int | None = None,
    chunk: int | None = None,
    known: NDArray[np.bool_] | None = None,
    progress: Callable[[int, int], None] | None = None,
    threads: int = 1,
) -> Evaluation:
    """Rank the labels of a split among all items of the vocabulary.

    Args:
        scorer: called with `chunk` histories at a time, the last time with what is left.
        ks: cut-offs; 10 is always added.
        repeats: whether items the user has already seen are candidates.
        seed: of the bootstrap and of the choice of `at_most` examples.
        bootstrap_samples: resamples behind the intervals; 0 leaves intervals and strata out.
        lists: whether to make the top-10 lists and the metrics that need them.
        at_most: rank only so many examples, drawn by `seed`; None ranks all.
        chunk: examples at a time; None takes as many as make a block of scores that stays in the cache.
        known: bool [items + 1], the items that the scorer has learned of; other labels are misses. None: those with
            training data in the example set.
        progress: called with (examples done, examples in all) after each chunk.
        threads: how many chunks are ranked at once; above 1 the scorer is called from that many threads.

    Raises:
        Diverged: a score is not a number.
        ValueError: the split is empty, or the scores have the wrong shape.
    """
    examples = sample(example_set.split(split), at_most, seed)
    if len(examples) == 0:
        raise ValueError(f"the split {split!r} has no examples, so there is nothing to evaluate")
    if known is None:
        known = example_set.vocabulary.counts > 0
    ranked = _rank(scorer, example_set, examples, known, repeats, lists, chunk, progress, threads)
    metrics, parts = _summarise(example_set, examples, ranked, tuple(metric_names(ks)), bootstrap_samples, seed)
    return Evaluation(
        split=split,
        examples_ranked=examples,
        ranks=ranked.ranks,
        top=ranked.top,
        metrics=metrics,
        strata=parts,
        tied_share=float(ranked.tied.mean()),
        seen_labels=ranked.seen_labels,
        cold_labels=int(np.count_nonzero(ranked.cold)),
    )


def validation_ndcg(scorer: Scorer, example_set: ExampleSet, *, repeats: bool = False) -> float:
    """NDCG@10 on the validation split, as cheaply as it can be had: what early stopping watches."""
    return evaluate(scorer, example_set, "validation", repeats=repeats, bootstrap_samples=0, lists=False)["ndcg@10"]


@dataclass(frozen=True)
class _Ranked:
    ranks: NDArray[np.int64]
    tied: NDArray[np.bool_]
    cold: NDArray[np.bool_]
    seen_labels: int
    top: NDArray[np.int32] | None


def sample(examples: Examples, at_most: int | None, seed: int) -> Examples:
    """The examples themselves, or `at_most` of them drawn by `seed`, in their order."""
    if at_most is None or at_most >= len(examples):
        return examples
    chosen = np.sort(np.random.default_rng(seed).choice(len(examples), at_most, replace=False))
    return Examples(examples.users[chosen], examples.labels[chosen])


def _rank(
    scorer: Scorer,
    example_set: ExampleSet,
    examples: Examples,
    known: NDArray[np.bool_],
    repeats: bool,
    lists: bool,
    chunk: int | None,
    progress: Callable[[int, int], None] | None,
    threads: int,
) -> _Ranked:
    timelines, items, total = example_set.timelines, example_set.vocabulary.size, len(examples)
    step = chunk or int(np.clip(_BLOCK_SCORES // (items + 1), 16, 1024))
    ranks = np.empty(total, np.int64)
    tied = np.empty(total, np.bool_)
    top = np.zeros((total, LIST_LENGTH), np.int32) if lists else None
    buffers = threading.local()

    def buffer(rows: int) -> NDArray[np.float32] | None:
        """What this thread masked before, if that many rows fit into it."""
        before: NDArray[np.float32] | None = getattr(buffers, "masked", None)
        return before if before is not None and len(before) >= rows else None

    def rank(begin: int) -> int:
        """Rank one chunk; how many of its labels have been seen."""
        part = slice(begin, begin + step)
        block = Examples(examples.users[part], examples.labels[part])
        scores = scorer(HistoryBatch.of(timelines, block))
        if scores.shape != (len(block), items + 1):
            raise ValueError(f"expected scores of shape {(len(block), items + 1)}, the scorer gave {scores.shape}")
        rows, seen = seen_pairs(timelines, block)
        labels = timelines.items[block.labels]
        masked = mask_scores(scores, rows, seen, repeats=repeats, out=buffer(len(block)))
        buffers.masked = masked
        found = rank_masked(masked, labels, items)
        ranks[part], tied[part] = found.ranks, found.tied
        if top is not None:
            top[part] = top_items(masked, LIST_LENGTH)
        return len(np.unique(rows[seen == labels[rows]]))

    seen_labels = 0
    for done, seen_here in enumerate(_in_order(rank, range(0, total, step), threads), start=1):
        seen_labels += seen_here
        if progress is not None:
            progress(min(done * step, total), total)
    cold = ~known[timelines.items[examples.labels]]
    ranks[cold] = items + 1
    return _Ranked(ranks, tied, cold, seen_labels, top)


def _in_order(work: Callable[[int], int], places: Sequence[int], threads: int) -> Iterator[int]:
    """What `work` gives for each place, from several threads at once."""
    if threads == 1 or len(places) == 1:
        yield from map(work, places)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="rank")
    try:
        yield from pool.map(work, places)
    finally:
        pool.shutdown(cancel_futures=True)  # what a failure or an interrupt leaves over


def _summarise(
    example_set: ExampleSet,
    examples: Examples,
    ranked: _Ranked,
    names: tuple[str, ...],
    samples: int,
    seed: int,
) -> tuple[dict[str, Metric], dict[str, dict[str, Stratum]]]:
    """Metrics of the whole and of the strata, all from one set of resamples."""
    values = {name: metric_values(name, ranked.ranks) for name in names}
    if ranked.top is not None:
        values["novelty@10"] = list_metrics.novelty(ranked.top, example_set.vocabulary.counts)
    groups = [_Group("", "", np.ones(len(examples), np.bool_), tuple(values))]
    if samples:
        groups += [
            _Group(partition, stratum, member, _STRATUM_METRICS)
            for partition, members in strata(example_set, examples).items()
            for stratum, member in members.items()
        ]
    found = iter(_measure(examples, values, groups, samples, seed))
    whole, *rest = [(group, {name: next(found) for name in group.metrics}) for group in groups]
    parts: dict[str, dict[str, Stratum]] = {}
    for group, metrics in rest:
        parts.setdefault(group.partition, {})[group.stratum] = Stratum(int(group.member.sum()), metrics)
    return {**whole[1], **_list_metrics(ranked.top, example_set.vocabulary.size)}, parts


@dataclass(frozen=True)
class _Group:
    partition: str
    stratum: str
    member: NDArray[np.bool_]  # [examples]
    metrics: tuple[str, ...]


def _measure(
    examples: Examples, values: Mapping[str, NDArray[np.float64]], groups: list[_Group], samples: int, seed: int
) -> list[Metric]:
    """Every metric of every group, group by group."""
    columns = np.stack([values[name] * group.member for group in groups for name in group.metrics], axis=1)
    group_of = np.repeat(np.arange(len(groups)), [len(group.metrics) for group in groups])
    members = np.stack([group.member for group in groups], axis=1).astype(np.float64)
    means = columns.sum(axis=0) / members.sum(axis=0)[group_of]
    if samples == 0:
        return [Metric(value) for value in means.tolist()]
    sums, sizes = per_user(examples.users, columns), per_user(examples.users, members)
    found = intervals(resampled_ratios(sums, sizes, group_of, samples, seed))
    return [Metric(value, interval) for value, interval in zip(means.tolist(), found, strict=True)]


def _list_metrics(top: NDArray[np.int32] | None, items: int) -> dict[str, Metric]:
    if top is None:
        return {}
    return {
        "coverage@10": Metric(list_metrics.coverage(top, items)),
        "gini@10": Metric(list_metrics.gini(top, items)),
        "identical_lists@10": Metric(list_metrics.identical_share(top)),
    }
