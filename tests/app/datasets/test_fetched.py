"""JSON that names what the service is to fetch; the API itself fetches nothing."""

from __future__ import annotations

import socket
from typing import Any

import pytest

URL = "https://files.example.com/logs/May%20ratings.csv?signature=secret#x"


def post(service: Any, **body: Any) -> Any:
    return service.client.post("/v1/datasets", json=body)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the API resolved a name"))


def test_a_builtin_is_validated_by_a_job(service: Any) -> None:
    answer = post(service, builtin="movielens-100k", labels={"kind": "test"}, mapping={"rating": None}, header=True)
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert answer.headers["Location"] == f"/v1/datasets/{body['id']}"
    assert (body["status"], body["name"], body["files"], body["bytes"]) == ("validating", "movielens-100k", [], 0)
    assert (body["source"], body["labels"]) == ({"builtin": "movielens-100k"}, {"kind": "test"})
    assert (body["spec"]["mapping"]["rating"], body["spec"]["header"]) == (None, True)
    assert service.nudged == [body["validation_job_id"]]
    assert service.client.get(answer.headers["Location"]).json() == body


def test_what_builtins_there_are(service: Any) -> None:
    entry, larger = service.client.get("/v1/builtin_datasets").json()["data"]
    assert (entry["name"], entry["interactions"]) == ("movielens-100k", 100_000)
    assert "GroupLens" in entry["licence"]
    assert (larger["name"], larger["bytes"]) == ("movielens-1m", None)


def test_fields_override_the_spec_as_in_the_form(service: Any) -> None:
    spec = {"format": "csv", "separator": ";", "mapping": {"user": "uid"}}
    body = post(service, builtin="movielens-100k", spec=spec, separator=None, mapping={"item": "sku"}, name="X").json()
    assert (body["name"], body["spec"]["format"], body["spec"]["separator"]) == ("X", "csv", None)
    assert body["spec"]["mapping"]["item"] == "sku"


def test_urls_are_off_unless_a_setting_says_otherwise(service: Any) -> None:
    answer = post(service, url=URL)
    assert (answer.status_code, answer.json()["code"]) == (422, "url_not_allowed")
    assert "POCKETREC_ALLOW_URLS" in answer.json()["detail"]
    assert service.client.get("/v1/datasets").json()["data"] == []


def test_a_url_is_taken_and_its_secret_part_not_shown(make_service: Any) -> None:
    service = make_service(allow_urls=True)
    body = post(service, url=URL).json()
    assert body["name"] == "May_ratings.csv"
    shown = {"url": "https://files.example.com/logs/May%20ratings.csv", "filename": "May_ratings.csv"}
    assert body["source"] == shown
    assert "secret" not in service.client.get("/v1/datasets").text
    with service.database.read() as session:
        from registry import datasets

        assert datasets.get(session, body["id"]).source["url"] == URL
    assert post(service, url="https://example.com/").json()["source"]["filename"] == "example.com"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.csv",
        "https://127.0.0.1/a.csv",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest",
        "https://localhost/",
        "https://user:pw@example.com/",
        "https://example.com:6379/",
        "file:///etc/passwd",
        "nonsense",
        "",
    ],
)
def test_urls_that_lead_nowhere_public(make_service: Any, url: str) -> None:
    answer = post(make_service(allow_urls=True), url=url)
    assert (answer.status_code, answer.json()["code"]) == (422, "url_not_allowed")
    assert answer.json()["errors"][0]["pointer"] == "/url"


def test_plain_http_and_other_ports_are_settings(make_service: Any) -> None:
    service = make_service(allow_urls=True, allow_http_urls=True, url_ports=(8080,))
    assert post(service, url="http://example.com:8080/a.csv").status_code == 202
    assert post(service, url="https://example.com/a.csv").json()["code"] == "url_not_allowed"


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "validation_failed", ""),
        ({"name": "x"}, "validation_failed", ""),
        ({"builtin": "movielens-100k", "url": URL}, "validation_failed", "/builtin"),
        ({"builtin": "movielens-100k", "upload_id": "up_1"}, "validation_failed", "/builtin"),
        ({"upload_id": "up_1"}, "resumable_uploads_unavailable", "/upload_id"),
        ({"builtin": "netflix"}, "validation_failed", "/builtin"),
        ({"builtin": 3}, "validation_failed", "/builtin"),
        ({"builtin": "movielens-100k", "colour": 1}, "validation_failed", "/colour"),
        ({"builtin": "movielens-100k", "mapping": {"usr": "x"}}, "validation_failed", "/mapping/usr"),
        ({"builtin": "movielens-100k", "spec": {"usr": "x"}}, "validation_failed", "/usr"),
        ({"builtin": "movielens-100k", "labels": {"a": 1}}, "validation_failed", "/labels/a"),
        ({"builtin": "movielens-100k", "labels": {str(n): "" for n in range(17)}}, "validation_failed", "/labels"),
        ({"builtin": "movielens-100k", "name": "a\nb"}, "validation_failed", "/name"),
    ],
)
def test_faults(service: Any, body: dict[str, Any], code: str, pointer: str) -> None:
    answer = post(service, **body)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert service.nudged == []


@pytest.mark.parametrize("body", [b"", b"[]", b"3", b"null"])
def test_what_is_no_object(service: Any, body: bytes) -> None:
    answer = service.client.post("/v1/datasets", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("malformed_json", "validation_failed")


@pytest.mark.parametrize(
    "media_type", ["text/csv", "application/x-www-form-urlencoded", "application/octet-stream", None]
)
def test_other_media_types(service: Any, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    answer = service.client.post("/v1/datasets", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "application/json" in answer.json()["detail"]


def test_the_same_key_makes_one_dataset(service: Any) -> None:
    def ask(**body: Any) -> Any:
        return service.client.post("/v1/datasets", json=body, headers={"Idempotency-Key": "k"})

    first, again = ask(builtin="movielens-100k"), ask(builtin="movielens-100k")
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert ask(builtin="movielens-100k", name="other").json()["code"] == "idempotency_key_reused"
    assert len(service.client.get("/v1/datasets").json()["data"]) == 1


def test_the_examples_of_the_openapi_document_work(make_service: Any) -> None:
    service = make_service(allow_urls=True)
    document = service.client.get("/openapi.json").json()
    content = document["paths"]["/v1/datasets"]["post"]["requestBody"]["content"]
    assert set(content) == {"multipart/form-data", "application/json"}
    schema = document["components"]["schemas"][content["application/json"]["schema"]["$ref"].rpartition("/")[2]]
    assert len(schema["examples"]) == 2
    for example in schema["examples"]:
        assert post(service, **example).status_code == 202
