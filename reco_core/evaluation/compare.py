"""Two models side by side: the paired bootstrap over users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reco_core.evaluation.bootstrap import Interval, intervals, per_user, resampled_ratios
from reco_core.evaluation.evaluate import Evaluation
from reco_core.evaluation.metrics import higher_is_better, metric_values

Verdict = Literal["better", "worse", "not distinguishable"]


@dataclass(frozen=True)
class Comparison:
    """The first model's figure minus the second's, and what that says of the first."""

    difference: float
    ci95: Interval
    verdict: Verdict


def compare(
    first: Evaluation | Sequence[Evaluation],
    second: Evaluation | Sequence[Evaluation],
    metrics: Iterable[str] = ("recall@10", "ndcg@10"),
    *,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Compare on the same examples. Several evaluations of one model (its seeds) are averaged per example first.

    Raises:
        ValueError: the evaluations don't cover the same examples.
    """
    ours, theirs = _runs(first), _runs(second)
    users = ours[0].example_users
    for run in (*ours, *theirs):
        if run.split != ours[0].split or not np.array_equal(run.example_users, users):
            raise ValueError("only evaluations of the same examples can be compared; rank the same split with both")
    first_ranks, second_ranks = ([run.ranks for run in runs] for runs in (ours, theirs))
    return compare_seeds(users, first_ranks, second_ranks, metrics, samples=samples, seed=seed)


def compare_ranks(
    users: NDArray[np.int32],
    base: NDArray[np.integer],
    others: Mapping[str, NDArray[np.integer]],
    metrics: Iterable[str],
    *,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, Comparison]]:
    """Compare each of `others` with `base`, all of them rankings of the same examples, in the same resamples.

    Args:
        users: [examples] whose example it is.
        base: [examples] ranks from 1; so are `others`, by name.

    Returns:
        `{name: {metric: the other one's figure minus the base's}}`.
    """
    names = tuple(metrics)
    values = np.stack(
        [
            metric_values(name, ranks.astype(np.int64)) - metric_values(name, base.astype(np.int64))
            for ranks in others.values()
            for name in names
        ],
        axis=1,
    )
    found = iter(_comparisons(users, values, names * len(others), samples, seed))
    return {other: {name: next(found) for name in names} for other in others}


def compare_seeds(
    users: NDArray[np.int32],
    first: Sequence[NDArray[np.integer]],
    second: Sequence[NDArray[np.integer]],
    metrics: Iterable[str],
    *,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Compare two models of which each was trained with several seeds, all of them rankings of the same examples.

    Each example's metric is averaged over a model's seeds before users are drawn, so that the interval is about users
    and the luck of one seed doesn't decide.

    Args:
        users: [examples] whose example it is.
        first: ranks [examples] from 1 of each seed; `second` likewise, with as many seeds or another number.
    """
    names = tuple(metrics)
    values = np.stack([mean_values(name, first) - mean_values(name, second) for name in names], axis=1)
    return dict(zip(names, _comparisons(users, values, names, samples, seed), strict=True))


def mean_values(name: str, runs: Sequence[NDArray[np.integer]]) -> NDArray[np.float64]:
    """The metric of each example, the mean over runs of which each has the ranks [examples] of the same examples."""
    total = np.zeros(len(runs[0]))
    for ranks in runs:
        total += metric_values(name, ranks.astype(np.int64))
    return total / len(runs)


def _comparisons(
    users: NDArray[np.int32], values: NDArray[np.float64], names: Sequence[str], samples: int, seed: int
) -> list[Comparison]:
    """One for each column of `values` [examples, columns], which holds differences in the metric of its name."""
    sums, counts = per_user(users, values), per_user(users, np.ones((len(users), 1)))
    same_group = np.zeros(len(names), np.intp)
    found = intervals(resampled_ratios(sums, counts, same_group, samples, seed))
    return [
        Comparison(difference, interval, _verdict(interval, higher_is_better(name)))
        for name, difference, interval in zip(names, values.mean(axis=0).tolist(), found, strict=True)
    ]


def _runs(evaluations: Evaluation | Sequence[Evaluation]) -> tuple[Evaluation, ...]:
    return (evaluations,) if isinstance(evaluations, Evaluation) else tuple(evaluations)


def _verdict(interval: Interval, higher_wins: bool) -> Verdict:
    low, high = interval
    if low <= 0 <= high:
        return "not distinguishable"
    return "better" if (low > 0) == higher_wins else "worse"
