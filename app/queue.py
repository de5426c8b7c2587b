"""Telling the workers that a job waits. The database row is the job; a lost message costs only time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Full, Queue
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import structlog

if TYPE_CHECKING:
    from registry.settings import Settings

Nudge = Callable[[Sequence[str]], None]
TASK = "pocketrec.run_job"
QUEUE = "pocketrec.default"
KEY_PREFIX = "pocketrec:"
MAX_PENDING = 1000
log = structlog.get_logger("pocketrec.queue")


class NoBroker(RuntimeError):
    """No broker URL is set, and no embedded broker runs for the state folder."""


@dataclass(frozen=True)
class Route:
    """How kombu reaches a broker."""

    url: str
    options: dict[str, Any]


class Publisher:
    """Sends job ids to the workers. Calling it never raises and never waits: the reaper publishes again what got lost.

    One daemon thread does the sending, because nothing bounds the time that a publish to a dead broker takes.
    """

    def __init__(self, find_url: Callable[[], str]) -> None:
        self._find_url = find_url
        self._pending: Queue[str | None] = Queue(MAX_PENDING)
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, job_ids: Sequence[str]) -> None:
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
                self._thread.start()
        for job_id in job_ids:
            try:
                self._pending.put_nowait(job_id)
            except Full:
                log.warning("nudge_dropped", job_id=job_id, reason="the broker is away; the reaper publishes it again")

    def check(self) -> None:
        """Raise whatever keeps the broker from answering within a few seconds."""
        from kombu import Connection

        to = route(self._find_url())
        with Connection(to.url, transport_options=to.options, connect_timeout=2) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=2)

    def close(self) -> None:
        """Send what waits, for at most a second, and end the thread."""
        with suppress(Full):
            self._pending.put_nowait(None)
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        celery, url = None, ""
        while (job_id := self._pending.get()) is not None:
            try:
                # Looked up each time: the embedded broker gets another address when its process starts again.
                if (found := self._find_url()) != url or celery is None:
                    celery, url = _celery(found), found
                celery.send_task(TASK, args=[job_id], queue=QUEUE, ignore_result=True, retry=False)
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
    if settings.broker_url and settings.broker in ("auto", "url"):
        return settings.broker_url
    folder = settings.state_dir / "broker"
    if settings.broker != "filesystem" and (url := _noted(folder / "address")) is not None:
        return url
    if (folder / "files" / "messages").is_dir():
        return f"filesystem://{folder / 'files'}"
    raise NoBroker(
        f"no broker_url is set and no worker runs a broker for {settings.state_dir}; start `pocketrec serve`"
    )


def _noted(address: Path) -> str | None:
    """The URL that the embedded broker's process noted down, unless its socket is gone."""
    try:
        url = str(json.loads(address.read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if Path(unquote(url.removeprefix("redis+socket://"))).exists() else None


def route(broker_url: str) -> Route:
    """Everything kombu needs, from the URL alone: `redis://`, `redis+socket:///path`, `filesystem:///folder` or others.

    The query `?key_prefix=P` of a Redis URL replaces the prefix of all keys, for a server that several services share.
    """
    scheme, _, rest = broker_url.partition("://")
    if scheme == "filesystem":
        messages = str(Path(rest) / "messages")
        control = str(Path(rest) / "control")
        folders = {"data_folder_in": messages, "data_folder_out": messages, "control_folder": control}
        return Route("filesystem://", folders)
    if scheme not in ("redis", "rediss", "redis+socket"):
        return Route(broker_url, {})
    query = dict(parse_qsl(urlsplit(broker_url).query))
    options = {
        "global_keyprefix": query.pop("key_prefix", KEY_PREFIX),
        "socket_connect_timeout": 2,
        "socket_timeout": 5,
    }
    url = broker_url.partition("?")[0] + (f"?{urlencode(query)}" if query else "")
    return Route(url, options)


def _celery(broker_url: str) -> Any:
    from celery import Celery  # only a process that publishes pays for importing it

    to = route(broker_url)
    celery = Celery("pocketrec", set_as_current=False, backend="disabled")
    celery.conf.update(
        broker_url=to.url,
        broker_transport_options=to.options,
        broker_connection_timeout=2,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_default_queue=QUEUE,
        task_default_exchange=QUEUE,
        task_default_routing_key=QUEUE,
        task_publish_retry=False,
    )
    return celery
