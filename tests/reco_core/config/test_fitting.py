"""What a size budget makes of a config."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reco_core.config import JobConfig, load
from reco_core.config.estimate import Workload, estimate, fitted, require_fit
from reco_core.config.estimate.files import variant_bytes
from reco_core.config.estimate.fitting import DIMENSIONS
from reco_core.errors import SizeBudgetImpossible

WORK = Workload(200_000, 20_000, 0, 200_000, 12_000, 0, 0, 1, 1, 1, exact=True, text_bytes=0, id_bytes=60_000)


def make(max_bytes: int | None, **sections: Any) -> JobConfig:
    sections["export"] = {"max_bytes": max_bytes, **sections.get("export", {})}
    return load({"encoder": {"type": "bow"}, **sections})


def test_without_a_budget_nothing_changes():
    config = make(None)
    assert fitted(config, WORK) == (config, None)


def test_all_variants_are_asked_before_a_dimension_is_given_up():
    config, budget = fitted(make(1_000_000), WORK)
    assert config.model.embedding_dim == 64
    assert (budget.variant, budget.changed, budget.metadata) == ("dynamic_int8", False, True)
    assert fitted(make(2_000_000), WORK)[1].variant == "float16"
    assert fitted(make(9_000_000), WORK)[1].variant == "float32"


@pytest.mark.parametrize("asked", [200, 64, 50, 20, 3])
def test_dimensions_come_down_the_ladder_until_it_fits(asked):
    seen = []
    for max_bytes in range(3_000_000, 60_000, -20_000):
        config, budget = fitted(make(max_bytes, model={"embedding_dim": asked}), WORK)
        if budget.variant is None:
            assert config.model.embedding_dim == min(asked, 4)
            continue
        assert budget.expected_bytes <= max_bytes
        assert budget.expected_bytes == estimate(config, WORK).variants[budget.variant]
        assert (budget.embedding_dim_asked, budget.embedding_dim) == (asked, config.model.embedding_dim)
        seen.append(config.model.embedding_dim)
    assert seen == sorted(seen, reverse=True)
    assert set(seen) == {asked, *(dim for dim in DIMENSIONS if dim < asked)}


def test_no_larger_dimension_would_have_fitted():
    for max_bytes in (700_000, 500_000, 300_000):
        config, _ = fitted(make(max_bytes), WORK)
        larger = DIMENSIONS[DIMENSIONS.index(config.model.embedding_dim) - 1]
        sizes = estimate(make(None, model={"embedding_dim": larger}, export={"metadata": False}), WORK).variants
        assert min(sizes.values()) * 1.01 > max_bytes


def test_metadata_do_not_cost_a_dimension():
    bare = estimate(make(None, export={"metadata": False}), WORK).variants["dynamic_int8"]
    _, budget = fitted(make(int(bare * 1.011)), WORK)
    assert (budget.embedding_dim, budget.metadata, budget.expected_bytes) == (64, False, bare)
    assert "without metadata" in budget.in_words()


def test_followers_are_halved_where_not_even_16_dimensions_fit():
    def budget_of(max_bytes: int):
        return fitted(make(max_bytes, model={"neighbours": {"followers": 8}}), WORK)[1]

    # 8 followers take 24 bytes an item, 16 dimensions 18
    assert (budget_of(1_500_000).embedding_dim, budget_of(1_500_000).followers) == (64, 8)
    middle = budget_of(700_000)
    assert (16 <= middle.embedding_dim < 64, middle.followers) == (True, 8)
    small = budget_of(400_000)
    assert (small.embedding_dim >= 16, small.followers) == (True, 4)
    assert "4 followers instead of 8" in small.in_words()
    config, _ = fitted(make(400_000, model={"neighbours": {"followers": 8}}), WORK)
    assert config.model.neighbours.followers == 4


def test_blocks_go_last():
    encoder = {"type": "transformer", "blocks": 2}
    config, budget = fitted(make(400_000, encoder=encoder), WORK)
    assert (budget.blocks_asked, budget.blocks, config.encoder.blocks) == (2, 2, 2)
    few = replace(WORK, vocabulary=50, id_bytes=100)
    bare = {"metadata": False}

    def least(blocks: int) -> int:
        deep = {**encoder, "blocks": blocks}
        return min(variant_bytes(make(None, encoder=deep, model={"embedding_dim": 4}, export=bare), few).values())

    max_bytes = int(least(1) * 1.011)
    assert max_bytes < least(2)
    config, budget = fitted(make(max_bytes, encoder=encoder, export=bare), few)
    assert (budget.blocks, budget.embedding_dim, config.encoder.blocks) == (1, 4, 1)


def test_heads_divide_the_dimensions():
    config, budget = fitted(make(500_000, encoder={"type": "transformer", "heads": 5}), WORK)
    assert config.model.embedding_dim == budget.embedding_dim == 20  # of 40 and 20
    assert budget.variant == "dynamic_int8"


def test_what_fits_nowhere_is_refused_with_what_it_takes():
    with pytest.raises(SizeBudgetImpossible, match=r"4 dimensions, the fewest that are tried, .* raise it$") as caught:
        require_fit(make(50_000), WORK)
    assert [error.pointer for error in caught.value.errors] == ["/export/max_bytes"]
    with pytest.raises(SizeBudgetImpossible, match=r"add dynamic_int8 to export\.variants"):
        require_fit(make(50_000, export={"variants": ["float32"], "default_variant": "float32"}), WORK)


def test_the_estimate_is_of_what_fits():
    found = estimate(make(500_000), WORK)
    assert found.budget is not None
    assert found.budget.changed
    assert found.as_dict()["budget"]["embedding_dim"] == found.budget.embedding_dim
    assert found.variants["dynamic_int8"] <= 500_000
    assert estimate(make(None), WORK).as_dict()["budget"] is None
