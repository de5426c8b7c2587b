"""Logs written by hand: rows of (user, item, time, rating)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from reco_core.datasets.types import Interactions, ItemTable, LoadReport

Row = tuple[str, str, int, float]


def log_of(
    rows: Sequence[Row],
    *,
    more_items: Sequence[str] = (),
    timed: bool = True,
    attributes: dict[str, tuple[str, ...]] | None = None,
) -> Interactions:
    users = list(dict.fromkeys(row[0] for row in rows))
    items = list(dict.fromkeys([*(row[1] for row in rows), *more_items]))
    table = None
    if attributes is not None:
        values = tuple(attributes.get(item, ()) for item in items)
        table = ItemTable(tuple(f"Title of {item}" for item in items), "genres", values)
    return Interactions(
        users=np.array([users.index(row[0]) for row in rows], np.int32),
        items=np.array([items.index(row[1]) for row in rows], np.int32),
        timestamps=np.array([row[2] for row in rows], np.int64) if timed else None,
        ratings=np.array([row[3] for row in rows], np.float32),
        user_ids=tuple(users),
        item_ids=tuple(items),
        item_table=table,
        report=LoadReport("csv", {}, False, len(rows), len(rows), {}, (), len(users), len(items)),
    )


def sequence_log(text: str, **options) -> Interactions:
    """`u: a b c; v: d a` as a log whose times are the order."""
    rows = []
    for line in text.split(";"):
        user, _, items = line.partition(":")
        rows += [(user.strip(), item, time, 5.0) for time, item in enumerate(items.split())]
    return log_of(rows, **options)


@pytest.fixture
def make_log() -> Callable[..., Interactions]:
    """The function `log_of`."""
    return log_of


@pytest.fixture
def make_sequences() -> Callable[..., Interactions]:
    """The function `sequence_log`."""
    return sequence_log
