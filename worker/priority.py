"""Trainings give way: the API and the worker on the same machine get the processor first."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

LOWEST = 19
# Linux takes a new weight for a session at most ten times a second.
TRIES = 5
PAUSE_SECONDS = 0.11


def lower(pid: int, by: int) -> None:
    """Let the process `pid`, just started as the leader of a session of its own, give way by `by` steps of niceness.

    Best effort: where the system refuses, it runs as it would have.
    """
    if by <= 0:
        return
    nice = min(LOWEST, os.getpriority(os.PRIO_PROCESS, 0) + by)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    # Where Linux shares the processor among sessions first (autogroup), niceness counts only inside each of them.
    group = Path(f"/proc/{pid}/autogroup")
    for _ in range(TRIES):
        try:
            group.write_text(str(nice))
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        except OSError:
            return
        else:
            return
