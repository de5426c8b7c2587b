"""Telling the workers that a job waits. The database row is the job; a lost message costs only time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog

if TYPE_CHECKING:
    from registry.settings import Settings

Nudge = Callable[[Sequence[str]], None]
TASK = "pocketrec.run_job"
QUEUE = "pocketrec.default"
KEY_PREFIX = "pocketrec:"
log = structlog.stdlib.get_logger("pocketrec.queue")


class NoBroker(RuntimeError):
    """No broker URL is set, and no embedded broker runs for the state folder."""


@dataclass(frozen=True)
class Route:
    """How kombu reaches a broker."""

    url: str
    options: dict[str, Any]


class Publisher:
    """Sends job ids to the workers. Calling it never raises: the reaper publishes again what didn't arrive."""

    def __init__(self, find_url: Callable[[], str]) -> None:
        self._find_url = find_url
        self._url: str | None = None
        self._celery: Any = None

    def __call__(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            try:
                self._connect().send_task(TASK, args=[job_id], queue=QUEUE, ignore_result=True, retry=False)
            except Exception as error:  # noqa: BLE001 - the job is committed; whatever is wrong with the broker can wait
                self.close()
                log.warning("publish_failed", job_id=job_id, error=repr(error), remedy="the reaper publishes it again")

    def check(self) -> None:
        """Raise whatever keeps the broker from answering within a few seconds."""
        with self._connect().connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=2)

    def close(self) -> None:
        """Close the connections; the next call opens new ones, to wherever the broker is then."""
        celery, self._celery = self._celery, None
        if celery is not None:
            celery.close()

    def _connect(self) -> Any:
        url = self._find_url()
        if self._celery is None or url != self._url:
            self.close()
            self._celery, self._url = _celery(url), url
        return self._celery


def publisher(settings: Settings) -> Publisher:
    """A publisher to the configured broker, or to the embedded one that runs for `settings.state_dir`."""
    return Publisher(lambda: settings.broker_url or embedded_url(settings.state_dir))


def embedded_url(state_dir: Path) -> str:
    """The URL of the embedded broker, as its process noted it down.

    Raises:
        NoBroker: there is no note.
    """
    folder = state_dir / "broker"
    try:
        return str(json.loads((folder / "address").read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        if (folder / "files" / "messages").is_dir():
            return f"filesystem://{folder / 'files'}"
        raise NoBroker(f"no broker_url is set and no embedded broker runs for {state_dir}") from None


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
