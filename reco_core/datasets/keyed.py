"""What item tables and user tables have in common: rows that are found by an id."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from reco_core.datasets import column_types, values
from reco_core.datasets.faults import Finding, at_lines
from reco_core.datasets.limits import Limits
from reco_core.datasets.tables import Further, Table


def rows(table: Table, ids: pl.Series, role: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """`id` (text, each once) and `row` (Int32, its row in the table), in the table's order.

    Rows without id are faults. A file that repeats an id says the same thing twice, or contradicts itself; either way
    the first row counts, and the others are a finding.
    """
    frame = pl.DataFrame({"id": values.ids(ids, role, table.name)}).with_columns(
        row=pl.int_range(pl.len(), dtype=pl.Int32)
    )
    absent = frame["id"].is_null().to_numpy()
    table.faults.add(f"{role}_missing", table.lines[absent], f"{role} id missing")
    frame, lines = frame.filter(~absent), table.lines[~absent]
    first = frame["id"].is_first_distinct().to_numpy()
    repeated = int((~first).sum())
    if not repeated:
        return frame, ()
    detail = f"rows of the {role} table with an id that stands further up; the first one counts"
    finding = Finding(f"{role}_repeated", repeated, detail, at_lines(table.name, lines[~first]))
    return frame.filter(first), (finding,)


def chosen(columns: Sequence[str], limits: Limits) -> tuple[list[str], dict[str, str]]:
    """The columns to read as features, no more than the limit, and the others with the reason."""
    more = dict.fromkeys(columns[limits.feature_columns :], f"beyond the first {limits.feature_columns}")
    return list(columns[: limits.feature_columns]), more


def further(frame: pl.DataFrame, left_out: dict[str, str], limits: Limits) -> Further:
    """The columns of `frame`, typed; `left_out` are those that were not even read."""
    typed = column_types.typed(frame, limits)
    return Further(typed.frame, {**typed.left_out, **left_out})
