"""Downloads over real sockets: files sent by the kernel, as the service runs."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import file_responses
from app.http_protocol import MAX_HEAD_BYTES
from tests.app import servers

LARGE = os.urandom(1 << 20) * 6
SMALL = os.urandom(1000)
BASE = "/v1/models/films/versions/1/files"


class Server(servers.Server):
    """A server to which connections are opened by hand."""

    def connect(self) -> Connection:
        return Connection(self.port)


class Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def ask(self, path: str, *lines: str, method: str = "GET", version: str = "1.1") -> None:
        head = [f"{method} {path} HTTP/{version}", "Host: 127.0.0.1", *lines, "", ""]
        self.socket.sendall("\r\n".join(head).encode())

    def answer(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = b"" if method == "HEAD" else self._file.read(int(headers.get("content-length", 0)))
        return status, headers, body

    def rest(self) -> bytes:
        return self._file.read()


@pytest.fixture
def server(make_service: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(file_responses, "STEP_BYTES", 1_500_000)  # several steps per file
    service = make_service()
    service.published({"large.tflite": LARGE, "small.tflite": SMALL, "empty.txt": b""})
    with Server(service) as running:
        yield running


def stored(server: Server, content_start: bytes) -> Path:
    for path in (server.service.settings.state_dir / "blobs" / "sha256").rglob("*"):
        if path.is_file() and path.read_bytes().startswith(content_start):
            return path
    raise AssertionError("no such blob")


def test_one_connection_serves_all_sizes_one_after_the_other(server: Server) -> None:
    with server.connect() as connection:
        for name, content in (("large.tflite", LARGE), ("small.tflite", SMALL), ("empty.txt", b"")) * 2:
            connection.ask(f"{BASE}/{name}")
            status, headers, body = connection.answer()
            assert (status, headers["content-length"]) == (200, str(len(content)))
            assert body == content


def test_ranges_are_the_bytes_asked_for(server: Server) -> None:
    with server.connect() as connection:
        for start, end in ((0, 3_000_000), (1_499_999, 4_500_001), (17, 18), (len(LARGE) - 100_000, len(LARGE))):
            connection.ask(f"{BASE}/large.tflite", f"Range: bytes={start}-{end - 1}")
            status, headers, body = connection.answer()
            assert (status, headers["content-range"]) == (206, f"bytes {start}-{end - 1}/{len(LARGE)}")
            assert body == LARGE[start:end]


def test_head_has_no_body_and_the_connection_goes_on(server: Server) -> None:
    with server.connect() as connection:
        connection.ask(f"{BASE}/large.tflite", method="HEAD")
        status, headers, _ = connection.answer("HEAD")
        assert (status, headers["content-length"]) == (200, str(len(LARGE)))
        connection.ask(f"{BASE}/small.tflite")
        assert connection.answer()[2] == SMALL


def test_requests_sent_at_once_are_answered_in_order(server: Server) -> None:
    with server.connect() as connection:
        for name in ("large.tflite", "small.tflite", "large.tflite"):
            connection.ask(f"{BASE}/{name}")
        assert [connection.answer()[2] for _ in range(3)] == [LARGE, SMALL, LARGE]


@pytest.mark.parametrize(("version", "lines"), [("1.0", ()), ("1.1", ("Connection: close",))])
def test_the_connection_ends_with_the_last_byte_where_the_client_wants_it(
    server: Server, version: str, lines: tuple[str, ...]
) -> None:
    with server.connect() as connection:
        connection.ask(f"{BASE}/large.tflite", *lines, version=version)
        status, _, body = connection.answer()
        assert (status, body == LARGE, connection.rest()) == (200, True, b"")


def test_a_client_that_reads_late_gets_every_byte_and_holds_up_nobody(server: Server) -> None:
    with server.connect() as slow, server.connect() as quick:
        slow.ask(f"{BASE}/large.tflite")
        quick.ask(f"{BASE}/large.tflite")
        assert quick.answer()[2] == LARGE
        assert slow.answer()[2] == LARGE


def test_clients_that_go_away_leave_the_service_and_its_files_alone(server: Server) -> None:
    for _ in range(5):
        with server.connect() as connection:
            connection.ask(f"{BASE}/large.tflite")
            connection.socket.recv(1000)
    blobs = str(server.service.settings.state_dir / "blobs")
    deadline = time.monotonic() + 10
    while _open_below(blobs) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _open_below(blobs) == []
    with server.connect() as connection:
        connection.ask(f"{BASE}/large.tflite")
        assert connection.answer()[2] == LARGE


def test_a_tampered_file_is_not_sent_even_after_it_was_good(server: Server) -> None:
    with server.connect() as connection:
        connection.ask(f"{BASE}/large.tflite")
        assert connection.answer()[0] == 200
        path = stored(server, LARGE[:100])
        path.chmod(0o600)
        with path.open("r+b") as file:
            file.seek(3_000_000)
            file.write(b"tampered")
        connection.ask(f"{BASE}/large.tflite")
        status, headers, body = connection.answer()
        assert (status, headers["content-type"]) == (500, "application/problem+json")
        assert b"artifact_corrupt" in body


def test_a_file_that_changes_under_a_download_never_arrives_whole(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(server, LARGE[:100])
    path.chmod(0o600)
    real = file_responses.FileResponse._message

    async def change_first(self: Any, copy: bool, at: int, count: int) -> Any:
        if at == 0:
            with path.open("r+b") as file:
                file.seek(len(LARGE) - 8)
                file.write(b"tampered")
        return await real(self, copy, at, count)

    monkeypatch.setattr(file_responses.FileResponse, "_message", change_first)
    with server.connect() as connection:
        connection.ask(f"{BASE}/large.tflite")
        status, headers, body = connection.answer()
        assert (status, headers["content-length"]) == (200, str(len(LARGE)))
        assert len(body) < len(LARGE)
        assert b"tampered" not in body


@pytest.mark.parametrize("piece", [1000, 100_000])
def test_a_request_head_has_an_end(server: Server, piece: int) -> None:
    with server.connect() as connection:
        connection.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
        try:
            for _ in range(0, 4 * MAX_HEAD_BYTES, piece):
                connection.socket.sendall(b"x" * piece)
            answer = connection.rest()
        except ConnectionError:  # closed before we had said all
            return
        assert answer.startswith(b"HTTP/1.1 431 ")


def test_large_heads_within_the_limit_and_long_bodies_are_fine(server: Server) -> None:
    with server.connect() as connection:
        for _ in range(3):
            connection.ask("/healthz", f"X-Long: {'x' * (MAX_HEAD_BYTES - 1000)}")
            assert connection.answer()[0] == 200
        body = b" " * (4 * MAX_HEAD_BYTES) + b"{}"
        connection.ask("/v1/jobs", "Content-Type: application/json", f"Content-Length: {len(body)}", method="POST")
        connection.socket.sendall(body)
        assert connection.answer()[0] in (413, 422)


def _open_below(folder: str) -> list[str]:
    """Paths of this process's open files in `folder`; none where the system doesn't tell."""
    found = []
    for link in Path("/proc/self/fd").glob("*"):
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith(folder):
            found.append(target)
    return found
