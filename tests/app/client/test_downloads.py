"""Downloads over a real socket that breaks off, restarts and lies."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client import ApiError, ChecksumMismatch, Client, ClientError
from app.client import downloads as downloads_module

BODY = random.Random(5).randbytes(400_000)
SUM = hashlib.sha256(BODY).hexdigest()


def file_of(body: bytes, *, break_after: int | None = None, etag: str = SUM) -> Any:
    """A handler for `body` with HEAD, Range and If-Range; each answer breaks off after `break_after` bytes."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        start = 0
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if wanted and request.headers.get("If-Range") == f'"{etag}"':
            start = int(wanted[1])
        if start >= len(body) and start:
            request.send_response(416)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        request.send_header("ETag", f'"{etag}"')
        request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        if request.command == "HEAD":
            return
        stop = len(body) if break_after is None else min(len(body), start + break_after)
        request.wfile.write(body[start:stop])
        if stop < len(body):
            request.close_connection = True

    return answer


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads_module.time, "sleep", lambda _: None)


def test_the_file_arrives_and_progress_is_told(server: Any, tmp_path: Path) -> None:
    server.handler = file_of(BODY)
    told: list[tuple[int, int]] = []
    with Client(server.url) as client:
        client.download("/file", tmp_path / "a" / "file.bin", SUM, lambda done, total: told.append((done, total)))
    assert (tmp_path / "a" / "file.bin").read_bytes() == BODY
    assert told[-1] == (len(BODY), len(BODY))
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file.bin"]


def test_a_download_that_breaks_off_goes_on_where_it_stopped(server: Any, tmp_path: Path) -> None:
    server.handler = file_of(BODY, break_after=150_000)
    with Client(server.url) as client:
        assert client.download("/file", tmp_path / "file.bin") == SUM
    assert (tmp_path / "file.bin").read_bytes() == BODY
    gets = [headers for method, _, headers in server.requests if method == "GET"]
    assert [headers.get("range") for headers in gets] == [None, "bytes=150000-", "bytes=300000-"]
    assert all(headers["if-range"] == f'"{SUM}"' for headers in gets[1:])


def test_a_later_call_goes_on_with_the_part_kept_by_an_earlier_one(server: Any, tmp_path: Path) -> None:
    server.handler = file_of(BODY, break_after=1000)
    with Client(server.url) as client:
        with pytest.raises(ClientError, match="broke off"):
            client.download("/file", tmp_path / "file.bin")
        assert not (tmp_path / "file.bin").exists()
        server.handler = file_of(BODY)
        client.download("/file", tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert server.requests[-1][2]["range"] == f"bytes={1000 * downloads_module.TRIES}-"


def test_altered_bytes_are_refused_and_nothing_of_them_is_kept(server: Any, tmp_path: Path) -> None:
    server.handler = file_of(b"x" + BODY[1:])
    with Client(server.url) as client, pytest.raises(ChecksumMismatch, match="refused"):
        client.download("/file", tmp_path / "file.bin", SUM)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_changed_between_two_tries_is_not_mixed(server: Any, tmp_path: Path) -> None:
    old = b"old" * 1000
    old_sum = hashlib.sha256(old).hexdigest()
    part = tmp_path / f".file.bin.{SUM[:16]}.part"
    part.write_bytes(old[:1500])
    server.handler = file_of(old, etag=old_sum)  # If-Range names SUM, so all of the old file comes, with 200
    with Client(server.url) as client, pytest.raises(ChecksumMismatch):
        client.download("/file", tmp_path / "file.bin", SUM)
    assert "range" in server.requests[0][2]


def test_a_complete_part_needs_no_byte_more(server: Any, tmp_path: Path) -> None:
    (tmp_path / f".file.bin.{SUM[:16]}.part").write_bytes(BODY)
    server.handler = file_of(BODY)
    with Client(server.url) as client:
        client.download("/file", tmp_path / "file.bin", SUM)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_without_any_published_sum_nothing_is_downloaded(server: Any, tmp_path: Path) -> None:
    server.handler = file_of(BODY, etag="1f-abc")
    with Client(server.url) as client, pytest.raises(ClientError, match="can't be verified"):
        client.download("/file", tmp_path / "file.bin")


def test_no_such_file_is_an_api_error_at_once(server: Any, tmp_path: Path) -> None:
    def missing(request: BaseHTTPRequestHandler) -> None:
        body = b'{"code": "not_found", "title": "Not found", "detail": "no such file", "errors": []}'
        request.send_response(404)
        request.send_header("Content-Type", "application/problem+json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    server.handler = missing
    with Client(server.url) as client, pytest.raises(ApiError) as caught:
        client.download("/file", tmp_path / "file.bin", SUM)
    assert (caught.value.status, caught.value.code) == (404, "not_found")
    assert len(server.requests) == 1


def test_why_a_file_is_gone_is_said_although_a_head_has_no_body(server: Any, tmp_path: Path) -> None:
    def gone(request: BaseHTTPRequestHandler) -> None:
        body = b'{"code": "removed_by_policy", "detail": "removed on 2026-01-04"}'
        request.send_response(410)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)

    server.handler = gone
    with Client(server.url) as client, pytest.raises(ApiError, match="removed on 2026-01-04") as caught:
        client.download("/file", tmp_path / "file.bin")
    assert caught.value.code == "removed_by_policy"
    assert not list(tmp_path.iterdir())


def test_the_key_is_not_sent_to_another_host(server: Any, tmp_path: Path) -> None:
    with Client(server.url, "secret") as client, pytest.raises(ClientError, match="another host"):
        client.download("http://127.0.0.2:9/file", tmp_path / "file.bin", SUM)
    assert server.requests == []


class Restarting(httpx.BaseTransport):
    """A network over which nobody answers, or a proxy answers in his stead, from the `first` request on."""

    def __init__(self, first: int, failures: list[int | None]) -> None:
        self.inner = httpx.HTTPTransport()
        self.first, self.failures, self.seen = first, failures, 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen += 1
        number = self.seen - self.first
        if not 0 <= number < len(self.failures):
            return self.inner.handle_request(request)
        status = self.failures[number]
        if status is None:
            raise httpx.ConnectError("connection refused", request=request)
        return httpx.Response(status, request=request)


def test_a_service_that_restarts_in_mid_download_costs_nothing(server: Any, tmp_path: Path) -> None:
    server.handler = file_of(BODY, break_after=250_000)
    network = Restarting(2, [None, 502, 503, None])
    with Client(server.url, None, network) as client:
        client.download("/file", tmp_path / "file.bin", SUM)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert [headers.get("range") for _, _, headers in server.requests] == [None, "bytes=250000-"]


def test_a_refusal_in_mid_download_is_final_and_the_part_stays(server: Any, tmp_path: Path) -> None:
    server.handler = file_of(BODY, break_after=250_000)
    with Client(server.url, None, Restarting(2, [401])) as client, pytest.raises(ApiError):
        client.download("/file", tmp_path / "file.bin", SUM)
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [250_000]


def test_a_torn_part_of_an_earlier_process_is_fetched_again(server: Any, tmp_path: Path) -> None:
    (tmp_path / f".file.bin.{SUM[:16]}.part").write_bytes(BODY[:1000] + bytes(4096))
    server.handler = file_of(BODY)
    with Client(server.url) as client:
        client.download("/file", tmp_path / "file.bin", SUM)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert [headers.get("range") for _, _, headers in server.requests] == ["bytes=5096-", None]


def test_a_file_that_is_there_already_is_not_fetched_again(server: Any, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(BODY)
    server.handler = file_of(BODY)
    with Client(server.url) as client:
        assert client.download("/file", tmp_path / "file.bin") == SUM
    assert [method for method, _, _ in server.requests] == ["HEAD"]


def test_a_killed_client_goes_on_with_what_it_had(server: Any, tmp_path: Path) -> None:
    release = threading.Event()

    def stalls(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("ETag", f'"{SUM}"')
        request.send_header("Content-Length", str(len(BODY)))
        request.end_headers()
        request.wfile.write(BODY[:300_000])
        request.wfile.flush()
        release.wait(30)
        request.close_connection = True

    server.handler = stalls
    code = "import sys; from pathlib import Path; from app.client import Client\n"
    code += "Client(sys.argv[1]).download('/file', Path(sys.argv[2]), sys.argv[3])"
    root = Path(__file__).parents[3]
    arguments = [sys.executable, "-c", code, server.url, str(tmp_path / "file.bin"), SUM]
    part = tmp_path / f".file.bin.{SUM[:16]}.part"
    with subprocess.Popen(arguments, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}) as process:
        give_up = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size > 0):
            assert time.monotonic() < give_up
            release.wait(0.02)  # `time.sleep` does nothing in these tests
        process.send_signal(signal.SIGKILL)
    release.set()
    assert not (tmp_path / "file.bin").exists()
    kept = part.stat().st_size
    assert 0 < kept <= 300_000
    server.handler = file_of(BODY)
    with Client(server.url) as client:
        client.download("/file", tmp_path / "file.bin", SUM)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert server.requests[-1][2]["range"] == f"bytes={kept}-"
