"""The machine at hand: its memory, and its speed as finished jobs show it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_GROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_SLOWEST, _FASTEST = 20.0, 0.05  # a single job says no more than this


def machine_memory(*, group: bool = True) -> int | None:
    """Bytes of memory of this machine, or None where the system doesn't tell.

    Args:
        group: whether the limit of the container that this process runs in counts too.
    """
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    if physical <= 0:
        return None
    limits = [_limit(path) for path in _GROUP_LIMITS] if group else []
    return min([physical, *(limit for limit in limits if limit is not None)])


def machine_factor(finished: Iterable[tuple[Mapping[str, Any], int, float]]) -> float:
    """How many times as long as on the machine measured jobs take here.

    The geometric mean of what jobs took over what was expected of as many epochs; the constants count as one job more,
    so that the first job moves the factor by half and twenty settle it.

    Args:
        finished: the estimate that was stored with the job, the epochs that it trained, and the seconds it took.
    """
    logs = [math.log(ratio) for job in finished if (ratio := _ratio(*job)) is not None]
    return math.exp(sum(logs) / (len(logs) + 1))


def _ratio(estimate: Mapping[str, Any], epochs: int, seconds: float) -> float | None:
    try:
        told = estimate["seconds"]
        missed = epochs - estimate["epochs"]["expected"]
        expected = (told["total"]["expected"] + missed * told["per_epoch"]) / told["machine_factor"]
        usable = estimate["exact"] and expected > 0 and seconds > 0
        return min(_SLOWEST, max(_FASTEST, seconds / expected)) if usable else None
    except (KeyError, TypeError, ZeroDivisionError):  # stored by another version
        return None


def _limit(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # "max" stands for none
        return None
