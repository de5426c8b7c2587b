"""Ends jobs that nobody will work on again, and publishes again those that still wait."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from registry import leases
from worker import alive, attempt_folder, slot
from worker.slots import capacities

if TYPE_CHECKING:
    from worker.runtime import Runtime

log = structlog.get_logger(__name__)

LOOK_SECONDS = 3.0


def reap_once(runtime: Runtime, *, republish_seconds: float | None = None) -> leases.Reaped:
    """One pass: at most as many messages for each queue as this worker has slots for it, oldest job first.

    `republish_seconds` replaces the setting of that name.
    """
    settings = runtime.settings
    with runtime.database.write() as session:
        found = leases.reap(
            session,
            limit=capacities(settings),
            republish_seconds=settings.republish_seconds if republish_seconds is None else republish_seconds,
            queues=settings.queues,
            max_attempts_without_progress=settings.max_attempts_without_progress,
        )
    if found.publish or found.cancelled or found.failed:
        log.info("reaped", published=found.publish, cancelled=found.cancelled, failed=found.failed)
    for queue, job_ids in found.publish.items():
        runtime.nudge(job_ids, queue)
    return found


class Watchdog:
    """Takes waiting jobs itself when a queue's idle slots have not been given them for `PATIENCE` looks in a row.

    Then their messages went to a worker whose slots are all at work, or the queue is broken in some way: the broker is
    gone for good, or Celery's loop hangs. Some slots may well be at work, with jobs that were taken in this way.
    """

    PATIENCE = 1

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._missed = dict.fromkeys(runtime.slots, 0)

    def look(self) -> bool:
        """One look. Returns whether it took over."""
        with self._runtime.database.read() as session:
            waiting = {queue: leases.waiting(session, (queue,)) for queue in self._runtime.slots}
        taken = [queue for queue, count in waiting.items() if self._take_over(queue, count)]
        return bool(taken)

    def _take_over(self, queue: str, waiting: int) -> bool:
        runtime = self._runtime
        count = min(waiting, runtime.slots[queue].free)
        self._missed[queue] = self._missed[queue] + 1 if count else 0
        if self._missed[queue] <= self.PATIENCE or runtime.stopping.is_set():
            return False
        log.info("queue_bypassed", queue=queue, waiting=waiting, reason="slots are idle and no message comes")
        self._missed[queue] = 0
        for _ in range(count):
            work = partial(slot.work, runtime, queue=queue)
            threading.Thread(target=work, name=f"bypass-{queue}", daemon=True).start()
        return True


class Reaper(threading.Thread):
    """A thread that makes a pass at once and then every `reaper_seconds`, until the worker stops.

    In between it looks every LOOK_SECONDS whether jobs wait for slots that are idle; if it is jobs whose lease has run
    out, it makes a pass.
    """

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(name="reaper", daemon=True)
        self._runtime = runtime
        self._watchdog = Watchdog(runtime)

    def run(self) -> None:
        """Never ends by itself: without this thread a lost message would be a lost job."""
        # While no worker ran there may have been no broker either, so at first even the newest messages may be lost.
        republish_seconds: float | None = 0.0
        every = self._runtime.settings.reaper_seconds
        next_pass = time.monotonic()
        while True:
            self._runtime.came_round = time.monotonic()
            try:
                if self._trusts_leases() and (time.monotonic() >= next_pass or self._lease_ran_out()):
                    next_pass = time.monotonic() + every
                    reap_once(self._runtime, republish_seconds=republish_seconds)
                    republish_seconds = None
                    alive.touch(self._runtime.settings)
                    # Of workers of this machine that were killed; nobody may start one here for a long time.
                    attempt_folder.sweep(self._runtime.attempts_dir)
                if self._runtime.disk_gate.is_open():
                    self._watchdog.look()
            except SQLAlchemyError as error:
                log.warning("reaper_failed", error=repr(error)[:300])
            except Exception:
                log.exception("reaper_failed")
            if self._runtime.stopping.wait(min(every, LOOK_SECONDS)):
                return

    def _trusts_leases(self) -> bool:
        with self._runtime.database.read() as session:
            return self._runtime.trusts_leases(session)

    def _lease_ran_out(self) -> bool:
        """Whether a worker has gone silent whose jobs nobody has been told of yet, and this one has a slot for one."""
        runtime = self._runtime
        queues = [queue for queue, slots in runtime.slots.items() if slots.free]
        with runtime.database.read() as session:
            return bool(leases.expired(session, queues, runtime.settings.republish_seconds))
