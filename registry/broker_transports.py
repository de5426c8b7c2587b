"""Kombu's Redis and filesystem transports, made indifferent to junk in the queue. Loaded only by who connects.

In the stock transports one message that is not well-formed JSON ends the whole worker ('Unrecoverable error'), and the
filesystem transport lets a reader take a message file that is still being written, with the same effect.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from time import time_ns
from typing import Any

import structlog
from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.transport import redis as kombu_redis
from kombu.utils.json import dumps

log = structlog.get_logger(__name__)

# kombu takes the transport of a `name+socket://` URL from the URL only, so ours needs a name.
TRANSPORT_ALIASES["pocketrec"] = "registry.broker_transports:RedisTransport"


def is_well_formed(message: object) -> bool:
    """Whether `message` has the parts that kombu reads without asking."""
    return (
        isinstance(message, dict)
        and isinstance(message.get("body"), str)
        and isinstance(message.get("headers"), dict)
        and isinstance(message.get("properties"), dict)
        and "delivery_tag" in message["properties"]
        and isinstance(message["properties"].get("delivery_info"), dict)
    )


class _DiscardsMalformed:
    def _deliver(self, message: object, queue: str) -> None:
        if is_well_formed(message):
            super()._deliver(message, queue)  # type: ignore[misc]
        else:
            log.warning("message_discarded", reason="not a task message", queue=queue, message=repr(message)[:200])


class RedisChannel(kombu_redis.Channel):  # type: ignore[misc]
    """A channel that discards what is not JSON."""

    def _brpop_read(self, **options: Any) -> bool:
        try:
            return bool(super()._brpop_read(**options))
        except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
            log.warning("message_discarded", reason="not JSON", error=str(error)[:200])
            return True


class RedisTransport(_DiscardsMalformed, kombu_redis.Transport):  # type: ignore[misc]
    """Redis and Valkey, over TCP or a unix socket."""

    Channel = RedisChannel


class FilesystemChannel(filesystem.Channel):  # type: ignore[misc]
    """Messages as files that appear whole or not at all."""

    def _put(self, queue: str, payload: Any, **_kwargs: Any) -> None:
        folder = Path(self.data_folder_out)
        name = f"{time_ns()}_{uuid.uuid4()}.{queue}.msg"
        hidden = folder / f".{name}.part"
        try:
            hidden.write_text(dumps(payload), encoding="utf-8")
            hidden.rename(folder / name)
        except OSError as error:
            raise ChannelError(f"{folder}: can't add a message ({error})") from error

    def _get(self, queue: str) -> Any:
        while True:
            try:
                return super()._get(queue)  # raises Empty when there is none
            except ValueError as error:
                log.warning("message_discarded", reason="not JSON", error=str(error)[:200])


class FilesystemTransport(_DiscardsMalformed, filesystem.Transport):  # type: ignore[misc]
    """Messages as files in a folder, for a machine without any server."""

    Channel = FilesystemChannel
