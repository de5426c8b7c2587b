"""Watches over one attempt from the side: its limits, the wish to stop, its lease, whatever its supervisor waits for.

The supervisor may sit in a transfer of gigabytes, or in a store that is slow. Its trainer is held to its limits all the
same, and somebody who asked for the end, or a worker that has to go, doesn't wait for the transfer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from registry.errors import LeaseLost
from worker import attempt_folder

if TYPE_CHECKING:
    from worker.lease import Lease
    from worker.parse_limits import Limits
    from worker.process import TrainerProcess
    from worker.runtime import Runtime

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.2
DISK_SECONDS = 2.0  # between two looks at an attempt's folder
# A worker must be gone 20 s after SIGTERM, releasing its leases included.
SHUTDOWN_STOP_SECONDS = 14.0
# For a supervisor to see by itself that it is over.
GRACE_SECONDS = 2.0


class Stop(Enum):
    """Why an attempt was asked, or made, to end."""

    CANCEL = "cancel"
    SHUTDOWN = "shutdown"
    DEADLINE = "deadline"
    MEMORY = "memory"
    DISK = "disk"


class Warden:
    """Looks every TICK_SECONDS while the `with` block lasts.

    `stop` says why the attempt has to end, once it has. Where the supervisor doesn't end it in time, `give_up` does: it
    gets CANCEL or SHUTDOWN, records that end under the lease, and the lease counts as lost from then on.
    """

    def __init__(
        self, runtime: Runtime, lease: Lease, limits: Limits, folder: Path, give_up: Callable[[Stop], object]
    ) -> None:
        self.stop: Stop | None = None
        self._runtime = runtime
        self._lease = lease
        self._limits = limits
        self._folder = folder
        self._give_up = give_up
        self._process: TrainerProcess | None = None
        self._publishes = False
        self._asked = False
        self._deadline = self._kill_at = self._give_up_at = float("inf")
        self._look_at_disk = 0.0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        watch = partial(copy_context().run, self._watch)  # with the fields that the supervisor's lines carry
        self._thread = threading.Thread(target=watch, name=f"warden-{lease.claim.job_id}", daemon=True)

    def __enter__(self) -> Warden:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        # Not joined: it may itself wait for the database, and what it writes is under the fence.
        self._closed.set()

    def take(self, process: TrainerProcess) -> None:
        """From now on hold `process` to the limits; its time begins now."""
        with self._lock:
            self._process = process
            self._deadline = time.monotonic() + self._limits.seconds
            self._give_up_at = float("inf")

    def leave(self, *, publishes: bool = False) -> None:
        """The trainer has no more to say. `publishes`: it has a result, which a worker that stops still stores."""
        with self._lock:
            self._process = None
            self._publishes = publishes

    def seconds_to_kill(self) -> float:
        """Seconds until a trainer that was asked to stop is killed."""
        return max(0.0, self._kill_at - time.monotonic())

    def _watch(self) -> None:
        while not self._closed.wait(TICK_SECONDS):
            with self._lock:
                if self._closed.is_set():
                    return
                if self._is_lost():
                    # Its supervisor notices as soon as it looks; until then nobody else would end the trainer.
                    if self._process is not None:
                        self._process.kill()
                    return
                self._look(time.monotonic())
                why = self.stop if time.monotonic() > self._give_up_at else None
            if why is not None:
                self._end_it(why)
                return

    def _is_lost(self) -> bool:
        try:
            self._lease.check()
        except LeaseLost:
            return True
        return False

    def _end_it(self, why: Stop) -> None:
        log.warning("attempt_given_up", why=why.value, reason="its supervisor still waits for a transfer")
        try:
            self._give_up(why)
        except LeaseLost:
            log.debug("attempt_over", why=why.value)  # the supervisor was faster after all
        except Exception:
            log.exception("attempt_not_given_up")  # the lease runs out, and the reaper sees to it
        finally:
            self._lease.lost.set()

    def _look(self, now: float) -> None:
        if now > self._kill_at and self._process is not None:
            self._process.kill()
        if self.stop is None:
            self._judge(now)
        elif self._process is not None and not self._asked:
            self._ask(self._process, now)  # it was started just when the attempt was to end

    def _judge(self, now: float) -> None:
        process = self._process
        if process is not None and self._is_over_memory(process):
            self._kill(process, Stop.MEMORY)
        elif process is not None and self._is_over_disk(now):
            self._kill(process, Stop.DISK)
        elif self._lease.cancel_requested.is_set():
            self._stop_for(Stop.CANCEL, now)
        elif self._runtime.stopping.is_set():
            self._stop_for(Stop.SHUTDOWN, now)
        elif process is not None and now > self._deadline:
            self._stop_for(Stop.DEADLINE, now)

    def _is_over_memory(self, process: TrainerProcess) -> bool:
        limit = self._limits.memory_bytes
        return limit is not None and (process.held_bytes() or 0) > limit

    def _is_over_disk(self, now: float) -> bool:
        limit = self._runtime.settings.attempt_disk_bytes
        if limit is None or now < self._look_at_disk:
            return False
        self._look_at_disk = now + DISK_SECONDS
        return attempt_folder.size(self._folder) > limit

    def _kill(self, process: TrainerProcess, why: Stop) -> None:
        self.stop = why
        process.kill()

    def _stop_for(self, why: Stop, now: float) -> None:
        self.stop = why
        if self._process is not None:
            self._ask(self._process, now)
        elif why is Stop.SHUTDOWN and self._publishes:
            self._give_up_at = now + SHUTDOWN_STOP_SECONDS
        else:
            self._give_up_at = now + GRACE_SECONDS

    def _ask(self, process: TrainerProcess, now: float) -> None:
        why, self._asked = self.stop, True
        log.info("trainer_asked_to_stop", why=why.value if why else None)
        seconds = self._runtime.settings.stop_seconds
        self._kill_at = now + (min(SHUTDOWN_STOP_SECONDS, seconds) if why is Stop.SHUTDOWN else seconds)
        if why in (Stop.CANCEL, Stop.SHUTDOWN):
            self._give_up_at = self._kill_at + GRACE_SECONDS
        process.terminate()
