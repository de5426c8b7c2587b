"""The first rows of a log as they were understood, for people to see that user, item and time are the right ones."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets import detect, sources
from reco_core.datasets.limits import Limits
from reco_core.datasets.spec import DatasetSpec
from reco_core.datasets.tables import RawItems, RawLog, RawUsers
from reco_core.errors import PocketRecError

MAX_ROWS = 100
MAX_ITEMS = 20
MAX_CATEGORIES = 10
MAX_COLUMNS = 200
MAX_LINES = 20
MAX_VALUE = 200  # characters
_HEAD = 1 << 16
_TIMES = 10_000  # are enough to tell seconds from milliseconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Per second, and the times that are then taken for it: from 1973 on, 1e8 seconds, to the year 5138.
_UNITS = (("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9))


def of(
    raw: RawLog,
    accepted: pl.DataFrame,
    kept: NDArray[np.int64] | None,
    items: RawItems | None,
    users: RawUsers | None = None,
) -> dict[str, Any]:
    """`{format, file, mapping, mapping_detected, columns, timestamp_unit, rows, items, users, lines}`, JSON-able.

    Args:
        raw: as it stands in the file.
        accepted: the good rows, their values checked.
        kept: where in `raw` each of them stands; None: all are good.
        items: the item table as it is used.
        users: the user table as it is used.
    """
    count = min(accepted.height, MAX_ROWS)
    positions = np.arange(count) if kept is None else kept[:count]
    head, as_written = accepted.head(count), raw.table.frame[positions.tolist()]
    unit = _unit(accepted["timestamp"]) if "timestamp" in accepted.columns else None
    rows = []
    for index, row in enumerate(head.iter_rows(named=True)):
        written = as_written["timestamp"][index] if "timestamp" in as_written.columns else None
        rows.append(
            {
                "line": int(raw.table.lines[positions[index]]),
                "user": cut(row["user"]),
                "item": cut(row["item"]),
                "timestamp": _as_time(row.get("timestamp"), unit),
                "timestamp_raw": None if written is None else cut(written),
                "rating": None if row.get("rating") is None else float(f"{row['rating']:.6g}"),
            }
        )
    return {
        "format": raw.format,
        "file": cut(raw.table.name),
        "mapping": {role: None if column is None else cut(column) for role, column in raw.mapping.items()},
        "mapping_detected": raw.detected,
        "columns": [{"name": cut(name), "type": kind} for name, kind in raw.columns[:MAX_COLUMNS]],
        "timestamp_unit": unit,
        "rows": rows,
        "items": [] if items is None else _items(items),
        "users": [] if users is None else _users(users),
        "lines": [],
    }


def first_lines(source: Path, spec: DatasetSpec, limits: Limits | None = None) -> dict[str, Any] | None:
    """What there is to see of a source that can't be read: its log's first lines; None: not even those."""
    limits = limits or Limits()
    try:
        with sources.opened(source, limits) as files:
            try:
                format_, name = detect.choose(files, spec)
            except PocketRecError:
                format_, name = None, files.main or next(iter(files.names))
            with files.path(name).open("rb") as file:
                head = file.read(_HEAD)
    except (PocketRecError, OSError, ValueError, StopIteration):
        return None
    if head[:4] in (b"PAR1", b"PK\x03\x04") or head[:2] in (b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff"):
        return None
    text = head.decode("utf-8-sig" if spec.encoding == "utf-8" else spec.encoding, "replace")
    lines = [cut(line) for line in text.split("\n", MAX_LINES)[:MAX_LINES]]
    empty = {"mapping": {}, "mapping_detected": False, "columns": [], "timestamp_unit": None, "rows": []}
    empty |= {"items": [], "users": []}
    return {"format": format_, "file": cut(name), **empty, "lines": lines}


def cut(value: object) -> str:
    """A value as text: at most MAX_VALUE characters, and none that a terminal or a database would choke on."""
    text = str(value)
    text = text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"
    return re.sub(
        r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]",
        "\N{REPLACEMENT CHARACTER}",
        text.rstrip("\r"),
    )


def _unit(times: pl.Series) -> str | None:
    """The unit that makes most times fall between 1973 and 5138; None: none does, they may be mere numbers."""
    some = times.gather_every(max(1, times.len() // _TIMES))
    middle = abs(float(some.median() or 0))  # type: ignore[arg-type]
    return next((unit for unit, per_second in _UNITS if 1e8 * per_second <= middle < 1e11 * per_second), None)


def _as_time(time: int | None, unit: str | None) -> str | None:
    if time is None or unit is None:
        return None
    per_second = dict(_UNITS)[unit]
    try:
        moment = _EPOCH + timedelta(seconds=time // per_second, microseconds=time % per_second * 10**6 // per_second)
    except OverflowError:
        return None
    return moment.isoformat().replace("+00:00", "Z")


def _items(items: RawItems) -> list[dict[str, Any]]:
    return [
        {
            "item": cut(row["id"]),
            "title": None if row["title"] is None else cut(row["title"]),
            "categories": [cut(value) for value in (row["attribute"] or [])[:MAX_CATEGORIES]],
            "features": _features(items.further.frame, row["row"], without=items.attribute_name),
        }
        for row in items.frame.head(MAX_ITEMS).iter_rows(named=True)
    ]


def _users(users: RawUsers) -> list[dict[str, Any]]:
    return [
        {"user": cut(row["id"]), "features": _features(users.further.frame, row["row"])}
        for row in users.frame.head(MAX_ITEMS).iter_rows(named=True)
    ]


def _features(columns: pl.DataFrame, row: int, without: str | None = None) -> dict[str, Any]:
    if not columns.width:
        return {}
    shown = {name: value for name, value in columns.row(row, named=True).items() if name != without}
    return {cut(name): _feature(value) for name, value in shown.items()}


def _feature(value: Any) -> Any:
    if isinstance(value, list):
        return [_feature(one) for one in value[:MAX_CATEGORIES]]
    return cut(value) if isinstance(value, str) else value
