"""Points at which a process kills itself: armed by a file, which it removes, so that it happens once."""

from __future__ import annotations

import os
import signal
from pathlib import Path


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
"""A worker: how far its clock is off."""
TRAINER = "CHAOS_TRAINER"
"""A worker: `light` for the stand-in of `chaos.parts.trainer`."""
WORK_SECONDS = "CHAOS_WORK_SECONDS"
"""The stand-in: how long it works."""
