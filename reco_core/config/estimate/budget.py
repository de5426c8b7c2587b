"""The size budget: what can be known to break it before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping

from reco_core.config.export import VariantName
from reco_core.config.job import JobConfig
from reco_core.errors import FieldError, SizeBudgetImpossible

# bytes that a variant stores per weight of the item table
_BYTES_PER_WEIGHT: Mapping[VariantName, int] = {"float32": 4, "float16": 2, "dynamic_int8": 1}
_MOST_INT16 = 2**15 - 1


def smallest_bytes(config: JobConfig, items: int) -> int:
    """A lower bound on the size of the smallest variant: the item table at that variant's precision, and followers."""
    weights = (items + 1) * config.model.embedding_dim
    smallest = weights * min(_BYTES_PER_WEIGHT[name] for name in config.export.variants)
    return smallest + neighbour_bytes(config, items)


def neighbour_bytes(config: JobConfig, items: int) -> int:
    """The neighbour head's table, as reco_core.export.neighbours stores it: an index and a code of each follower."""
    if config.model.neighbours is None:
        return 0
    index = 2 if items <= _MOST_INT16 else 4
    return (items + 1) * config.model.neighbours.followers * (index + 1)


def require_budget(config: JobConfig, items: int) -> None:
    """Check `export.max_bytes` against a vocabulary of `items` items.

    Raises:
        SizeBudgetImpossible: not even the item table of the smallest variant fits.
    """
    budget = config.export.max_bytes
    needed = smallest_bytes(config, items)
    if budget is None or needed <= budget:
        return
    per_weight = min(_BYTES_PER_WEIGHT[name] for name in config.export.variants)
    fitting = (budget - neighbour_bytes(config, items)) // ((items + 1) * per_weight)
    remedy = f"set model.embedding_dim to {fitting} or less" if fitting >= 2 else "raise export.max_bytes"
    if config.model.neighbours:
        remedy += ", or lower model.neighbours.followers"
    table = neighbour_bytes(config, items)
    followers = f", {needed - table:,} of the table and {table:,} of followers" if table else ""
    detail = (
        f"{items:,} items of {config.model.embedding_dim} dimensions take at least {needed:,} bytes{followers}, "
        f"but export.max_bytes is {budget:,}; {remedy}"
    )
    raise SizeBudgetImpossible(detail, [FieldError("/export/max_bytes", "size_budget_impossible", detail)])
