"""The multipart receiver, fed chunk by chunk as a server would."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.datasets import multipart
from app.datasets.multipart import Form, receive, safe_name
from app.problems import Problem

BOUNDARY = "xyz"
PARTS = frozenset({"file", "items"})


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


class Wire:
    """A connection that delivers `chunks`; knows how much of them was read."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = list(chunks)
        self.read = 0

    async def receive(self) -> Any:
        chunk = self._chunks.pop(0)
        self.read += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}


def send(
    folder: Path, chunks: Sequence[bytes], max_bytes: int = 1 << 20, headers: dict[str, str] | None = None
) -> tuple[Form, Wire]:
    wire = Wire(chunks)
    given_headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"} | (headers or {})
    raw = [(name.encode(), value.encode()) for name, value in given_headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": raw, "path": "/"}, wire.receive)
    return asyncio.run(receive(request, folder, max_bytes, PARTS)), wire


def refused(folder: Path, chunks: Sequence[bytes], **given: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        send(folder, chunks, **given)
    return caught.value


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 600), max_size=8), seed=st.integers(0, 99))
def test_any_bytes_arrive_whole_however_they_are_cut(
    tmp_path: Path, content: bytes, cuts: list[int], seed: int
) -> None:
    folder = tmp_path / hashlib.sha256(content + repr((cuts, seed)).encode()).hexdigest()
    folder.mkdir(exist_ok=True)
    for leftover in folder.iterdir():
        leftover.unlink()
    # Bytes that look like the boundary are the hard case.
    content += random.Random(seed).choice([b"", b"\r\n--xy", b"\r\n", b"\r\n--", b"--xyz", b"\r"])
    body = part("name", "füße".encode()) + part("file", content, "a.csv") + END
    at = sorted({0, len(body), *(min(cut, len(body)) for cut in cuts)})
    form, _ = send(folder, [body[start:end] for start, end in itertools.pairwise(at)])
    received = form.files["file"]
    assert received.path.read_bytes() == content
    assert received.sha256 == hashlib.sha256(content).hexdigest()
    assert received.bytes == len(content)
    assert received.filename == "a.csv"
    assert form.fields == {"name": "füße"}


def test_a_lying_client_is_cut_at_the_limit(tmp_path: Path) -> None:
    block = b"x" * (1 << 20)
    chunks = [part("file", b"", "a")[:-2], *[block] * 40, b"\r\n" + END]
    wire = Wire(chunks)
    headers = [(b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers, "path": "/"}, wire.receive)
    with pytest.raises(Problem) as caught:
        asyncio.run(receive(request, tmp_path, 3 << 20, PARTS))
    assert caught.value.code == "payload_too_large"
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 3 << 20


def test_an_honest_client_that_asks_first_sends_nothing(tmp_path: Path) -> None:
    wire = Wire([b"never read"])
    headers = [
        (b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode()),
        (b"content-length", b"99999999"),
        (b"expect", b"100-continue"),
    ]
    request = Request({"type": "http", "method": "POST", "headers": headers, "path": "/"}, wire.receive)
    with pytest.raises(Problem) as caught:
        asyncio.run(receive(request, tmp_path, 1000, PARTS))
    assert caught.value.code == "payload_too_large"
    assert wire.read == 0


def test_the_limit_itself_is_allowed_and_counts_all_files(tmp_path: Path) -> None:
    body = part("file", b"x" * 600, "a") + part("items", b"y" * 400, "b") + END
    (tmp_path / "exact").mkdir()
    form, _ = send(tmp_path / "exact", [body], max_bytes=1000)
    assert {name: file.bytes for name, file in form.files.items()} == {"file": 600, "items": 400}
    (tmp_path / "over").mkdir()
    assert refused(tmp_path / "over", [body], max_bytes=999).code == "payload_too_large"


def test_items_without_a_filename_is_a_text_field(tmp_path: Path) -> None:
    form, _ = send(tmp_path, [part("file", b"x", "a") + part("items", b'{"title": null}') + END])
    assert form.fields == {"items": '{"title": null}'}


def test_a_table_as_file_and_its_columns_as_text_of_the_same_name_are_told_of_spec(tmp_path: Path) -> None:
    file, text = part("items", b"id", "items.csv"), part("items", b'{"id": "sku"}')
    for order, body in (("file first", file + text), ("text first", text + file)):
        folder = tmp_path / order
        folder.mkdir()
        problem = refused(folder, [body + END])
        assert problem.code == "malformed_multipart"
        assert "'items' occurs twice; " in problem.text
        assert "JSON of the part 'spec'" in problem.text
    other = refused(tmp_path, [part("name", b"1") + part("name", b"2") + END])
    assert other.text == "The part 'name' occurs twice."


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_multipart"),
        (b"garbage", "malformed_multipart"),
        (part("file", b"cut off", "a"), "malformed_multipart"),
        (part("file", b"1", "a") + part("file", b"2", "a") + END, "malformed_multipart"),
        (part("name", b"1") + part("name", b"2") + END, "malformed_multipart"),
        (part("name", b"\xff") + END, "malformed_multipart"),
        (part("name", b"x" * (multipart.MAX_FIELD_BYTES + 1)) + END, "payload_too_large"),
        (b"".join(part(f"f{number}", b"") for number in range(multipart.MAX_PARTS + 1)) + END, "malformed_multipart"),
        (part("photo", b"x", "a.jpg") + END, "validation_failed"),
        (b"--xyz\r\nContent-Type: text/plain\r\n\r\nx\r\n" + END, "malformed_multipart"),
        (b"--xyz\r\n" + b"X: y\r\n" * 1000 + b"\r\nx\r\n" + END, "malformed_multipart"),
        (b"--xyz\r\nX: " + b"y" * 100_000 + b"\r\n\r\nx\r\n" + END, "malformed_multipart"),
    ],
)
def test_broken_forms(tmp_path: Path, body: bytes, code: str) -> None:
    assert refused(tmp_path, [body]).code == code


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "multipart/form-data", "multipart/mixed; boundary=xyz", "", "multipart/form-data; boundary="],
)
def test_other_media_types(tmp_path: Path, content_type: str) -> None:
    problem = refused(tmp_path, [part("file", b"x", "a") + END], headers={"content-type": content_type})
    assert problem.code == "unsupported_media_type"


def test_an_overlong_boundary(tmp_path: Path) -> None:
    content_type = "multipart/form-data; boundary=" + "b" * 2000
    assert refused(tmp_path, [b"x"], headers={"content-type": content_type}).code == "malformed_multipart"


def test_a_body_that_stops_coming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "IDLE_SECONDS", 0.05)

    async def never() -> Any:
        await asyncio.sleep(60)

    headers = [(b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers, "path": "/"}, never)
    with pytest.raises(Problem) as caught:
        asyncio.run(receive(request, tmp_path, 1000, PARTS))
    assert caught.value.code == "request_timeout"


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("ratings.csv", "ratings.csv"),
        ("C:\\data\\u.data", "u.data"),
        ("../../etc/passwd", "passwd"),
        ("/abs/ml-1m.zip", "ml-1m.zip"),
        (".hidden", "hidden"),
        ("..", "log"),
        ("", "log"),
        ("a b\r\nc\0.csv", "a_b_c_.csv"),
        ("日本.csv", "csv"),
        ("x" * 500 + ".parquet", "x" * 92 + ".parquet"),
    ],
)
def test_file_names_are_made_safe(given_name: str, kept: str) -> None:
    assert safe_name(given_name, "log") == kept
    assert len(kept) <= multipart.MAX_FILENAME
