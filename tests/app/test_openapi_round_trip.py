"""Each example of the OpenAPI document, sent to the service, gets an answer of the form that its example shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema

Operation = tuple[str, str, dict[str, Any]]
FILES = {
    "model.tflite": b"model",
    "manifest.json": b'{"files": []}',
    "report.json": b'{"test": {}}',
    "bundle.zip": b"zip",
    "measurements.json": b"{}",
    "weights/best.npz": b"best",
    "weights/epoch-00003.npz": b"third",
}
# Operations whose object must be in another state than a published version's.
QUEUED = {"cancel_job"}
STOPPED = {"retry_job"}
UNUSED = {"delete_dataset"}


class World:
    """One of everything, new for each operation, and what the parameters of an address are to be."""

    def __init__(self, service: Any) -> None:
        self.service = service
        self.version = service.published(FILES)
        service.published(FILES)

    def parameters(self, operation_id: str) -> dict[str, Any]:
        dataset, job = self.version.dataset_id, self.version.job_id
        if operation_id in QUEUED | STOPPED:
            job = self.service.job().json()["id"]
        if operation_id in STOPPED:
            self.service.client.post(f"/v1/jobs/{job}:cancel")
        if operation_id in UNUSED:
            dataset = self.service.validated().id
        return {
            "dataset_id": dataset,
            "job_id": job,
            "name": "films",
            "version": 1,
            "versions": "1,2",
            "path": "model.tflite",
            "code": "not_found",
        }

    def real(self, example: Any) -> Any:
        """A request example with ids that exist."""
        text = json.dumps(example)
        if isinstance(example, dict) and "dataset_id" in example:
            text = text.replace(example["dataset_id"], self.version.dataset_id)
        return json.loads(text)


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def request_examples(document: dict[str, Any], operation: dict[str, Any]) -> list[Any]:
    """The JSON bodies that the document shows for an operation, or [None] where it takes none."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return [None]
    if "example" in content:
        return [content["example"]]
    if "examples" in content:
        return [example["value"] for example in content["examples"].values()]
    schema = content["schema"]
    while "$ref" in schema or "anyOf" in schema:
        schema = schema["anyOf"][0] if "anyOf" in schema else document["components"]["schemas"][_name(schema)]
    return list(schema["examples"])


def _name(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


FREE_FORM = {
    *("config", "config_changes", "report", "metrics", "metadata", "labels", "manifest", "data", "spec", "source"),
    # What a version has of them depends on what made it.
    *("baselines", "signatures"),
    # What there is in an estimate depends on the type of job.
    *("bytes", "phases"),
    # A JSON Schema: its example shows a fragment.
    "config_schema",
}


def differences(shown: Any, answered: Any, where: str) -> Iterator[str]:
    """Objects should have the same members; of lists the first elements are compared. Free-form objects may differ."""
    if where.rpartition("/")[2] in FREE_FORM:
        return
    if isinstance(shown, dict) and isinstance(answered, dict):
        if unlike := set(shown) ^ set(answered):
            yield f"{where}: only in the example or only in the answer: {sorted(unlike)}"
        for name in sorted(set(shown) & set(answered)):
            yield from differences(shown[name], answered[name], f"{where}/{name}")
    elif isinstance(shown, list) and isinstance(answered, list) and shown and answered:
        yield from differences(shown[0], answered[0], f"{where}/0")


def send(world: World, method: str, path: str, operation: dict[str, Any], body: Any) -> Any:
    parameters = world.parameters(operation["operationId"])
    address = path.format(**parameters)
    needed = [p for p in operation.get("parameters", ()) if p["in"] == "query" and p.get("required")]
    query = {parameter["name"]: parameters[parameter["name"]] for parameter in needed}
    client = world.service.client
    if body is None and "multipart/form-data" in operation.get("requestBody", {}).get("content", {}):
        return client.post(address, files={"file": ("ratings.csv", b"user,item,ts\n1,2,3\n")})
    if body is None:
        return client.request(method, address, params=query)
    return client.request(method, address, params=query, json=world.real(body))


def test_every_example_round_trips(make_service: Callable[..., Any]) -> None:
    service = make_service(allow_urls=True)
    document = service.client.get("/openapi.json").json()
    world = World(service)
    found, seen = [], 0
    for method, path, operation in operations(document):
        success = min(int(status) for status in operation["responses"] if status.startswith("2"))
        for body in request_examples(document, operation):
            seen += 1
            where = f"{method.upper()} {path}"
            answer = send(world, method, path, operation, body)
            if answer.status_code != success:
                found.append(f"{where}: {answer.status_code} {answer.text}")
                continue
            content = operation["responses"][str(success)].get("content", {}).get("application/json", {})
            if method == "head":
                found += [f"{where}: has a body"] if answer.content else []
            elif "application/octet-stream" in operation["responses"][str(success)].get("content", {}):
                found += [] if answer.content in FILES.values() else [f"{where}: not the file's bytes"]
            elif "example" in content:
                schema = {**content["schema"], "components": document["components"]}
                invalid = jsonschema.Draft202012Validator(schema).iter_errors(answer.json())
                found += [f"{where}: {error.json_path}: {error.message}" for error in invalid]
                found += differences(content["example"], answer.json(), where)
    assert not found, "\n".join(found)
    assert seen > 25
