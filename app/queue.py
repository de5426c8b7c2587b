"""Telling the workers that a job waits. The database row is the job; a lost message costs only time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Full, Queue
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from registry import broker_address
from registry.broker_address import TASK, message_queue

if TYPE_CHECKING:
    from registry.settings import Settings


class Nudge(Protocol):
    """Tells the workers that take jobs from `queue` that these jobs wait; never raises and never waits."""

    def __call__(self, job_ids: Sequence[str], queue: str) -> None: ...


MAX_PENDING = 1000
log = structlog.get_logger("pocketrec.queue")


class NoBroker(RuntimeError):
    """No broker URL is set, and no embedded broker runs for the state folder."""


class MessagesEvicted(RuntimeError):
    """The broker throws messages away when its memory is full."""


class Publisher:
    """Sends job ids to the workers. Calling it never raises and never waits: the reaper publishes again what got lost.

    One daemon thread does the sending, because nothing bounds the time that a publish to a dead broker takes.
    """

    def __init__(self, find_url: Callable[[], str]) -> None:
        self._find_url = find_url
        self._pending: Queue[tuple[str, str] | None] = Queue(MAX_PENDING)
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, job_ids: Sequence[str], queue: str) -> None:
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
                self._thread.start()
        for job_id in job_ids:
            try:
                self._pending.put_nowait((job_id, queue))
            except Full:
                log.warning("nudge_dropped", job_id=job_id, reason="the broker is away; the reaper publishes it again")

    def check(self) -> None:
        """Raise whatever keeps the broker from answering within a few seconds."""
        from kombu import Connection

        to = _connection(self._find_url())
        with Connection(to.url, transport=to.transport, transport_options=to.options, connect_timeout=2) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=2)
            if to.is_redis:
                _require_no_eviction(connection.default_channel.client.info("memory"))

    def close(self) -> None:
        """Send what waits, for at most a second, and end the thread."""
        with suppress(Full):
            self._pending.put_nowait(None)
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        celery, url = None, ""
        while (pending := self._pending.get()) is not None:
            job_id, queue = pending
            try:
                # Looked up each time: the embedded broker gets another address when its process starts again.
                if (found := self._find_url()) != url or celery is None:
                    celery, url = _celery(found), found
                celery.send_task(TASK, args=[job_id], queue=message_queue(queue), ignore_result=True, retry=False)
            except Exception as error:  # noqa: BLE001 - the job is committed; whatever is wrong with the broker can wait
                celery = None
                log.warning(
                    "nudge_failed", job_id=job_id, error=repr(error)[:300], remedy="the reaper publishes it again"
                )
        if celery is not None:
            celery.close()


def publisher(settings: Settings) -> Publisher:
    """A publisher to the configured broker, or to the embedded one that a worker runs for `settings.state_dir`."""
    return Publisher(lambda: find_url(settings))


def find_url(settings: Settings) -> str:
    """The URL of the broker, which a worker chooses if none is configured.

    Raises:
        NoBroker: no worker has started one yet.
    """
    if (url := broker_address.in_use(settings)) is not None:
        return url
    raise NoBroker(
        f"no broker_url is set and no worker runs a broker for {settings.state_dir}; start `pocketrec serve`"
    )


def _connection(broker_url: str) -> broker_address.Connection:
    """As `connection_to` says, with an end to every wait: a sender has better things to do."""
    from registry import broker_transports  # noqa: F401 - makes its names known to kombu

    to = broker_address.connection_to(broker_url)
    return replace(to, options=to.options | {"socket_connect_timeout": 2, "socket_timeout": 5}) if to.is_redis else to


def _require_no_eviction(memory: Mapping[str, Any]) -> None:
    policy = memory.get("maxmemory_policy", "noeviction")
    if int(memory.get("maxmemory", 0)) > 0 and policy != "noeviction":
        raise MessagesEvicted(
            f"the broker drops messages when its memory is full (maxmemory-policy {policy}); set it to noeviction"
        )


def _celery(broker_url: str) -> Any:
    from celery import Celery  # only a process that publishes pays for importing it

    to = _connection(broker_url)
    celery = Celery("pocketrec", set_as_current=False, backend="disabled")
    celery.conf.update(
        broker_address.MESSAGE_FORM,
        broker_url=to.url,
        broker_transport=to.transport,
        broker_transport_options=to.options,
        broker_connection_timeout=2,
    )
    return celery
