"""Nudges: messages that say that a job may be waiting.

Publishing never fails and never holds its caller up: the row is the job, and the reaper publishes again what got lost.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from queue import Full, Queue
from typing import TYPE_CHECKING

import structlog

from registry.broker_address import TASK, message_queue

if TYPE_CHECKING:
    from celery import Celery

log = structlog.get_logger(__name__)

MAX_PENDING = 1000
_lock = threading.Lock()


def nudge(app: Celery, job_ids: Iterable[str], queue: str, *, wait_seconds: float = 1.0) -> None:
    """Publish `job_ids`, after the commit that made them claimable. Takes at most `wait_seconds`, and never raises.

    While the broker is away calls return at once, and what they wanted to publish is left to the reaper.
    """
    _publisher_of(app).send(job_ids, queue, wait_seconds)


def _publisher_of(app: Celery) -> _Publisher:
    with _lock:
        publisher: _Publisher | None = getattr(app, "pocketrec_publisher", None)
        if publisher is None:
            publisher = app.pocketrec_publisher = _Publisher(app)
        return publisher


class _Publisher:
    """One daemon thread per app, because kombu has no bound on the time that a publish to a dead broker takes."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._pending: Queue[tuple[str, str]] = Queue(MAX_PENDING)
        self._idle = threading.Event()
        self._idle.set()
        self._state = threading.Lock()
        threading.Thread(target=self._run, name="publisher", daemon=True).start()

    def send(self, job_ids: Iterable[str], queue: str, wait_seconds: float) -> None:
        with self._state:
            was_idle = self._idle.is_set()
            for job_id in job_ids:
                try:
                    self._pending.put_nowait((job_id, queue))
                except Full:
                    log.warning("nudge_dropped", job_id=job_id, reason="the broker is away; the reaper publishes again")
                    continue
                self._idle.clear()
        # Work already under way means that the broker is slow or away: don't make each caller wait for it in turn.
        if was_idle and not self._idle.wait(wait_seconds):
            log.warning("nudge_delayed", reason="the broker does not answer; the message goes out when it does")

    def _run(self) -> None:
        while True:
            job_id, queue = self._pending.get()
            try:
                self._app.send_task(TASK, args=[job_id], queue=message_queue(queue), ignore_result=True, retry=False)
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the reaper publishes again
                log.warning("nudge_failed", job_id=job_id, dropped=self._drop_pending(), error=repr(error)[:300])
            with self._state:
                if self._pending.empty():
                    self._idle.set()

    def _drop_pending(self) -> int:
        """Forget what waits: one by one, each would cost another time-out."""
        dropped = 0
        while not self._pending.empty():
            self._pending.get()
            dropped += 1
        return dropped
