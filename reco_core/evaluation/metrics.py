"""Ranking metrics of examples with one label each, as functions of the label's rank (from 1)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

MEAN_RANK = "mean_rank"
_ALWAYS = 10


def metric_names(ks: Iterable[int]) -> tuple[str, ...]:
    """`recall@k`, `ndcg@k`, `mrr@k` for each k (10 is always among them), rising, then `mean_rank`."""
    cutoffs = sorted({*ks, _ALWAYS})
    return (*(f"{kind}@{k}" for kind in ("recall", "ndcg", "mrr") for k in cutoffs), MEAN_RANK)


def metric_values(name: str, ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """The metric of each example: float64 [examples].

    Recall@k (with one label the same as HR@k) is 1 for a label within the first k; NDCG@k is 1 / log2(1 + rank) there
    (the ideal DCG is 1); MRR@k is 1 / rank there; all are 0 behind it.

    Raises:
        ValueError: there is no metric of that name.
    """
    # ranks [1 3 11] -> recall@10 [1 1 0], ndcg@10 [1 .5 0], mrr@10 [1 .333 0]
    if name == MEAN_RANK:
        return ranks.astype(np.float64)
    kind, _, cutoff = name.partition("@")
    if not cutoff.isdigit() or kind not in ("recall", "ndcg", "mrr"):
        raise ValueError(f"no metric is called {name!r}; known are recall@k, ndcg@k, mrr@k and {MEAN_RANK}")
    inside = ranks <= int(cutoff)
    if kind == "recall":
        return inside.astype(np.float64)
    gain = 1 / np.log2(1 + ranks) if kind == "ndcg" else 1 / ranks
    return np.where(inside, gain, 0.0)


def higher_is_better(name: str) -> bool:
    """Whether a larger value of this metric means a better model."""
    return name != MEAN_RANK
