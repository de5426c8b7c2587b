"""Numbers and names as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

NOTHING = "not measured"
_SECONDS = (10**8, 10**10)  # from 1973 to 2286: smaller ones are other units or mere places in an order
_NAMES = {"recall": "HR", "ndcg": "NDCG", "mrr": "MRR"}
_OTHERS = {
    "mean_rank": "Mean rank",
    "novelty@10": "Novelty@10, bits",
    "coverage@10": "Coverage@10",
    "gini@10": "Gini@10",
    "identical_lists@10": "Identical lists@10",
}


def metric_name(key: str) -> str:
    """`recall@10` -> HR@10."""
    name, at, k = key.partition("@")
    return f"{_NAMES[name]}{at}{k}" if name in _NAMES else _OTHERS.get(key, key)


def is_number(value: Any) -> bool:
    """Whether it can be shown and drawn."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def figure(value: Any) -> str:
    """Four digits after the point; one from 10 on, as ranks have."""
    if not is_number(value):
        return NOTHING
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4f}"


def signed(value: Any) -> str:
    """A difference, with its sign."""
    return f"{value:+.4f}" if is_number(value) else NOTHING


def percent(value: Any) -> str:
    """.23 -> 23.0%; small shares get a second digit."""
    if not is_number(value):
        return NOTHING
    return f"{value:.2%}" if 0 < value < 0.01 else f"{value:.1%}"


def count(value: Any) -> str:
    """1682 -> 1,682."""
    return f"{value:,}" if is_number(value) else NOTHING


def interval(bounds: Sequence[float] | None) -> str:
    """`low to high`, each as `figure` has it."""
    return "none" if bounds is None else f"{figure(bounds[0])} to {figure(bounds[1])}"


def metric(found: Mapping[str, Any] | None) -> str:
    """`value (low to high)` of a metric of the report."""
    if found is None:
        return NOTHING
    bounds = found["ci95"]
    return figure(found["value"]) + ("" if bounds is None else f" ({interval(bounds)})")


def size(value: Any) -> str:
    """Bytes: 459773 -> 460 kB."""
    if not is_number(value):
        return NOTHING
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        # 999,600 bytes are 1.0 MB and not 1,000 kB
        if value >= factor * 0.9995:
            shown = value / factor
            return f"{shown:.1f} {unit}" if shown < 99.95 and unit != "kB" else f"{shown:,.0f} {unit}"
    return f"{value:,.0f} bytes"


def duration(seconds: Any) -> str:
    """84.0 -> 1 min 24 s."""
    if not is_number(seconds):
        return NOTHING
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def moment(timestamp: Any) -> str:
    """Seconds since 1970 as a date and a time; other units as they are."""
    # 891382267 -> 1998-03-31 22:11 UTC; 4 -> 4
    if not is_number(timestamp):
        return NOTHING
    if not _SECONDS[0] <= timestamp < _SECONDS[1]:
        return f"{timestamp:,}"
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M} UTC"


def several(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
