"""Sums over all processes and restarts, for `/metrics`: what only grows, such as jobs finished and seconds spent.

A sum belongs to the transaction whose work it counts. Many transactions change the same few rows, so the changes are
kept until the commit and then made by one last statement, in a fixed order: a row is locked for a moment only, and no
two transactions wait for each other.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from registry import tables

SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0)
"""Upper bounds of the buckets in which durations are counted; longer ones go into `INFINITE`."""

INFINITE = "+Inf"
_PENDING = "pocketrec_counters"
_counters = tables.counters


@dataclass(frozen=True)
class Sum:
    """One sum. `labels` say what is counted, such as `{"type": "train", "status": "failed"}`."""

    name: str
    labels: Mapping[str, str]
    value: float


def add(session: Session, name: str, labels: Mapping[str, str], value: float = 1) -> None:
    """Add `value` (never negative) to a sum when `session` is committed; nothing if it is rolled back."""
    pending: dict[tuple[str, str], float] | None = session.info.get(_PENDING)
    if pending is None:
        pending = session.info[_PENDING] = {}
        event.listen(session, "before_commit", _write)
    key = (name, canonical(labels))
    pending[key] = pending.get(key, 0.0) + max(0.0, float(value))


def observe(session: Session, name: str, labels: Mapping[str, str], seconds: float) -> None:
    """Count a duration: in the bucket `{name}_bucket` whose label `le` is its upper bound, and in `{name}_sum`.

    Each duration is in one bucket only: 7 s are in `le="15.0"`, of which `le="5.0"` knows nothing.
    """
    seconds = max(0.0, seconds)
    place = bisect_left(SECONDS, seconds)
    bound = str(SECONDS[place]) if place < len(SECONDS) else INFINITE
    add(session, f"{name}_bucket", {**labels, "le": bound})
    add(session, f"{name}_sum", labels, seconds)


def read_all(session: Session) -> list[Sum]:
    """All sums, by name and labels."""
    rows = session.execute(select(_counters).order_by(_counters.c.name, _counters.c.labels))
    return [Sum(row.name, json.loads(row.labels), row.value) for row in rows]


def canonical(labels: Mapping[str, str]) -> str:
    """`labels` as they are stored: JSON with sorted keys."""
    return json.dumps(dict(labels), sort_keys=True, separators=(",", ":"))


def _write(session: Session) -> None:
    pending: dict[tuple[str, str], float] = session.info[_PENDING]
    changes, session.info[_PENDING] = sorted(pending.items()), {}
    if not changes:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    rows = [{"name": name, "labels": labels, "value": value} for (name, labels), value in changes]
    statement = insert(_counters).values(rows)
    summed = statement.on_conflict_do_update(
        index_elements=[_counters.c.name, _counters.c.labels],
        set_={"value": _counters.c.value + statement.excluded.value},
    )
    session.execute(summed)
