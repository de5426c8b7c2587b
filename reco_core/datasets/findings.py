"""What is odd about a log without spoiling it: counted in the report, so that poor results needn't be puzzled over."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets.faults import MAX_EXAMPLES, Finding, at_lines, with_values
from reco_core.datasets.tables import RawItems, RawUsers, Table

_HASHES_AT_ONCE = 1 << 20


def of_log(table: Table, accepted: pl.DataFrame, kept: NDArray[np.int64] | None) -> Iterator[Finding]:
    """Rows that repeat another one, and blank lines.

    Args:
        table: as it stands in the file.
        accepted: the good rows, users and items as codes.
        kept: where in the table each of them stands; None: all are good.
    """
    if table.faults.blank_lines:
        yield Finding("blank_lines", table.faults.blank_lines, "blank lines; they count as no rows")
    # Without times the same item may well come twice in a timeline.
    if "timestamp" not in accepted.columns or accepted.is_empty():
        return
    hashes = accepted.hash_rows()
    if repeated := accepted.height - _distinct(hashes):
        at = np.flatnonzero(~hashes.is_first_distinct().to_numpy())[:MAX_EXAMPLES]
        lines = table.lines[at if kept is None else kept[at]]
        detail = "rows that repeat an earlier one: the same user, item, time and rating; all were kept"
        yield Finding("duplicate_rows", repeated, detail, at_lines(table.name, lines))


def _distinct(hashes: pl.Series) -> int:
    """How many different ones there are, in parts: a set of them all would be the largest thing in memory."""
    count = 1 + hashes.len() // _HASHES_AT_ONCE
    if count == 1:
        return hashes.n_unique()
    part = (hashes % count).cast(pl.UInt8)
    return sum(hashes.filter(part == number).n_unique() for number in range(count))


def of_items(items: RawItems | None, log_ids: pl.Series) -> Iterator[Finding]:
    """What the item table and the log say about each other."""
    if items is None:
        return
    yield from items.findings
    if items.frame.is_empty():
        return
    table_ids = items.frame["id"]
    absent = log_ids.filter(~log_ids.is_in(table_ids.implode()))
    if absent.len():
        detail = "items of the log that the item table doesn't have; they get no title"
        yield Finding("items_without_entry", absent.len(), detail, with_values(absent.head(MAX_EXAMPLES)))
    unused = table_ids.filter(~table_ids.is_in(log_ids.implode()))
    if unused.len():
        detail = "items of the item table that no row of the log has; nothing can be learned about them"
        yield Finding("items_never_used", unused.len(), detail, with_values(unused.head(MAX_EXAMPLES)))


def of_users(users: RawUsers | None, log_ids: pl.Series) -> Iterator[Finding]:
    """What the user table and the log say about each other."""
    if users is None:
        return
    yield from users.findings
    if users.frame.is_empty():
        return
    table_ids = users.frame["id"]
    absent = log_ids.filter(~log_ids.is_in(table_ids.implode()))
    if absent.len():
        detail = "users of the log that the user table doesn't have; their features are missing values"
        yield Finding("users_without_entry", absent.len(), detail, with_values(absent.head(MAX_EXAMPLES)))
    unused = table_ids.filter(~table_ids.is_in(log_ids.implode()))
    if unused.len():
        detail = "users of the user table that no row of the log has; they were left out"
        yield Finding("users_never_seen", unused.len(), detail, with_values(unused.head(MAX_EXAMPLES)))


def unusable_ids(role: str, ids: pl.Series) -> Finding:
    """Rows of the item or user table whose ids can't stand in a vocabulary."""
    detail = f"rows of the {role} table whose id has control characters, is too long, or reserved; they were left out"
    return Finding(f"{role}_id_unusable", ids.len(), detail, with_values(ids.head(MAX_EXAMPLES)))
