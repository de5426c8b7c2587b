"""The columns of a dataset that a model's features can be read from, by scope and name."""

from __future__ import annotations

from typing import Literal, get_args

import polars as pl

from reco_core.datasets import column_types
from reco_core.datasets.types import Interactions, ItemTable

Scope = Literal["interaction", "item", "user"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
RATING = "rating"


def available(interactions: Interactions) -> dict[str, tuple[str, ...]]:
    """Scope -> names of its columns; every scope is there, `()` where it has none.

    Of interactions the ratings come first, under the name `rating`, then further columns of the log. Of items and
    users all columns of their table but ids and titles, in the table's order; the item table's attribute is one.
    """
    return {scope: _names(interactions, scope) for scope in SCOPES}


def column(interactions: Interactions, scope: Scope, name: str) -> pl.Series | None:
    """The column, or None if the scope has none of that name.

    Its dtype is Int64, Float64, String, List(Int64) or List(String); null (of lists also the empty list) stands where
    a value is missing. Row i belongs to interaction i, to `item_ids[i]` or to `user_ids[i]`.
    """
    frame = _frame(interactions, scope)
    if name in frame.columns:
        return frame[name]
    if scope == "interaction" and name == RATING and interactions.ratings is not None:
        return pl.Series(RATING, interactions.ratings).cast(pl.Float64)
    table = interactions.item_table
    if scope == "item" and table is not None and name == table.attribute_name:
        return _attribute(table)
    return None


def described(interactions: Interactions) -> dict[str, list[dict[str, str]]]:
    """Scope -> `[{name, kind}]` of what is available, JSON-able."""
    return {
        scope: [{"name": name, "kind": _kind(interactions, scope, name)} for name in _names(interactions, scope)]
        for scope in SCOPES
    }


def _kind(interactions: Interactions, scope: Scope, name: str) -> str:
    frame = _frame(interactions, scope)
    if name in frame.columns:
        return column_types.kind_of(frame[name])
    return "number" if scope == "interaction" else "text_list"  # the rating; the attribute of an item table


def _names(interactions: Interactions, scope: Scope) -> tuple[str, ...]:
    names = list(_frame(interactions, scope).columns)
    if scope == "interaction" and interactions.ratings is not None and RATING not in names:
        names.insert(0, RATING)
    attribute = interactions.item_table.attribute_name if interactions.item_table else None
    if scope == "item" and attribute is not None and attribute not in names:
        names.append(attribute)
    return tuple(names)


def _frame(interactions: Interactions, scope: Scope) -> pl.DataFrame:
    return {
        "interaction": interactions.row_features,
        "item": interactions.item_features,
        "user": interactions.user_features,
    }[scope]


def _attribute(table: ItemTable) -> pl.Series:
    # datasets that were stored before item tables came in with all their columns
    return pl.Series(table.attribute_name, [list(values) for values in table.attributes], dtype=pl.List(pl.String))
