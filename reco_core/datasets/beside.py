"""The tables beside a log, joined to it: what of them is used, row by row for the log's users and items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from reco_core.datasets import findings, values
from reco_core.datasets.faults import Faults, shown
from reco_core.datasets.limits import Limits
from reco_core.datasets.spec import DatasetSpec
from reco_core.datasets.tables import Further, RawItems, RawUsers
from reco_core.datasets.types import ItemTable

_NAMED = 20  # columns left out that a note has room for


def wanted_items(items: RawItems | None, log_ids: pl.Series, spec: DatasetSpec, limits: Limits) -> RawItems | None:
    """The item table less what can't be used, or isn't wanted; empty if it belongs to another log."""
    if items is None or spec.items is None:
        return None
    frame, name = items.frame, items.attribute_name
    unusable = values.unusable(frame["id"], limits)
    found = items.findings
    if unusable is not None:
        found = (*found, findings.unusable_ids("item", frame["id"].filter(unusable)))
        frame = frame.filter(~unusable)
    if spec.items.title is None:
        frame = frame.with_columns(title=pl.lit(None, dtype=pl.String))
    if spec.items.categories is None:
        frame, name = frame.with_columns(attribute=pl.lit([], dtype=pl.List(pl.String))), None
    if frame.height and not frame["id"].is_in(log_ids.implode()).any():
        frame = frame.clear()
    return RawItems(frame, name, items.further, items.faults, items.rows_in, found)


def wanted_users(users: RawUsers | None, log_ids: pl.Series, limits: Limits) -> RawUsers | None:
    """The user table less what can't be used; empty if it belongs to another log."""
    if users is None:
        return None
    frame, found = users.frame, users.findings
    unusable = values.unusable(frame["id"], limits)
    if unusable is not None:
        found = (*found, findings.unusable_ids("user", frame["id"].filter(unusable)))
        frame = frame.filter(~unusable)
    if frame.height and not frame["id"].is_in(log_ids.implode()).any():
        frame = frame.clear()
    return RawUsers(frame, users.further, users.faults, users.rows_in, found)


def join_items(item_ids: pl.Series, items: RawItems | None) -> tuple[tuple[str, ...], ItemTable | None, pl.DataFrame]:
    """All item ids, the log's first, and the item table and its columns for features in that order."""
    log = tuple(item_ids.to_list())
    if items is None or not items.frame.height:
        return log, None, pl.DataFrame()
    known = item_ids.alias("id").to_frame()
    rest = items.frame.join(known, on="id", how="anti", maintain_order="left")
    rows = pl.concat([known.join(items.frame, on="id", how="left", maintain_order="left"), rest], how="vertical")
    attributes = tuple(tuple(entry) if entry else () for entry in rows["attribute"].to_list())
    positions = rows["row"].fill_null(-1).to_numpy().astype(np.int32)
    table = ItemTable(tuple(rows["title"].to_list()), items.attribute_name, attributes, positions)
    return tuple(rows["id"].to_list()), table, _at(items.further, rows["row"])


def join_users(user_ids: pl.Series, users: RawUsers | None) -> pl.DataFrame:
    """The user table's columns for features, row i belonging to the log's i-th user."""
    if users is None or not users.frame.height:
        return pl.DataFrame()
    rows = user_ids.alias("id").to_frame().join(users.frame, on="id", how="left", maintain_order="left")
    return _at(users.further, rows["row"])


def report(table: RawItems | RawUsers | None) -> dict[str, Any] | None:
    """`{file, rows: {in, accepted, rejected}}`."""
    if table is None:
        return None
    rejected = dict(table.faults.counts)
    rows = {"in": table.rows_in, "accepted": table.rows_in - sum(rejected.values()), "rejected": rejected}
    return {"file": table.faults.file, "rows": rows}


def faults(items: RawItems | None, users: RawUsers | None) -> Mapping[str, Faults]:
    """The faults of the tables that there are, by what their codes begin with."""
    tables = {"items": items, "users": users}
    return {name: table.faults for name, table in tables.items() if table is not None}


def notes(*tables: RawItems | RawUsers | None) -> Iterator[str]:
    """What a person should know of each table: that it, or a column of it, was left out."""
    for table in tables:
        if table is None:
            continue
        file, left_out = table.faults.file, table.further.left_out
        if not table.frame.height:
            yield f"{file}: left out, since none of its ids occurs in the log"
        elif left_out:
            named = ", ".join(f"{shown(name)} ({why})" for name, why in list(left_out.items())[:_NAMED])
            more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
            yield f"{file}: columns left out: {named}{more}"


def _at(further: Further, rows: pl.Series) -> pl.DataFrame:
    """The columns at `rows`, null where a row is null."""
    if not further.frame.width:
        return pl.DataFrame()
    return further.frame.select(pl.all().gather(rows))
