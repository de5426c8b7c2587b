"""A POST is sent again under the same key where its answer got lost, so that it is done once and not twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from app.client import ApiError, Client, Unreachable, transport


def answer(request: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
    text = json.dumps(body).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(text)))
    request.end_headers()
    request.wfile.write(text)


def hang_up(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True


def queued(request: BaseHTTPRequestHandler) -> None:
    answer(request, 202, {"id": "job_1", "status": "queued"})


def in_flight(request: BaseHTTPRequestHandler) -> None:
    answer(request, 409, {"code": "idempotency_in_flight", "detail": "still under way"})


@pytest.fixture
def script(server: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Answers the next requests one by one."""
    monkeypatch.setattr(transport, "PAUSES", (0, 0, 0))

    def play(*handlers: Callable[[BaseHTTPRequestHandler], None]) -> Any:
        rest = list(handlers)

        def handle(request: BaseHTTPRequestHandler) -> None:
            request.rfile.read(int(request.headers.get("Content-Length") or 0))
            rest.pop(0)(request)

        server.handler = handle
        return server

    return play


def keys(server: Any) -> list[str]:
    return [headers["idempotency-key"] for _, _, headers in server.requests]


def test_each_post_has_a_key_of_its_own(script: Any) -> None:
    server = script(queued, queued)
    with Client(server.url) as client:
        client.submit_job("ds_1")
        client.cancel_job("job_1")
    assert len(set(keys(server))) == 2


def test_a_lost_answer_is_asked_for_again_under_the_same_key(script: Any) -> None:
    server = script(hang_up, in_flight, queued)
    with Client(server.url) as client:
        assert client.submit_job("ds_1").id == "job_1"
    assert len(keys(server)) == 3
    assert len(set(keys(server))) == 1


def test_an_upload_is_sent_again_from_its_beginning(script: Any, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item\n1,2\n")
    dataset = lambda request: answer(request, 202, {"id": "ds_1", "status": "validating"})  # noqa: E731
    server = script(hang_up, dataset)
    with Client(server.url) as client:
        assert client.upload_dataset(path).id == "ds_1"
    lengths = [headers["content-length"] for _, _, headers in server.requests]
    assert len(set(lengths)) == 1
    assert len(set(keys(server))) == 1


def test_it_gives_up(script: Any) -> None:
    server = script(hang_up, hang_up, hang_up, hang_up)
    with Client(server.url) as client, pytest.raises(Unreachable):
        client.submit_job("ds_1")
    assert len(server.requests) == 4


def test_a_refusal_is_not_asked_for_again(script: Any) -> None:
    server = script(in_flight)
    with Client(server.url) as client, pytest.raises(ApiError) as refused:
        client.submit_job("ds_1")
    assert (refused.value.code, len(server.requests)) == ("idempotency_in_flight", 1)


def test_where_nobody_listens_it_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport.time, "sleep", lambda _: pytest.fail("it waited"))
    with Client("http://127.0.0.1:9") as client, pytest.raises(Unreachable):
        client.submit_job("ds_1")
