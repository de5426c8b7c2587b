"""Size budgets that are known to be impossible before training."""

from __future__ import annotations

import pytest

from reco_core import config
from reco_core.config.estimate import require_budget, smallest_bytes
from reco_core.errors import SizeBudgetImpossible


def make(max_bytes: int | None, dim: int = 10, **export) -> config.JobConfig:
    return config.load({"model": {"embedding_dim": dim}, "export": {"max_bytes": max_bytes, **export}})


@pytest.mark.parametrize(
    ("variants", "expected"),
    [(["float32"], 4000), (["float32", "float16"], 2000), (["float16", "dynamic_int8"], 1000)],
)
def test_the_bound_is_the_table_with_its_padding_row_in_the_smallest_variant(variants, expected):
    assert smallest_bytes(make(None, variants=variants, default_variant=variants[0]), items=99) == expected


def test_a_budget_is_possible_from_exactly_the_bound():
    require_budget(make(1000), items=99)
    with pytest.raises(SizeBudgetImpossible) as caught:
        require_budget(make(999), items=99)
    (error,) = caught.value.errors
    assert (error.pointer, error.code) == ("/export/max_bytes", "size_budget_impossible")
    assert "set model.embedding_dim to 9 or less" in caught.value.message


def test_the_remedy_fits():
    with pytest.raises(SizeBudgetImpossible, match=r"embedding_dim to 2 or less"):
        require_budget(make(299), items=99)
    require_budget(make(299, dim=2), items=99)


def test_where_no_dimension_fits_only_a_larger_budget_helps():
    with pytest.raises(SizeBudgetImpossible, match=r"raise export\.max_bytes"):
        require_budget(make(199), items=99)


def test_no_budget_is_no_limit():
    require_budget(make(None, dim=512), items=10_000_000)
