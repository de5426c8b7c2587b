"""What the client's calls have in common, against a server on a real socket: errors, lists, what is watched."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from app.client import ApiError, Client, Unreachable, calls
from tests.app.client.answers import send


def test_a_problem_document_becomes_a_typed_error(server: Any) -> None:
    problem = {
        "type": "/problems/validation_failed",
        "title": "Validation failed",
        "status": 422,
        "code": "validation_failed",
        "detail": "the config is not valid",
        "trace_id": "t1",
        "errors": [{"pointer": "/config/encodr", "code": "unknown_field", "detail": "did you mean 'encoder'?"}],
    }
    server.handler = lambda request: send(request, problem, 422)
    with Client(server.url) as client, pytest.raises(ApiError) as caught:
        client.submit_job("ds_1", config={"encodr": {}})
    error = caught.value
    assert (error.status, error.code, error.trace_id) == (422, "validation_failed", "t1")
    assert error.lines() == ["the config is not valid", "/config/encodr: did you mean 'encoder'?"]


@pytest.mark.parametrize("body", [b"<html>", b"", b"[1]", b"{}"])
def test_an_error_that_is_no_problem_document_keeps_its_status(server: Any, body: bytes) -> None:
    def bad_gateway(request: BaseHTTPRequestHandler) -> None:
        request.send_response(502)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    server.handler = bad_gateway
    with Client(server.url) as client, pytest.raises(ApiError) as caught:
        client.job("job_1")
    assert (caught.value.status, caught.value.code) == (502, "http_502")


def test_an_address_where_nothing_listens_is_unreachable_with_the_remedy(server: Any) -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(Unreachable, match="pocketrec serve"):
        client.jobs()


def test_watching_a_job_sends_etags_and_yields_only_changes(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "SHORTEST_PAUSE", 0.01)
    states = [("queued", 1), ("queued", 1), ("running", 2), ("running", 2), ("succeeded", 3)]

    def answer(request: BaseHTTPRequestHandler) -> None:
        status, seq = states.pop(0)
        etag = f'"{seq}"'
        if request.headers.get("If-None-Match") == etag:
            send(request, None, 304, ETag=etag)
        else:
            send(request, {"id": "job_1", "status": status, "last_seq": seq}, ETag=etag)

    server.handler = answer
    with Client(server.url) as client:
        seen = [job.status for job in client.watch_job("job_1")]
    assert seen == ["queued", "running", "succeeded"]
    assert server.requests[-1][1] == "/v1/jobs/job_1?wait=20&after=2"


def test_events_are_read_to_the_last_page(server: Any) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        after = int(request.path.partition("after=")[2].partition("&")[0])
        data = [{"seq": after + n, "type": "job.phase_changed", "data": {}} for n in (1, 2)]
        send(request, {"data": data, "has_more": after < 4, "next_cursor": None})

    server.handler = answer
    with Client(server.url) as client:
        assert [event.seq for event in client.events("job_1")] == [1, 2, 3, 4, 5, 6]


def test_lists_follow_the_cursor_up_to_the_limit(server: Any) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        start = 100 if "after=c1" in request.path else 0
        limit = int(request.path.partition("limit=")[2].partition("&")[0])
        data = [{"id": f"job_{start + n}", "status": "queued"} for n in range(limit)]
        send(request, {"data": data, "has_more": True, "next_cursor": "c1"})

    server.handler = answer
    with Client(server.url) as client:
        assert [job.id for job in client.jobs(limit=130)] == [f"job_{n}" for n in range(130)]
