"""Downloads over a real socket that breaks off, restarts and lies."""

from __future__ import annotations

import hashlib
import random
import re
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

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


def test_the_key_is_not_sent_to_another_host(server: Any, tmp_path: Path) -> None:
    with Client(server.url, "secret") as client, pytest.raises(ClientError, match="another host"):
        client.download("http://127.0.0.2:9/file", tmp_path / "file.bin", SUM)
    assert server.requests == []
