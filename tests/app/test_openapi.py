"""The OpenAPI document is part of the product: its examples are valid, its errors typed, its ids unique."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from app.problem_kinds import KINDS

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture
def document(service: Any) -> dict[str, Any]:
    answer = service.client.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def validate(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def test_it_is_openapi_3_1_without_dangling_references(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    names = set(document["components"]["schemas"])

    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    used = set(references(document))
    assert used
    assert used <= {f"#/components/schemas/{name}" for name in names}
    assert "HTTPValidationError" not in names


def test_every_operation_has_an_id_of_its_own_and_a_summary(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids)) > 15
    for method, path, operation in operations(document):
        assert operation.get("summary"), (method, path)
        assert operation.get("description"), (method, path)


def test_every_json_answer_has_a_valid_example(document: dict[str, Any]) -> None:
    seen = 0
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            for media_type, content in response.get("content", {}).items():
                if "json" not in media_type:
                    continue
                examples = [example["value"] for example in content.get("examples", {}).values()]
                examples += [content["example"]] if "example" in content else []
                assert examples, (method, path, status)
                for example in examples:
                    validate(document, content["schema"], example)
                    seen += 1
    assert seen > 60


def test_request_examples_are_valid(document: dict[str, Any], service: Any) -> None:
    service.published({"weights/best.npz": b"b", "weights/epoch-00003.npz": b"e"})
    schema = document["components"]["schemas"]["JobRequest"]
    for example in schema["examples"]:
        validate(document, schema, example)
        real = {"dataset_id": service.validated().id} if "dataset_id" in example else {}
        answer = service.client.post("/v1/jobs", json={**example, **real})
        assert answer.status_code == 202, answer.text
    # One for each type at least, so that nobody has to guess which fields go together.
    types = schema["properties"]["type"]["enum"]
    assert list(dict.fromkeys(example["type"] for example in schema["examples"])) == types


def test_every_error_is_a_problem_document_of_a_known_kind(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) < 400:
                continue
            [(media_type, content)] = response["content"].items()
            assert media_type == "application/problem+json", (method, path, status)
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            for code, example in content["examples"].items():
                assert KINDS[code].status == int(status) == example["value"]["status"]


def test_creating_operations_document_where_the_object_is(document: dict[str, Any]) -> None:
    for path in ("/v1/datasets", "/v1/jobs"):
        headers = document["paths"][path]["post"]["responses"]["202"]["headers"]
        assert {"Location", "Retry-After"} <= set(headers)


def test_the_config_is_described_in_full(document: dict[str, Any]) -> None:
    config = document["components"]["schemas"]["JobRequest"]["properties"]["config"]
    assert {"$ref": "#/components/schemas/JobConfig"} in config["anyOf"]
    assert "Cnn" in document["components"]["schemas"]


def test_real_answers_match_their_schemas(document: dict[str, Any], service: Any) -> None:
    version = service.published({"model.tflite": b"m", "bundle.zip": b"z"})
    queued = service.job().json()["id"]
    invalid = service.validated(error={"code": "dataset_invalid", "message": "m", "errors": []}).id
    for path, values in {
        "/v1/datasets": {},
        "/v1/datasets/{dataset_id}": {"dataset_id": version.dataset_id},
        "/v1/datasets/{dataset_id}/report": {"dataset_id": version.dataset_id},
        "/v1/datasets/{dataset_id}/events": {"dataset_id": invalid},
        "/v1/builtin_datasets": {},
        "/v1/jobs": {},
        "/v1/jobs/{job_id}": {"job_id": version.job_id},
        "/v1/jobs/{job_id}/events": {"job_id": version.job_id},
        "/v1/jobs/{job_id}/metrics": {"job_id": queued},
        "/v1/jobs/{job_id}/logs": {"job_id": version.job_id},
        "/v1/jobs/{job_id}/attempts": {"job_id": version.job_id},
        "/v1/models": {},
        "/v1/models/{name}": {"name": "films"},
        "/v1/models/{name}/versions": {"name": "films"},
        "/v1/models/{name}/versions/{version}": {"name": "films", "version": 1},
        "/v1/models/{name}/versions/{version}/files": {"name": "films", "version": 1},
        "/v1/config_schema": {},
        "/v1/presets": {},
        "/healthz": {},
        "/readyz": {},
        "/problems/{code}": {"code": "not_found"},
    }.items():
        answer = service.client.get(path.format(**values))
        assert answer.status_code == 200, (path, answer.text)
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        validate(document, schema, answer.json())


def test_no_page_that_loads_scripts_from_elsewhere(service: Any) -> None:
    for path in ("/docs", "/redoc"):
        assert service.client.get(path).status_code == 404
