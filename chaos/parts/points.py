"""Points at which a process kills itself: armed by a file, which it removes, so that it happens once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from registry.database import Database

CLOCK_PAUSE = 0.2


def die_if_armed(variable: str) -> None:
    """kill -9 of this process, if the file that the environment variable names is there."""
    name = os.environ.get(variable)
    if name is None:
        return
    try:
        Path(name).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


DIE_AFTER_BRPOP = "CHAOS_DIE_AFTER_BRPOP"
"""A worker: between taking a message off Redis and noting it among the unacknowledged ones."""
DIE_BEFORE_PUBLISH = "CHAOS_DIE_BEFORE_PUBLISH"
"""An API: between the commit of a job and its message."""
CLOCK_SECONDS = "CHAOS_CLOCK_SECONDS"
"""How far the clock of the process is off."""
CLOCK_FILE = "CHAOS_CLOCK_FILE"
"""The same, from a file: the clock of a whole machine, which is set while its processes run."""
TRAINER = "CHAOS_TRAINER"
"""A worker: `light` for the stand-in of `chaos.parts.trainer`."""
WORK_SECONDS = "CHAOS_WORK_SECONDS"
"""The stand-in: how long it works."""


def shift_the_clock() -> None:
    """What a wrong clock changes: ids and ages of files everywhere, and on SQLite the time that leases go by."""
    if CLOCK_SECONDS not in os.environ and CLOCK_FILE not in os.environ:
        return
    offset = _offset()
    true_time, true_ns, make = time.time, time.time_ns, Database.__init__
    time.time = lambda: true_time() + offset()
    time.time_ns = lambda: true_ns() + int(offset() * 1e9)

    def shifted(self: Database, url: Any, **more: Any) -> None:
        make(self, url, **more)
        if self.dialect == "sqlite":
            self._clock = lambda: datetime.now(UTC) + timedelta(seconds=offset())

    Database.__init__ = shifted  # type: ignore[method-assign]


def _offset() -> Callable[[], float]:
    if (name := os.environ.get(CLOCK_FILE)) is None:
        fixed = float(os.environ[CLOCK_SECONDS])
        return lambda: fixed
    path, known, asked_at = Path(name), 0.0, float("-inf")

    def read() -> float:
        nonlocal known, asked_at
        if time.monotonic() - asked_at > CLOCK_PAUSE:
            known, asked_at = float(path.read_text()), time.monotonic()
        return known

    return read
