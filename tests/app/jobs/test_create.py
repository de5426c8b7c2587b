"""`POST /v1/jobs`: what is checked before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

from reco_core.config import load


def test_a_job_is_queued_complete_and_announced(service: Any) -> None:
    dataset = service.validated()
    answer = service.client.post(
        "/v1/jobs",
        json={
            "type": "train",
            "dataset_id": dataset.id,
            "preset": "cnn",
            "config": {"encoder": {"type": "cnn", "kernel_size": 3}, "seed": 7},
            "model": "films",
            "metadata": {"commit": "4f2a91c"},
        },
    )
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{body['id']}"
    assert answer.headers["Retry-After"] == "1"
    assert (body["type"], body["status"], body["attempt"], body["preset"]) == ("train", "queued", 0, "cnn")
    assert (body["model"], body["metadata"], body["dataset_id"]) == ("films", {"commit": "4f2a91c"}, dataset.id)
    expected = load({"preset": "cnn", "encoder": {"kernel_size": 3}, "seed": 7})
    assert body["config"] == expected.model_dump(mode="json")
    assert load(body["config"]) == expected
    assert service.nudged[-1] == body["id"]
    assert service.client.get(answer.headers["Location"]).json() == body
    assert service.read_job(body["id"]).config == body["config"]


def test_everything_but_the_dataset_has_a_default(service: Any) -> None:
    body = service.job().json()
    assert body["config"] == load({}).model_dump(mode="json")
    assert (body["preset"], body["model"], body["metadata"]) == (None, "ratings", {})


@pytest.mark.parametrize(
    ("name", "model"),
    [("My Ratings (2).csv", "my-ratings-2"), ("日本", "model"), ("---", "model"), ("a" * 90, "a" * 64)],
)
def test_the_default_model_name_is_made_of_the_datasets(name: str, model: str) -> None:
    from app.jobs.create import default_model_name
    from registry.names import check_model_name

    assert check_model_name(default_model_name(name)) == model


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"config": {"encoder": {"type": "cnn", "kernel_size": 99}}}, "/config/encoder/kernel_size", "less_than_equal"),
        ({"config": {"encoder": {"type": "cnn", "kernel": 3}}}, "/config/encoder/kernel", "unknown_field"),
        ({"config": {"modle": {}}}, "/config/modle", "unknown_field"),
        ({"config": {"a/b": 1}}, "/config/a~1b", "unknown_field"),
        ({"config": {"training": {"max_epochs": "many"}}}, "/config/training/max_epochs", "int_parsing"),
        ({"config": {"preset": "nope"}}, "/config/preset", "unknown_preset"),
        ({"preset": "nope"}, "/preset", "unknown_preset"),
        ({"preset": "bow", "config": {"preset": "cnn"}}, "/preset", "contradiction"),
        ({"config": []}, "/config", "dict_type"),
        ({"model": "Not A Slug"}, "/model", "invalid_name"),
        ({"type": "sing"}, "/type", "literal_error"),
        ({"metadata": {"a": 1}}, "/metadata/a", "string_type"),
        ({"metadata": {str(number): "" for number in range(17)}}, "/metadata", "too_long"),
        ({"metadata": {"k": "x" * 513}}, "/metadata/k", "string_too_long"),
        ({"colour": "red"}, "/colour", "unknown_field"),
        ({"dataset_id": None}, "/dataset_id", "string_type"),
    ],
)
def test_each_fault_has_its_pointer(service: Any, body: dict[str, Any], pointer: str, code: str) -> None:
    answer = service.job(**body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), answer.text
    assert (pointer, code) in [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    assert service.client.get("/v1/jobs?type=train").json()["data"] == []


def test_an_unknown_field_is_met_with_the_likely_one(service: Any) -> None:
    answer = service.job(config={"training": {"max_epoch": 3}})
    assert "max_epochs" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("dataset_id", ["ds_0", "", "x", "job_1", "ds_\u0001"])
def test_an_unknown_dataset(service: Any, dataset_id: str) -> None:
    answer = service.client.post("/v1/jobs", json={"dataset_id": dataset_id})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_dataset")
    assert answer.json()["errors"][0]["pointer"] == "/dataset_id"


def test_a_dataset_that_is_not_ready(service: Any) -> None:
    answer = service.client.post("/v1/jobs", json={"dataset_id": service.upload().json()["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_not_ready")
    assert answer.headers["Retry-After"] == "1"


def test_an_invalid_dataset_says_why(service: Any) -> None:
    error = {"code": "dataset_too_small", "message": "one user is not enough", "errors": []}
    answer = service.client.post("/v1/jobs", json={"dataset_id": service.validated(error=error).id})
    assert (answer.status_code, answer.json()["code"]) == (422, "dataset_invalid")
    assert "one user is not enough" in answer.json()["detail"]
    assert answer.json()["cause"]["code"] == "dataset_too_small"


def test_a_dataset_in_which_no_timeline_can_be_long_enough(service: Any) -> None:
    report = {"users": 10, "items": 20, "rows": {"in": 14, "accepted": 14, "rejected": {}}}
    dataset = service.validated(report=report)
    # 14 rows over 10 users: at most one user can have 5 of them.
    ask = {"dataset_id": dataset.id, "config": {"examples": {"min_timeline_length": 6}}}
    answer = service.client.post("/v1/jobs", json=ask)
    assert (answer.status_code, answer.json()["code"]) == (422, "dataset_too_small")
    assert answer.json()["errors"][0]["pointer"] == "/config/examples/min_timeline_length"
    ask["config"]["examples"]["min_timeline_length"] = 5
    assert service.client.post("/v1/jobs", json=ask).status_code == 202


def test_a_size_budget_that_no_variant_can_keep(service: Any) -> None:
    dataset = service.validated()  # 80 items
    ask = {"dataset_id": dataset.id, "config": {"model": {"embedding_dim": 64}, "export": {"max_bytes": 81 * 4 - 1}}}
    answer = service.client.post("/v1/jobs", json=ask)
    assert (answer.status_code, answer.json()["code"]) == (422, "size_budget_impossible")
    assert answer.json()["errors"][0]["pointer"] == "/config/export/max_bytes"
    assert "embedding_dim" in answer.json()["detail"]
    assert service.client.get("/v1/jobs?type=train").json()["data"] == []
    ask["config"]["export"]["max_bytes"] = 81 * 4
    assert service.client.post("/v1/jobs", json=ask).status_code == 202


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_json"),
        (b'{"a": 1, "a": 2}', "application/json", 400, "malformed_json"),
        (b'{"config": {"seed": 1e400}}', "application/json", 400, "malformed_json"),
        (b'{"config": ' + b"[" * 100_000, "application/json", 400, "malformed_json"),
        (b"\xff", "application/json", 400, "malformed_json"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"{}", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"[]", "application/json", 422, "validation_failed"),
        (b"null", "application/json", 422, "validation_failed"),
        (b"", "application/json", 422, "validation_failed"),
        (b'"' + b"x" * 300_000 + b'"', "application/json", 413, "payload_too_large"),
    ],
)
def test_bad_bodies(service: Any, content: bytes, content_type: str, status: int, code: str) -> None:
    answer = service.client.post("/v1/jobs", content=content, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_body_without_a_content_type(service: Any) -> None:
    request = service.client.build_request("POST", "/v1/jobs", content=b"{}")
    request.headers.pop("Content-Type", None)
    assert service.client.send(request).status_code == 415
