"""What SQLite takes and PostgreSQL refuses must be a client's error, and what both take must read the same.

All tests of the API run on PostgreSQL with POCKETREC_TEST_DATABASE=postgresql in the environment; these always do.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.integration

# NUL (no text of PostgreSQL holds it), a lone surrogate in UTF-8's clothes, numbers past its integers, long text.
HOSTILE = ["a%00b", "%ED%A0%80", str(2**31), str(2**64), "é" * 300, "x" * 3000]
TEXTS = ["\0", "a\0b", "\ud800", "x" * 3000, "é" * 300, "\u202e\t\n", "''\"\\;--"]
NUMBERS = [2**31, 2**63, 2**64, 10**400, -(2**63) - 1]


@pytest.fixture
def service(make_service: Any, new_schema: Any) -> Any:
    return make_service(database_url=new_schema())


def without_server_error(answer: Any, what: object) -> Any:
    assert answer.status_code < 500, (what, answer.text[:300])
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json", what
    return answer


def test_no_parameter_of_any_operation_reaches_the_database_in_a_form_it_refuses(service: Any) -> None:
    version = service.published({"model.tflite": b"model", "manifest.json": b"{}"})
    job_id = service.client.get("/v1/jobs", params={"type": "train"}).json()["data"][0]["id"]
    good = {
        "job_id": job_id,
        "dataset_id": version.dataset_id,
        "name": "films",
        "version": "1",
        "path": "model.tflite",
        "code": "not_found",
        "versions": "1,1",
    }
    tried = 0
    for path, operations in service.app.openapi()["paths"].items():
        parameters = operations.get("get", {}).get("parameters", [])
        required = [each["name"] for each in parameters if each.get("required") and each["in"] == "query"]
        query = "&".join(f"{name}={good[name]}" for name in required)
        for parameter in parameters:
            name = parameter["name"]
            for value in HOSTILE:
                headers = {}
                if parameter["in"] == "path":
                    address = path.format(**{**good, name: value})
                    address += f"?{query}" if query else ""
                elif parameter["in"] == "query":
                    key = f"{name}[{value[:70]}]" if name == "metadata" else name
                    address = f"{path.format(**good)}?{query}&{key}={value}"
                else:
                    address, headers = f"{path.format(**good)}?{query}", {name: value[:200].encode()}
                tried += 1
                without_server_error(service.client.get(address, headers=headers), address)
        for parameter in operations.get("post", {}).get("parameters", []):
            for value in HOSTILE if parameter["in"] == "path" else ():
                address = path.format(**{**good, parameter["name"]: value})
                headers = {"Idempotency-Key": f"key {tried}"}
                tried += 1
                without_server_error(service.client.post(address, json={}, headers=headers), address)
    assert tried > 150


def test_no_text_and_no_number_in_a_body_does_either(service: Any) -> None:
    dataset_id = service.validated().id
    for text in TEXTS:
        send_text(service, dataset_id, text)
    for number in NUMBERS:
        for config in ({"seed": number}, {"training": {"max_epochs": number}}, {"model": {"embedding_dim": number}}):
            body = json.dumps({"dataset_id": dataset_id, "preset": "bow", "config": config})
            answer = service.client.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
            without_server_error(answer, config)


def send_text(service: Any, dataset_id: str, text: str) -> None:
    """`text` in every place of a body that takes text."""
    job = {"dataset_id": dataset_id, "preset": "bow", "model": "films"}
    bodies: list[dict[str, Any]] = [
        *({**job, name: text} for name in ("dataset_id", "preset", "model")),
        {**job, "metadata": {"k": text}},
        {**job, "metadata": {text: "v"}},
        {**job, "config": {text: 1}},
        {**job, "config": {"seed": text}},
    ]
    for body in bodies:
        for route in ("/v1/jobs", "/v1/jobs:validate"):
            content = json.dumps(body).encode()
            answer = service.client.post(route, content=content, headers={"content-type": "application/json"})
            without_server_error(answer, body)
    if text == "\ud800":  # no client can put it into a form or a header
        return
    for field in ({"name": text}, {"spec": json.dumps({"mapping": {"user": text}})}, {"spec": text}):
        without_server_error(service.upload(**field), field)
    without_server_error(service.upload(filename=quote(text) + ".csv"), text)
    key = {"Idempotency-Key": quote(text), "X-Request-ID": quote(text), "traceparent": quote(text)}
    without_server_error(service.client.post("/v1/jobs", json=job, headers=key), key)


def test_what_both_databases_take_reads_the_same(make_service: Any, new_schema: Any) -> None:
    """The longest allowed texts, text beyond the BMP, filters, times and their order."""
    metadata = {"k" * 64: "\U0001f3ac" * 512, "Größe": " x ", "empty": ""}
    shown = []
    for service in (make_service(), make_service(database_url=new_schema())):
        dataset_id = service.validated().id
        body = {"dataset_id": dataset_id, "preset": "bow", "model": "m" * 64, "metadata": metadata}
        made = [service.client.post("/v1/jobs", json=body) for _ in range(3)]
        assert [answer.status_code for answer in made] == [202] * 3, made[0].text
        job = made[1].json()
        found = {
            filters: [
                entry["id"] == job["id"]
                for entry in service.client.get(f"/v1/jobs?type=train&{filters}").json()["data"]
            ]
            for filters in (
                "limit=2",
                f"metadata[{'k' * 64}]={quote(metadata['k' * 64])}",
                f"metadata[{quote('Größe')}]=%20x%20",
                "metadata[empty]=",
                "metadata[empty]=x",
                f"model={'m' * 64}",
                "status=queued",
                "created_after=2001-01-01T00:00:00%2B05:30",
                "created_after=2999-01-01T00:00:00Z",
            )
        }
        times = [job["created_at"][-1], len(job["created_at"])]
        shown.append((found, times, job["metadata"], list(job["config"]), list(job)))
    assert shown[0] == shown[1]
    assert shown[0][0]["limit=2"] == [False, True]
    assert shown[0][0]["metadata[empty]=x"] == []
