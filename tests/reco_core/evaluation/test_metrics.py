from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_core.evaluation.metrics import higher_is_better, metric_names, metric_values


@given(st.lists(st.integers(1, 200), min_size=1), st.integers(1, 60))
def test_against_the_definitions(ranks: list[int], k: int) -> None:
    values = np.array(ranks)
    assert metric_values(f"recall@{k}", values).tolist() == [float(rank <= k) for rank in ranks]
    ndcg = [1 / math.log2(rank + 1) if rank <= k else 0 for rank in ranks]
    np.testing.assert_allclose(metric_values(f"ndcg@{k}", values), ndcg)
    np.testing.assert_allclose(metric_values(f"mrr@{k}", values), [1 / rank if rank <= k else 0 for rank in ranks])
    assert metric_values("mean_rank", values).mean() == pytest.approx(sum(ranks) / len(ranks))


def test_ten_is_always_among_the_cutoffs() -> None:
    assert metric_names((50, 1, 50)) == (
        "recall@1", "recall@10", "recall@50", "ndcg@1", "ndcg@10", "ndcg@50", "mrr@1", "mrr@10", "mrr@50", "mean_rank",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["hits@10", "recall", "recall@", "recall@-1", "rank@3"])
def test_an_unknown_metric_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no metric is called"):
        metric_values(name, np.array([1]))


def test_only_the_mean_rank_is_better_when_lower() -> None:
    assert [name for name in metric_names((5,)) if not higher_is_better(name)] == ["mean_rank"]
