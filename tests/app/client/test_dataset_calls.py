"""Uploads, as a server on a real socket receives them."""

from __future__ import annotations

import json
import zipfile
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from app.client import Client
from tests.app.client.answers import send


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
