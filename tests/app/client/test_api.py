"""The client's verbs against a server over a real socket."""

from __future__ import annotations

import json
import zipfile
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from app.client import ApiError, Client, Unreachable
from app.client import api as api_module


def send(request: BaseHTTPRequestHandler, body: Any, status: int = 200, **headers: str) -> None:
    content = b"" if status == 304 else json.dumps(body).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(content)


def multipart_fields(request: BaseHTTPRequestHandler) -> dict[str, tuple[str | None, bytes]]:
    length = request.headers.get("Content-Length")
    assert length is not None, "the length of an upload is known, so that the service can refuse it by its header"
    body = request.rfile.read(int(length))
    message = BytesParser().parsebytes(
        b"Content-Type: " + request.headers["Content-Type"].encode() + b"\r\n\r\n" + body
    )
    parts: dict[str, tuple[str | None, bytes]] = {}
    for part in message.get_payload():
        content = part.get_payload(decode=True)
        parts[part.get_param("name", header="content-disposition")] = (part.get_filename(), content)
    return parts


def test_an_upload_streams_the_file_and_its_spec(server: Any, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_bytes(b"user,item,timestamp\n" * 20_000)
    received: dict[str, Any] = {}

    def accept(request: BaseHTTPRequestHandler) -> None:
        received.update(multipart_fields(request))
        send(request, {"id": "ds_1", "status": "validating"}, 202)

    server.handler = accept
    told: list[tuple[int, int]] = []
    with Client(server.url, "key") as client:
        spec = {"format": "csv", "mapping": {"user": "u"}}
        dataset = client.upload_dataset(log, spec=spec, report=lambda done, total: told.append((done, total)))
    assert dataset.id == "ds_1"
    assert received["file"] == ("log.csv", log.read_bytes())
    assert received["format"][1] == b"csv"
    assert json.loads(received["mapping"][1]) == {"user": "u"}
    assert server.requests[0][2]["authorization"] == "Bearer key"
    assert told[-1] == (400_000, 400_000)
    assert len(told) > 3


def test_tables_go_beside_the_log(server: Any, tmp_path: Path) -> None:
    for name in ("log.csv", "items.csv", "people.csv"):
        (tmp_path / name).write_text(name)
    received: dict[str, Any] = {}

    def accept(request: BaseHTTPRequestHandler) -> None:
        received.update(multipart_fields(request))
        send(request, {"id": "ds_1", "status": "validating"}, 202)

    server.handler = accept
    with Client(server.url) as client:
        client.upload_dataset(
            tmp_path / "log.csv", items=tmp_path / "items.csv", users=tmp_path / "people.csv", name="both"
        )
    assert received["items"] == ("items.csv", b"items.csv")
    assert received["users"] == ("people.csv", b"people.csv")


def test_a_folder_goes_as_a_zip(server: Any, tmp_path: Path) -> None:
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    (folder / "u.data").write_text("1\t2\t3\t4\n")
    names: list[str] = []

    def accept(request: BaseHTTPRequestHandler) -> None:
        filename, content = multipart_fields(request)["file"]
        assert filename == "ml-100k.zip"
        names.extend(zipfile.ZipFile(BytesIO(content)).namelist())
        send(request, {"id": "ds_1", "status": "validating"}, 202)

    server.handler = accept
    with Client(server.url) as client:
        client.upload_dataset(folder)
    assert names == ["ml-100k/u.data"]


def test_nothing_to_upload_is_said_before_any_request(server: Any, tmp_path: Path) -> None:
    with Client(server.url) as client:
        with pytest.raises(FileNotFoundError, match="no such file"):
            client.upload_dataset(tmp_path / "missing.csv")
        with pytest.raises(FileNotFoundError, match="holds no files"):
            client.upload_dataset(tmp_path)
    assert server.requests == []


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
    monkeypatch.setattr(api_module, "SHORTEST_PAUSE", 0.01)
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
