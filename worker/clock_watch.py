"""Notices that the clock by which leases are counted went ahead of time: somebody set it, or the machine has slept.

Then every lease looks run out, though all workers are at work: on SQLite they and the clock are of one machine. For as
long as they need to renew their leases nobody takes one.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime

import structlog

log = structlog.get_logger(__name__)

HEARTBEATS = 3  # for all to have had their say


class ClockWatch:
    """Compares the clock with one that nobody sets and that stands still while the machine sleeps."""

    def __init__(self, heartbeat_seconds: float) -> None:
        self._heartbeat_seconds = heartbeat_seconds
        self._lock = threading.Lock()
        self._ahead: float | None = None
        self._until = 0.0

    def trusts(self, moment: datetime) -> bool:
        """Whether a lease that has run out by `moment`, which is now, has really done so."""
        with self._lock:
            now = time.monotonic()
            before, self._ahead = self._ahead, moment.timestamp() - now
            if before is not None and (jump := self._ahead - before) > max(1.0, self._heartbeat_seconds):
                self._until = now + HEARTBEATS * self._heartbeat_seconds
                log.warning("clock_went_ahead", seconds=round(jump, 1), reason="no lease counts as run out for now")
            return now >= self._until
