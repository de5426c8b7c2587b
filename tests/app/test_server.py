"""How the server ends, and how it gets rid of clients that never finish a request."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app import http_protocol
from app.server import make_server


class Running:
    def __init__(self, service: Any) -> None:
        self.service = service
        self.server = make_server(service.app)
        self.server.config.lifespan = "off"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@pytest.fixture
def running(service: Any) -> Iterator[Running]:
    found = Running(service)
    found.thread.start()
    while not found.server.started:
        time.sleep(0.01)
    yield found
    found.stop()
    found.listener.close()


def test_streams_and_held_answers_do_not_delay_the_end(running: Running) -> None:
    job_id = running.service.job(preset="bow").json()["id"]
    base = f"http://127.0.0.1:{running.port}"
    held: list[int] = []
    poll = threading.Thread(
        target=lambda: held.append(httpx.get(f"{base}/v1/jobs/{job_id}?wait=30", timeout=40).status_code)
    )
    poll.start()
    with httpx.stream("GET", f"{base}/v1/jobs/{job_id}/events", headers={"Accept": "text/event-stream"}) as stream:
        chunks = stream.iter_text()
        text = next(chunks)
        watcher = running.service.app.state.services.watcher
        while sum(watched.users for watched in list(watcher._subjects.values())) < 3:
            time.sleep(0.01)
        running.stop()
        # A whole end: what uvicorn still finds open after some seconds it breaks off.
        assert (text + "".join(chunks)).endswith("\n\n")
    poll.join(10)
    assert held == [200]


def test_a_client_that_leaves_is_no_reader_any_more(running: Running) -> None:
    job_id = running.service.job(preset="bow").json()["id"]
    watcher = running.service.app.state.services.watcher
    with running.connect() as connection:
        connection.sendall(
            f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
        )
        assert b" 200 " in connection.recv(4096)
        deadline = time.monotonic() + 10
        while not watcher.readers and time.monotonic() < deadline:
            time.sleep(0.01)
        assert watcher.readers == 1
    while watcher._subjects and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (watcher.readers, watcher._subjects) == (0, {})


@pytest.mark.parametrize("first", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_a_head_that_never_ends_is_given_up(running: Running, monkeypatch: pytest.MonkeyPatch, first: bytes) -> None:
    monkeypatch.setattr(http_protocol, "MAX_HEAD_SECONDS", 0.2)
    with running.connect() as connection:
        received = b""
        if first:
            connection.sendall(first)
            while b'{"status":"ok"}' not in received:
                received += connection.recv(4096)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-")
        received = b""
        while chunk := connection.recv(4096):
            received += chunk
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b'"request_timeout"' in received


def test_bytes_that_trickle_in_win_no_time(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "MAX_HEAD_SECONDS", 0.2)

    def trickle(connection: socket.socket) -> None:
        for _ in range(500):
            connection.sendall(b"G")
            time.sleep(0.02)

    with running.connect() as connection, pytest.raises(ConnectionError):
        trickle(connection)


def test_a_client_that_sends_nothing_is_closed(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "MAX_HEAD_SECONDS", 0.2)
    with running.connect() as connection:
        assert connection.recv(10) == b""


def test_an_answer_under_way_is_not_disturbed(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head of a second request trickles in while the first one is held."""
    monkeypatch.setattr(http_protocol, "MAX_HEAD_SECONDS", 0.1)
    job_id = running.service.job(preset="bow").json()["id"]
    with running.connect() as connection:
        connection.sendall(f"GET /v1/jobs/{job_id}?wait=1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET ".encode())
        received = b""
        while b"}" not in received[-3:]:
            received += connection.recv(65536)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b" 408 " not in received.partition(b"\r\n\r\n")[2]
