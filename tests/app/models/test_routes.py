"""Models, versions and the headers of their files."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MODEL = bytes(range(256)) * 40
FILES = {
    "model.tflite": MODEL,
    "variants/float32.tflite": b"\x00" * 5000,
    "vocabulary/items.txt": b"1\n2\n",
    "manifest.json": b'{"default_variant": "float16"}',
    "empty.txt": b"",
    "bundle.zip": b"PK\x05\x06" + b"\x00" * 18,
    "measurements.json": b"{}",
    "report.html": b"<!doctype html>",
}
BASE = "/v1/models/films/versions/1"
ADDRESS = f"{BASE}/files/model.tflite"
ETAG = f'"{hashlib.sha256(MODEL).hexdigest()}"'


@pytest.fixture
def films(service: Any) -> Any:
    service.published(FILES)
    return service


def test_the_whole_file_with_its_headers(films: Any) -> None:
    answer = films.client.get(ADDRESS)
    assert answer.status_code == 200
    assert answer.content == MODEL
    digest = base64.b64encode(hashlib.sha256(MODEL).digest()).decode()
    assert (
        dict(answer.headers).items()
        >= {
            "etag": ETAG,
            "repr-digest": f"sha-256=:{digest}:",
            "accept-ranges": "bytes",
            "cache-control": "private, max-age=31536000, immutable, no-transform",
            "content-disposition": 'attachment; filename="model.tflite"',
            "content-length": str(len(MODEL)),
            "content-type": "application/octet-stream",
            "x-content-type-options": "nosniff",
        }.items()
    )
    assert "content-encoding" not in answer.headers
    assert "last-modified" not in answer.headers


@pytest.mark.parametrize(
    "path", [*(f"files/{name}" for name in FILES), "bundle.zip", "files/SHA256SUMS", "files/model.tflite.sha256"]
)
def test_head_says_what_get_says(films: Any, path: str) -> None:
    got, head = films.client.get(f"{BASE}/{path}"), films.client.head(f"{BASE}/{path}")
    assert got.status_code == head.status_code == 200
    assert head.content == b""
    named = {"x-request-id"}
    assert {k: v for k, v in got.headers.items() if k not in named} == {
        k: v for k, v in head.headers.items() if k not in named
    }
    assert got.headers["ETag"] == f'"{hashlib.sha256(got.content).hexdigest()}"'
    assert int(head.headers["Content-Length"]) == len(got.content)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("manifest.json", "application/json"),
        ("vocabulary/items.txt", "text/plain; charset=utf-8"),
        ("bundle.zip", "application/zip"),
        ("report.html", "text/html; charset=utf-8"),
        ("variants/float32.tflite", "application/octet-stream"),
    ],
)
def test_media_types(films: Any, name: str, media_type: str) -> None:
    answer = films.client.get(f"{BASE}/files/{name}")
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name.rpartition("/")[2]}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("tag", [ETAG, f"W/{ETAG}", f'"x", {ETAG}', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_304(films: Any, tag: str, method: str) -> None:
    answer = films.client.request(method, ADDRESS, headers={"If-None-Match": tag, "Range": "bytes=0-1"})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == ETAG
    assert answer.headers["Cache-Control"].startswith("private, max-age=31536000, immutable")
    assert "content-type" not in answer.headers


def test_another_tag_is_answered_in_full(films: Any) -> None:
    assert films.client.get(ADDRESS, headers={"If-None-Match": '"other"'}).status_code == 200


def test_if_match(films: Any) -> None:
    assert films.client.get(ADDRESS, headers={"If-Match": ETAG}).status_code == 200
    answer = films.client.get(ADDRESS, headers={"If-Match": '"other"'})
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert films.client.get(ADDRESS, headers={"If-Match": f"W/{ETAG}"}).status_code == 412


@pytest.mark.parametrize("span", ["0-0", "1-99", "100-", "-1", "-100", "0-99999999", "10239-"])
def test_one_range(films: Any, span: str) -> None:
    first, _, last = span.partition("-")
    expected = MODEL[-int(last) :] if not first else MODEL[int(first) : int(last) + 1 if last else None]
    answer = films.client.get(ADDRESS, headers={"Range": f"bytes={span}"})
    assert answer.status_code == 206
    assert answer.content == expected
    start = MODEL.index(expected) if not first else int(first)
    if not first:
        start = len(MODEL) - len(expected)
    assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/{len(MODEL)}"
    assert answer.headers["Content-Length"] == str(len(expected))
    assert answer.headers["ETag"] == ETAG
    assert "Repr-Digest" in answer.headers


@pytest.mark.parametrize("span", ["10240-", "99999-100000", "-0"])
def test_a_range_outside_the_file(films: Any, span: str) -> None:
    answer = films.client.get(ADDRESS, headers={"Range": f"bytes={span}"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(MODEL)}"


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "bytes=5-1", "lines=0-1", "bytes", "bytes=x"])
def test_ranges_that_are_ignored(films: Any, header: str) -> None:
    answer = films.client.get(ADDRESS, headers={"Range": header})
    assert (answer.status_code, answer.content) == (200, MODEL)


def test_two_range_headers_and_head_are_answered_in_full(films: Any) -> None:
    answer = films.client.get(ADDRESS, headers=[("Range", "bytes=0-1"), ("Range", "bytes=2-3")])
    assert answer.status_code == 200
    head = films.client.head(ADDRESS, headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(MODEL)))


@pytest.mark.parametrize(
    ("if_range", "status"),
    [(ETAG, 206), ('"other"', 200), (f"W/{ETAG}", 200), ("Wed, 21 Oct 2026 07:28:00 GMT", 200)],
)
def test_if_range(films: Any, if_range: str, status: int) -> None:
    answer = films.client.get(ADDRESS, headers={"Range": "bytes=5-9", "If-Range": if_range})
    assert answer.status_code == status
    assert answer.content == (MODEL[5:10] if status == 206 else MODEL)


def test_an_empty_file_has_no_ranges(films: Any) -> None:
    assert films.client.get(f"{BASE}/files/empty.txt").content == b""
    assert films.client.get(f"{BASE}/files/empty.txt", headers={"Range": "bytes=0-"}).status_code == 416


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.from_regex(r"[bB]ytes ?= ?[0-9]{0,6}-[0-9]{0,6}(,[0-9]{0,3}-)?", fullmatch=True))
def test_any_range_gives_right_bytes_or_416(films: Any, header: str) -> None:
    answer = films.client.get(ADDRESS, headers={"Range": header})
    if answer.status_code == 206:
        start, end = answer.headers["Content-Range"].removeprefix("bytes ").partition("/")[0].split("-")
        assert answer.content == MODEL[int(start) : int(end) + 1]
    elif answer.status_code == 200:
        assert answer.content == MODEL
    else:
        assert answer.status_code == 416


@pytest.mark.parametrize(
    "path",
    [
        "..%2fmanifest.json",
        "%2e%2e/%2e%2e/films",
        "variants%2f..%2fmodel.tflite",
        "model.tflite%00",
        "%00",
        "model.tflite%0d%0aX-Evil:%201",
        "%0d%0a",
        "/etc/passwd",
        "model.tflite/",
        "Model.tflite",
        "variants",
        "",
        "%ff%fe",
        "model.tflite.sha256.sha256",
        "SHA256SUMS.sha256",
        "x" * 5000,
    ],
)
def test_hostile_paths(films: Any, path: str) -> None:
    answer = films.client.get(f"{BASE}/files/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "x-evil" not in answer.headers


def test_checksums(films: Any) -> None:
    sums = films.client.get(f"{BASE}/files/SHA256SUMS").text
    names = [line.partition("  ")[2] for line in sums.splitlines()]
    assert names == sorted(set(FILES) - {"bundle.zip", "measurements.json", "report.html"})
    for line in sums.splitlines():
        sha256, _, name = line.partition("  ")
        assert sha256 == hashlib.sha256(FILES[name]).hexdigest()
    one = films.client.get(f"{BASE}/files/variants/float32.tflite.sha256").text
    assert one == f"{hashlib.sha256(FILES['variants/float32.tflite']).hexdigest()}  float32.tflite\n"


def test_checksums_are_served_as_files_are(films: Any) -> None:
    address = f"{BASE}/files/SHA256SUMS"
    whole = films.client.get(address)
    part = films.client.get(address, headers={"Range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, whole.content[3:10])
    assert part.headers["Content-Range"] == f"bytes 3-9/{len(whole.content)}"
    assert films.client.get(address, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("damage", [b"", MODEL[:-1], MODEL[:-1] + b"!", MODEL + b"!"])
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-3"}])
def test_a_tampered_file_is_never_sent(films: Any, damage: bytes, headers: dict[str, str]) -> None:
    assert films.client.get(ADDRESS).status_code == 200
    [stored] = list((films.settings.state_dir / "blobs").rglob(ETAG.strip('"')))
    stored.chmod(0o600)
    stored.write_bytes(damage)
    answer = films.client.get(ADDRESS, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (500, "artifact_corrupt")
    stored.unlink()
    assert films.client.get(ADDRESS, headers=headers).json()["code"] == "artifact_corrupt"


def test_models_and_versions(films: Any) -> None:
    films.published({"model.tflite": b"two"})
    [model] = films.client.get("/v1/models").json()["data"]
    assert (model["name"], model["latest_version"], model["url"]) == ("films", 2, "/v1/models/films")
    assert films.client.get(model["url"]).json() == model
    versions = films.client.get("/v1/models/films/versions").json()["data"]
    assert [version["version"] for version in versions] == [2, 1]
    one = films.client.get(BASE)
    assert one.json() == versions[1]
    assert films.client.get(BASE, headers={"If-None-Match": one.headers["ETag"]}).status_code == 304
    assert one.json()["bundle_url"] == f"{BASE}/bundle.zip"
    assert versions[0]["bundle_url"] is None
    assert films.client.get("/v1/models/films/versions/2/bundle.zip").status_code == 404
    for artifact in one.json()["artifacts"]:
        content = films.client.get(artifact["url"]).content
        assert hashlib.sha256(content).hexdigest() == artifact["sha256"]
        assert len(content) == artifact["bytes"]


def test_pages_of_versions(films: Any) -> None:
    films.published({"a": b"2"})
    films.published({"a": b"3"})
    body = films.client.get("/v1/models/films/versions?limit=2").json()
    assert [item["version"] for item in body["data"]] == [3, 2]
    rest = films.client.get("/v1/models/films/versions", params={"limit": 2, "after": body["next_cursor"]}).json()
    assert [item["version"] for item in rest["data"]] == [1]
    assert films.client.get("/v1/models/films/versions?after=MS52ZXJzaW9uczp4").status_code == 400


@pytest.mark.parametrize(
    "path", ["nope", "nope/versions", "films/versions/9", "films/versions/9/bundle.zip", "%00", "a%2fb", "FILMS"]
)
def test_unknown_models(films: Any, path: str) -> None:
    answer = films.client.get(f"/v1/models/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "1:yonk"])
def test_what_is_no_number_is_no_address(films: Any, number: str) -> None:
    answer = films.client.get(f"/v1/models/films/versions/{number}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("number", ["0", "99999999999999999999"])
def test_bad_version_numbers(films: Any, number: str) -> None:
    answer = films.client.get(f"/v1/models/films/versions/{number}")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"][0]["parameter"] == "version"


ALWAYS = {
    "etag": ETAG,
    "repr-digest": f"sha-256=:{base64.b64encode(hashlib.sha256(MODEL).digest()).decode()}:",
    "cache-control": "private, max-age=31536000, immutable, no-transform",
    "content-disposition": 'attachment; filename="model.tflite"',
    "x-content-type-options": "nosniff",
}


def test_the_headers_of_every_kind_of_answer(films: Any) -> None:
    answers = {
        "whole": ("GET", {}, 200),
        "head": ("HEAD", {"Range": "bytes=0-1"}, 200),
        "part": ("GET", {"Range": "bytes=2-5"}, 206),
        "part of what the client doesn't know": ("GET", {"Range": "bytes=2-5", "If-None-Match": '"other"'}, 206),
        "known": ("GET", {"If-None-Match": f"W/{ETAG}", "Range": "bytes=2-5"}, 304),
        "known, by head": ("HEAD", {"If-None-Match": ETAG}, 304),
        "several parts": ("GET", {"Range": "bytes=0-1, 4-5"}, 200),
        "dates tell nothing": ("GET", {"If-Modified-Since": "Wed, 21 Oct 2099 07:28:00 GMT"}, 200),
        "nor do these": ("GET", {"If-Unmodified-Since": "Wed, 21 Oct 1999 07:28:00 GMT"}, 200),
        "never compressed": ("GET", {"Accept-Encoding": "gzip, br, zstd"}, 200),
    }
    for case, (method, headers, status) in answers.items():
        answer = films.client.request(method, ADDRESS, headers=headers)
        assert answer.status_code == status, case
        assert dict(answer.headers).items() >= ALWAYS.items(), case
        assert not {"content-encoding", "last-modified", "vary", "set-cookie"} & set(answer.headers), case
        if status != 304:
            assert answer.headers["Accept-Ranges"] == "bytes", case
            assert answer.headers["Content-Type"] == "application/octet-stream", case
        assert ("content-range" in answer.headers) == (status == 206), case
    outside = films.client.get(ADDRESS, headers={"Range": "bytes=99999-", "If-Range": ETAG})
    assert outside.status_code == 416
    assert outside.headers["Content-Range"] == f"bytes */{len(MODEL)}"
    assert outside.headers["ETag"] == ETAG
    assert outside.headers["Cache-Control"] == "no-store"
    both = films.client.get(ADDRESS, headers={"If-Match": '"other"', "If-None-Match": ETAG})
    assert both.status_code == 412  # If-Match is looked at first


def test_the_list_of_files(films: Any) -> None:
    answer = films.client.get(f"{BASE}/files")
    listed = {entry["path"]: entry for entry in answer.json()["data"]}
    assert set(listed) == set(FILES)
    for path, content in FILES.items():
        entry = listed[path]
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert films.client.get(entry["url"]).content == content
    assert films.client.get(BASE).json()["files_url"] == f"{BASE}/files"


def test_what_a_build_reads_of_a_version(service: Any) -> None:
    figures = {"ndcg@10": {"value": 0.11, "ci95": [0.1, 0.12]}}
    manifest = {
        "default_variant": "float16",
        "data_hash": "d" * 64,
        "signatures": {"recommend": {"inputs": {"history": {"dtype": "int32", "shape": [1, 10]}}}},
        "operators": {"float16": {"GATHER": 2}},
        "metrics": {"protocol": "leave_one_out", "test": figures, "baselines": {"popular": figures}},
    }
    service.published({"variants/float16.tflite": b"16", "variants/float32.tflite": b"32"}, manifest=manifest)
    body = service.client.get(BASE).json()
    assert body["baselines"] == {"popular": {"ndcg@10": 0.11}}
    assert body["signatures"] == manifest["signatures"]
    assert (body["dataset_content_hash"], body["url"], body["yanked"]) == ("d" * 64, BASE, None)
    half, whole = body["variants"]
    assert (half["name"], half["default"], half["operators"], half["bytes"]) == ("float16", True, {"GATHER": 2}, 2)
    assert (whole["name"], whole["default"], whole["operators"]) == ("float32", False, None)
    assert service.client.get(half["url"]).content == b"16"


@pytest.mark.parametrize("content", [{"metrics": 1, "operators": [], "config": "x"}, {"metrics": {"test": {"a": {}}}}])
def test_manifests_of_any_kind_are_shown(service: Any, content: dict[str, Any]) -> None:
    service.published({"variants/float16.tflite": b"16"}, manifest=content)
    service.published({"variants/float16.tflite": b"17"}, manifest=content)
    assert service.client.get(BASE).json()["manifest"] == content
    assert service.client.get("/v1/models/films:compare?versions=1,2").status_code == 200


def test_filters_of_the_lists(films: Any) -> None:
    created = films.client.get("/v1/models/films").json()["created_at"]
    for path in ("/v1/models", "/v1/models/films/versions"):
        assert films.client.get(path, params={"created_after": "2020-01-01T00:00:00+05:30"}).json()["data"]
        assert films.client.get(path, params={"created_after": "2099-01-01T00:00:00Z"}).json()["data"] == []
        for wrong in ("yesterday", "2026-01-01", "2026-01-01T00:00:00", "9999-12-31T23:59:59-14:00", ""):
            answer = films.client.get(path, params={"created_after": wrong})
            assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), wrong
            assert answer.json()["errors"][0]["parameter"] == "created_after"
    assert films.client.get("/v1/models", params={"created_after": created}).json()["data"] == []
    assert films.client.get("/v1/models/films/versions?yanked=maybe").status_code == 422
    assert films.client.get("/v1/models?yanked=true").status_code == 422  # a filter of versions, not of models
