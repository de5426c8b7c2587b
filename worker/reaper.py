"""Ends jobs that nobody will work on again, and publishes again those that still wait."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from registry import leases

if TYPE_CHECKING:
    from worker.runtime import Runtime

log = structlog.get_logger(__name__)


def reap_once(runtime: Runtime) -> leases.Reaped:
    """One pass: at most as many messages as this worker has slots, oldest job first."""
    settings = runtime.settings
    with runtime.database.write() as session:
        found = leases.reap(
            session,
            limit=settings.slots,
            republish_seconds=settings.republish_seconds,
            max_attempts_without_progress=settings.max_attempts_without_progress,
        )
    if found.publish or found.cancelled or found.failed:
        log.info("reaped", published=found.publish, cancelled=found.cancelled, failed=found.failed)
    runtime.nudge(found.publish)
    return found


class Reaper(threading.Thread):
    """A thread that makes a pass at once and then every `reaper_seconds`, until the worker stops."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(name="reaper", daemon=True)
        self._runtime = runtime

    def run(self) -> None:
        while True:
            try:
                reap_once(self._runtime)
            except SQLAlchemyError as error:
                log.warning("reaper_failed", error=repr(error)[:300])
            except Exception:
                # This thread is what no job gets lost without, so it must outlive any fault.
                log.exception("reaper_failed")
            if self._runtime.stopping.wait(self._runtime.settings.reaper_seconds):
                return
