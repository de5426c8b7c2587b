"""Runs housekeeping beside the jobs: one of all workers does the common part, each one tidies its own machine."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from registry import housekeeping

if TYPE_CHECKING:
    from worker.runtime import Runtime

log = structlog.get_logger(__name__)

# Not at once: a worker that starts has jobs to take, and many may start together.
FIRST_SECONDS = 60.0
# How often those that have nothing to do look whether the common part is due.
LOOK_SECONDS = 300.0


class Housekeeper(threading.Thread):
    """A thread that does a round every `housekeeping_seconds`, until the worker stops. It may be killed anywhere."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(name="housekeeper", daemon=True)
        self._runtime = runtime

    def run(self) -> None:
        """Ends when the worker stops, or at once where it is switched off."""
        every = self._runtime.settings.housekeeping_seconds
        if not every:
            return
        pause = min(every, FIRST_SECONDS) * random.uniform(0.5, 1)
        while not self._runtime.stopping.wait(pause):
            pause = min(every, LOOK_SECONDS)
            self.look()

    def look(self) -> housekeeping.Round | None:
        """Tidy this machine, and do the common round if it is due; what that has removed."""
        runtime = self._runtime
        started = time.monotonic()
        try:
            runtime.tidy_disk()
            done = housekeeping.go_round(
                runtime.database,
                runtime.blobs,
                runtime.settings,
                runtime.worker,
                every_seconds=runtime.settings.housekeeping_seconds,
                go_on=lambda: not runtime.stopping.is_set(),
            )
        except SQLAlchemyError as error:
            log.warning("housekeeping_failed", error=repr(error)[:300])
            return None
        except Exception:
            log.exception("housekeeping_failed")
            return None
        if done is not None:
            log.info(
                "housekeeping_done",
                blobs=done.swept.blobs,
                bytes=done.swept.bytes,
                held_by=done.swept.held_by,
                taken={due.kind: due.objects for due in done.rules if due.objects},
                seconds=round(time.monotonic() - started, 1),
            )
        return done
