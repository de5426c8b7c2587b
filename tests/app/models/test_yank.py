"""Withdrawing a version: out of `latest_version`, and still there for whoever is pinned to it."""

from __future__ import annotations

from typing import Any

import pytest

BASE = "/v1/models/films/versions"


@pytest.fixture
def films(service: Any) -> Any:
    for content in (b"one", b"two"):
        service.published({"model.tflite": content, "bundle.zip": b"PK" + content})
    return service


def test_yanking_and_taking_it_back(films: Any) -> None:
    client = films.client
    answer = client.post(f"{BASE}/2:yank", json={"reason": "test accounts in the log"})
    assert answer.status_code == 200, answer.text
    yanked = answer.json()["yanked"]
    assert yanked["reason"] == "test accounts in the log"
    assert client.get(f"{BASE}/2").json()["yanked"] == yanked
    model = client.get("/v1/models/films").json()
    assert (model["latest_version"], model["last_version"]) == (1, 2)
    for query, numbers in (("yanked=true", [2]), ("yanked=false", [1]), ("", [2, 1])):
        found = client.get(f"{BASE}?{query}").json()["data"]
        assert [version["version"] for version in found] == numbers
    events = client.get("/v1/models/films/events").json()["data"]
    assert events[-1]["type"] == "model.version_yanked"
    assert events[-1]["data"] == {"model": "films", "version": 2, "reason": "test accounts in the log"}

    assert client.post(f"{BASE}/2:yank", json={"reason": "test accounts in the log"}).json()["yanked"] == yanked
    assert client.post(f"{BASE}/2:yank").json()["yanked"] == yanked
    assert len(client.get("/v1/models/films/events").json()["data"]) == len(events)

    assert client.post(f"{BASE}/2:unyank").json()["yanked"] is None
    assert client.post(f"{BASE}/2:unyank").status_code == 200
    assert client.get("/v1/models/films").json()["latest_version"] == 2


def test_files_of_a_yanked_version_are_served_and_say_so(films: Any) -> None:
    client = films.client
    paths = ("files/model.tflite", "bundle.zip", "files/SHA256SUMS", "files/model.tflite.sha256")
    for path in paths:
        assert "X-Yanked" not in client.get(f"{BASE}/2/{path}").headers
    client.post(f"{BASE}/2:yank")
    for path in paths:
        got = client.get(f"{BASE}/2/{path}")
        assert (got.status_code, got.headers["X-Yanked"]) == (200, "true")
        tag = got.headers["ETag"]
        for method, headers, status in (
            ("HEAD", {}, 200),
            ("GET", {"Range": "bytes=0-1"}, 206),
            ("GET", {"If-None-Match": tag}, 304),
        ):
            answer = client.request(method, f"{BASE}/2/{path}", headers=headers)
            assert (answer.status_code, answer.headers["X-Yanked"]) == (status, "true")
        assert "X-Yanked" not in client.get(f"{BASE}/1/{path}").headers
    job = client.get(f"{BASE}/2").json()["job_id"]
    assert client.get(f"/v1/jobs/{job}/artifacts/model.tflite").headers["X-Yanked"] == "true"


def test_a_key_makes_a_yank_happen_once(films: Any) -> None:
    headers = {"Idempotency-Key": "y1"}
    first = films.client.post(f"{BASE}/1:yank", json={"reason": "a"}, headers=headers)
    films.client.post(f"{BASE}/1:unyank")
    again = films.client.post(f"{BASE}/1:yank", json={"reason": "a"}, headers=headers)
    assert (again.headers["Idempotent-Replayed"], again.json()) == ("true", first.json())
    assert films.client.get(f"{BASE}/1").json()["yanked"] is None


def test_bad_reasons(films: Any) -> None:
    for body, pointer in (
        ({"reason": ""}, "/reason"),
        ({"reason": "x" * 501}, "/reason"),
        ({"reason": 1}, "/reason"),
        ({"why": "x"}, "/why"),
    ):
        answer = films.client.post(f"{BASE}/1:yank", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert films.client.get(f"{BASE}/1").json()["yanked"] is None


def test_what_is_not_there(films: Any) -> None:
    for verb in ("yank", "unyank"):
        for path in (f"{BASE}/9:{verb}", f"/v1/models/nope/versions/1:{verb}", f"/v1/models/%00/versions/1:{verb}"):
            answer = films.client.post(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
        assert films.client.post(f"{BASE}/x:{verb}").status_code == 404
        answer = films.client.get(f"{BASE}/1:{verb}")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
