"""Trainings give way: others on the same machine get the processor first, and lose their memory last."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

LOWEST = 19
FIRST_TO_GO = 800  # of 1000
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


def offer(pid: int) -> None:
    """Where the machine runs out of memory, let the system end the process `pid` first, and not its supervisor.

    The supervisor knows what to do about it; a database or a worker that was ended in its place costs all jobs. Best
    effort: not every system has it.
    """
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(FIRST_TO_GO))
