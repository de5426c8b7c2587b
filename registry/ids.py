"""Prefixed UUIDv7 ids: `job_0193...`. They sort by time of creation, also as text."""

from __future__ import annotations

import secrets
import threading
import time
from datetime import datetime, timedelta
from typing import Literal

Kind = Literal["ds", "job", "evt", "ckpt", "mdl", "mv", "exs"]

_lock = threading.Lock()
_last_tick = 0


def _tick() -> int:
    """Milliseconds since 1970 times 4096; strictly increasing within this process, also if the clock steps back."""
    global _last_tick
    with _lock:
        _last_tick = max(_last_tick + 1, (time.time_ns() << 12) // 1_000_000)
        return _last_tick


def at(kind: Kind, moment: datetime, shift: timedelta = timedelta(0)) -> str:
    """The least id that could be made at `moment` plus `shift`, to the millisecond: all made before are less."""
    milliseconds = min(max(0, int((moment.timestamp() + shift.total_seconds()) * 1000)), (1 << 48) - 1)
    return f"{kind}_{milliseconds << 80:032x}"


def new(kind: Kind) -> str:
    """`<kind>_` and 32 lower-case hex digits of a UUIDv7 (RFC 9562, method 3: sub-millisecond time in `rand_a`)."""
    tick = _tick()
    milliseconds, fraction = tick >> 12, tick & 0xFFF
    value = (milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | secrets.randbits(62)
    return f"{kind}_{value:032x}"
