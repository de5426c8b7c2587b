"""What only a real server over real sockets shows: limits while streaming, lost clients, raw paths, memory."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.app.servers import Server

MEGABYTE = 1 << 20


@pytest.fixture
def server(make_service: Any) -> Iterator[Server]:
    with Server(make_service(max_upload_bytes=4 * MEGABYTE)) as running:
        yield running


@pytest.fixture
def large_server(make_service: Any) -> Iterator[Server]:
    with Server(make_service()) as running:
        yield running


def form(blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="log.csv"\r\n\r\n'
    yield from blocks
    yield b"\r\n--b--\r\n"


FORM = {"Content-Type": "multipart/form-data; boundary=b"}


def test_a_client_of_an_oversized_upload_gets_the_answer(server: Server, tmp_path: Path) -> None:
    big = tmp_path / "big.csv"
    with big.open("wb") as file:
        file.truncate(40 * MEGABYTE)
    for _ in range(5):
        with big.open("rb") as file:
            answer = httpx.post(f"{server.url}/v1/datasets", files={"file": ("big.csv", file)}, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert server.leftovers() == []


def test_lying_chunks_are_cut_at_the_limit(server: Server) -> None:
    body = form(b"x" * MEGABYTE for _ in range(40))
    answer = httpx.post(f"{server.url}/v1/datasets", content=body, headers=FORM, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert server.leftovers() == []


def test_expect_continue_is_refused_before_a_byte_is_sent(server: Server) -> None:
    answer = server.raw(
        b"POST /v1/datasets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: 99999999\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_memory_stays_flat_over_a_large_upload(large_server: Server) -> None:
    process = psutil.Process(os.getpid())
    before, peak, stop = process.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.02):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    block = os.urandom(MEGABYTE)
    answer = httpx.post(
        f"{large_server.url}/v1/datasets", content=form(block for _ in range(200)), headers=FORM, timeout=120
    )
    stop.set()
    watcher.join()
    assert answer.status_code == 202
    assert answer.json()["bytes"] == 200 * MEGABYTE
    assert peak - before < 40 * MEGABYTE


def test_health_stays_fast_while_an_upload_trickles(large_server: Server) -> None:
    def trickle() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 1000
            time.sleep(0.05)

    upload = threading.Thread(
        target=lambda: httpx.post(f"{large_server.url}/v1/datasets", content=form(trickle()), headers=FORM, timeout=30)
    )
    upload.start()
    seconds = []
    with httpx.Client(base_url=large_server.url) as client:
        while upload.is_alive():
            started = time.perf_counter()
            assert client.get("/healthz").status_code == 200
            seconds.append(time.perf_counter() - started)
            time.sleep(0.02)
    assert len(seconds) > 10
    assert sorted(seconds)[len(seconds) // 2] < 0.25


def test_a_client_that_goes_away_leaves_nothing(server: Server) -> None:
    head = (
        b"POST /v1/datasets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: 3000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + b"".join(form(iter([b"x" * 2_000_000])))[:-9])
        deadline = time.monotonic() + 10
        while not server.leftovers() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.leftovers()
    while server.leftovers() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.leftovers() == []
    assert server.service.client.get("/v1/datasets").json()["data"] == []


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/models/films/versions/1/files/../../../../../etc/passwd",
        b"/v1/models/films/versions/1/files/..%2f..%2fregistry.db",
        b"/v1/models/films/versions/1/files/%00",
        b"/v1/models/films/versions/1/files//etc/passwd",
        b"/v1/models/films/versions/1/files/a%0d%0aSet-Cookie:%20x=1",
        b"/../../etc/passwd",
        b"/v1/jobs/%ff%fe",
    ],
)
def test_raw_hostile_paths(server: Server, path: bytes) -> None:
    server.service.published({"model.tflite": b"m"})
    answer = server.raw(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert b"application/problem+json" in head
    assert b"set-cookie" not in head.lower()
    assert b'"not_found"' in body


def test_two_host_headers_are_refused(server: Server) -> None:
    answer = server.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ")[1] in (b"400", b"421")


def test_a_range_request_resumes_a_broken_download(server: Server) -> None:
    content = os.urandom(3 * MEGABYTE)
    server.service.published({"model.tflite": content})
    url = f"{server.url}/v1/models/films/versions/1/files/model.tflite"
    received = b""
    with httpx.stream("GET", url) as answer:
        etag = answer.headers["ETag"]
        for chunk in answer.iter_raw(65536):
            received += chunk
            if len(received) > MEGABYTE:
                break
    rest = httpx.get(url, headers={"Range": f"bytes={len(received)}-", "If-Range": etag})
    assert rest.status_code == 206
    assert received + rest.content == content
