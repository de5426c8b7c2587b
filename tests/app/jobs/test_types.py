"""Jobs of the types examples, export and evaluate: which fields go with which, and what becomes of them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sqlalchemy import update

from reco_core.config import load
from registry import jobs, models, tables
from registry.records import FileEntry
from tests.app.jobs.test_validate import REPORT

WEIGHTS = {"weights/best.npz": b"best", "weights/epoch-00002.npz": b"two", "weights/epoch-00010.npz": b"ten"}
FILES = {"model.tflite": b"model", "manifest.json": b"{}", **WEIGHTS}
BASE = {"model": "films", "version": 1}
ERROR = {"code": "diverged", "message": "m", "errors": []}


def config(**sections: Any) -> dict[str, Any]:
    return load({"preset": "bow", "seed": 7, **sections}).model_dump(mode="json")


@pytest.fixture
def base(service: Any) -> Any:
    """A version with weights and a config that is not the default."""
    return service.published(FILES, manifest={"config": config(export={"top_k": 50}), "default_variant": "float16"})


def refused(service: Any, body: dict[str, Any], status: int = 422) -> tuple[str, list[tuple[str, str]]]:
    """Problem code, and pointer and code of each fault, the same from the dry run; nothing is queued."""
    before = service.client.get("/v1/jobs").json()["data"]
    answers = [service.client.post(f"/v1/jobs{verb}", json=body) for verb in ("", ":validate")]
    found = []
    for answer in answers:
        assert answer.status_code == status, answer.text
        faults = [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
        found.append((answer.json()["code"], faults))
    assert found[0] == found[1]
    assert service.client.get("/v1/jobs").json()["data"] == before
    return found[0]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"type": "examples"}, [("/dataset_id", "missing")]),
        ({"type": "examples", "dataset_id": None}, [("/dataset_id", "string_type")]),
        ({"type": "export"}, [("/base", "missing")]),
        ({"type": "evaluate", "dataset_id": "DS"}, [("/base", "missing")]),
        ({"base": BASE}, [("/dataset_id", "missing")]),
        ({"type": "examples", "dataset_id": "DS", "base": BASE}, [("/base", "not_allowed")]),
        ({"type": "examples", "dataset_id": "DS", "model": "films"}, [("/model", "not_allowed")]),
        ({"type": "export", "base": BASE, "dataset_id": "DS"}, [("/dataset_id", "not_allowed")]),
        ({"type": "export", "base": BASE, "preset": "bow"}, [("/preset", "not_allowed")]),
        ({"type": "evaluate", "base": BASE, "model": "films"}, [("/model", "not_allowed")]),
        ({"type": "evaluate", "base": {**BASE, "checkpoint": "best"}}, [("/base/checkpoint", "not_allowed")]),
        (
            {
                "type": "export",
                "base": BASE,
                "config": {"training": {}, "evaluation": {"protocol": "reference", "k": [3]}, "a/b": 1},
            },
            [
                ("/config/training", "not_changeable"),
                ("/config/evaluation/protocol", "not_changeable"),
                ("/config/a~1b", "not_changeable"),
            ],
        ),
        ({"type": "evaluate", "base": BASE, "config": {"export": {}}}, [("/config/export", "not_changeable")]),
        ({"type": "evaluate", "preset": "bow"}, [("/base", "missing"), ("/preset", "not_allowed")]),
        ({"type": "export", "base": {"model": "films"}}, [("/base/version", "missing")]),
        ({"type": "export", "base": {**BASE, "version": 0}}, [("/base/version", "greater_than_equal")]),
        ({"type": "export", "base": {**BASE, "versoin": 1}}, [("/base/versoin", "unknown_field")]),
        ({"type": "export", "base": "films/1"}, [("/base", "model_attributes_type")]),
        ({"type": "export", "base": BASE, "model": "Not A Slug"}, [("/model", "invalid_name")]),
        (
            {"type": "evaluate", "base": BASE, "new_items": [{"id": "9"}], "skip_existing": True},
            [("/new_items", "not_allowed"), ("/skip_existing", "not_allowed")],
        ),
        ({"type": "export", "base": BASE, "skip_existing": True}, [("/skip_existing", "not_allowed")]),
        ({"type": "export", "base": BASE, "new_items": []}, [("/new_items", "too_short")]),
        ({"type": "export", "base": BASE, "new_items": [{"title": "T"}]}, [("/new_items/0/id", "missing")]),
        (
            {"type": "export", "base": BASE, "new_items": [{"id": "9"}, {"id": "8"}, {"id": "9"}]},
            [("/new_items/2/id", "repeated")],
        ),
        (
            {"type": "export", "base": BASE, "config": {"export": {"top_k": 0}}},
            [("/config/export/top_k", "greater_than_equal")],
        ),
        (
            {"type": "export", "base": BASE, "config": {"export": {"topk": 5}}},
            [("/config/export/topk", "unknown_field")],
        ),
        ({"type": "export", "base": BASE, "config": {"export": 5}}, [("/config/export", "model_type")]),
        (
            {"type": "evaluate", "base": BASE, "config": {"evaluation": {"k": []}}},
            [("/config/evaluation/k", "too_short")],
        ),
    ],
)
def test_a_field_that_lacks_or_does_not_go_with_the_type(
    service: Any, base: Any, body: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    if body.get("dataset_id") == "DS":
        body = {**body, "dataset_id": base.dataset_id}
    assert refused(service, body) == ("validation_failed", faults)


@pytest.mark.parametrize(
    ("named", "pointer"),
    [({"model": "shoes"}, "/base/model"), ({"model": "\x01"}, "/base/model"), ({"version": 2}, "/base/version")],
)
def test_a_base_that_is_not_there(service: Any, base: Any, named: dict[str, Any], pointer: str) -> None:
    for type_ in ("export", "evaluate"):
        assert refused(service, {"type": type_, "base": {**BASE, **named}}) == (
            "unknown_model",
            [(pointer, "unknown_model")],
        )


def test_a_checkpoint_that_was_not_kept_is_met_with_those_that_were(service: Any, base: Any) -> None:
    body = {"type": "export", "base": {**BASE, "checkpoint": "epoch-00003"}}
    assert refused(service, body) == ("validation_failed", [("/base/checkpoint", "unknown_checkpoint")])
    detail = service.client.post("/v1/jobs", json=body).json()["errors"][0]["detail"]
    assert detail == "the version keeps best, epoch-00002, epoch-00010"


def test_a_version_without_weights_can_be_evaluated_but_not_exported(service: Any) -> None:
    service.published({"model.tflite": b"m"}, manifest={"config": config()})
    assert refused(service, {"type": "export", "base": BASE}) == ("no_weights", [("/base/version", "no_weights")])
    assert service.client.post("/v1/jobs", json={"type": "evaluate", "base": BASE}).status_code == 202


def test_a_version_whose_config_this_release_can_not_read(service: Any) -> None:
    service.published(FILES, manifest={"config": {"from": "the future"}})
    for type_ in ("export", "evaluate"):
        assert refused(service, {"type": type_, "base": BASE}) == (
            "validation_failed",
            [("/base/version", "config_unreadable")],
        )


def test_a_version_whose_dataset_was_deleted(service: Any, base: Any) -> None:
    assert service.client.delete(f"/v1/datasets/{base.dataset_id}").status_code == 204
    expected = ("dataset_deleted", [("/base/version", "dataset_deleted")])
    assert refused(service, {"type": "export", "base": BASE}, 409) == expected
    assert refused(service, {"type": "evaluate", "base": BASE}, 409) == expected
    other = service.validated().id
    assert (
        service.client.post("/v1/jobs", json={"type": "evaluate", "base": BASE, "dataset_id": other}).status_code == 202
    )


def test_examples(service: Any) -> None:
    dataset = service.validated()
    asked = {"type": "examples", "dataset_id": dataset.id, "preset": "cnn", "config": {"seed": 3}}
    answer = service.client.post("/v1/jobs", json=asked)
    body = answer.json()
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{body['id']}"
    assert (body["type"], body["queue"], body["model"], body["base"]) == ("examples", "train", None, None)
    expected = load({"preset": "cnn", "seed": 3, "examples": {"tfrecord": True}})
    assert body["config"] == expected.model_dump(mode="json")
    assert service.nudged[-1] == body["id"]
    layout = {"examples": {"tfrecord": {"layout": "original_2020"}}}
    body = service.client.post("/v1/jobs", json={**asked, "config": layout}).json()
    assert body["config"]["examples"]["tfrecord"]["layout"] == "original_2020"
    assert body["config"]["examples"]["tfrecord"]["shards"] == 1
    for none in (None, False):  # vocabularies and counts only
        body = service.client.post("/v1/jobs", json={**asked, "config": {"examples": {"tfrecord": none}}}).json()
        assert body["config"]["examples"]["tfrecord"] is None


def test_export(service: Any, base: Any) -> None:
    asked = {
        "type": "export",
        "base": {**BASE, "checkpoint": "epoch-00002"},
        "config": {"export": {"variants": ["float32"], "default_variant": "float32"}},
    }
    body = service.client.post("/v1/jobs", json=asked).json()
    assert (body["type"], body["dataset_id"], body["model"]) == ("export", base.dataset_id, "films")
    assert body["base"] == {**BASE, "checkpoint": "epoch-00002"}
    assert body["config"] == config(export={"top_k": 50, "variants": ["float32"], "default_variant": "float32"})
    assert service.read_job(body["id"]).base == body["base"]
    body = service.client.post("/v1/jobs", json={"type": "export", "base": BASE, "model": "other"}).json()
    assert (body["base"]["checkpoint"], body["model"]) == ("best", "other")
    assert body["config"] == config(export={"top_k": 50})


def test_evaluate(service: Any, base: Any) -> None:
    body = service.client.post("/v1/jobs", json={"type": "evaluate", "base": BASE}).json()
    assert (body["dataset_id"], body["model"], body["base"]) == (base.dataset_id, None, {**BASE, "checkpoint": None})
    other = service.validated().id
    asked = {"type": "evaluate", "base": BASE, "dataset_id": other, "config": {"evaluation": {"k": [3]}}}
    body = service.client.post("/v1/jobs", json=asked).json()
    assert body["dataset_id"] == other
    assert body["config"] == config(export={"top_k": 50}, evaluation={"k": [3]})


def test_a_yanked_version_is_a_base_for_whoever_names_it(service: Any, base: Any) -> None:
    service.client.post("/v1/models/films/versions/1:yank")
    assert service.client.post("/v1/jobs", json={"type": "export", "base": BASE}).status_code == 202


def test_another_projects_version_is_no_base(service: Any, base: Any) -> None:
    with service.database.write() as session:
        session.execute(tables.projects.insert().values(id="other", created_at=base.created_at))
        session.execute(update(tables.models).values(project_id="other"))
    assert refused(service, {"type": "export", "base": BASE}) == ("unknown_model", [("/base/model", "unknown_model")])


def test_the_list_is_filtered_by_type(service: Any, base: Any) -> None:
    found = {}
    for body in ({"type": "export", "base": BASE}, {"type": "evaluate", "base": BASE}):
        found[body["type"]] = service.client.post("/v1/jobs", json=body).json()["id"]
    for type_, job_id in found.items():
        listed = service.client.get("/v1/jobs", params={"type": type_}).json()["data"]
        assert [job["id"] for job in listed] == [job_id]
    assert service.client.get("/v1/jobs", params={"type": "sing"}).status_code == 422


def test_files_of_a_job_are_served_as_those_of_a_version(service: Any, base: Any) -> None:
    job_id = service.client.post("/v1/jobs", json={"type": "evaluate", "base": BASE}).json()["id"]
    address = f"/v1/jobs/{job_id}/artifacts"
    assert service.client.get(f"{address}/report.json").status_code == 404
    files = {"report.json": b'{"test": {}}', "a b/x.tfrecord": bytes(range(200))}
    service.made_files(job_id, files, {"ndcg@10": 0.25})
    result = service.client.get(f"/v1/jobs/{job_id}").json()["result"]
    assert (result["model"], result["version"], result["metrics"]) == (None, None, {"ndcg@10": 0.25})
    assert [entry["url"] for entry in result["artifacts"]] == [f"{address}/a%20b/x.tfrecord", f"{address}/report.json"]
    for entry in result["artifacts"]:
        answer = service.client.get(entry["url"])
        assert answer.content == files[entry["path"]]
        assert answer.headers["ETag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"' == f'"{entry["sha256"]}"'
        assert "immutable" in answer.headers["Cache-Control"]
        head = service.client.head(entry["url"])
        assert (head.content, head.headers["Content-Length"]) == (b"", str(len(answer.content)))
        part = service.client.get(entry["url"], headers={"Range": "bytes=1-4"})
        assert (part.status_code, part.content) == (206, answer.content[1:5])
        known = service.client.get(entry["url"], headers={"If-None-Match": answer.headers["ETag"]})
        assert known.status_code == 304
        name = entry["path"].rpartition("/")[2]
        assert service.client.get(f"{entry['url']}.sha256").text == f"{entry['sha256']}  {name}\n"
    sums = service.client.get(f"{address}/SHA256SUMS").text
    assert sums == "".join(f"{entry['sha256']}  {entry['path']}\n" for entry in result["artifacts"])
    for path in ("nothing", "../report.json", "%2e%2e/report.json", "manifest.json.sig", ""):
        assert service.client.get(f"{address}/{path}").status_code in (404, 405)
    assert service.client.get("/v1/jobs/job_0/artifacts/report.json").status_code == 404


def test_weights_stand_beside_the_bundle_and_are_listed(service: Any, base: Any) -> None:
    version = service.client.get("/v1/models/films/versions/1").json()
    assert [entry["checkpoint"] for entry in version["weights"]] == ["best", "epoch-00002", "epoch-00010"]
    for entry in version["weights"]:
        content = service.client.get(entry["url"]).content
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (entry["sha256"], entry["bytes"])
    sums = service.client.get("/v1/models/films/versions/1/files/SHA256SUMS").text
    assert "model.tflite" in sums
    assert "weights" not in sums


def test_they_are_cancelled_and_tried_again_like_others(service: Any, base: Any) -> None:
    job = service.client.post("/v1/jobs", json={"type": "export", "base": BASE, "metadata": {"a": "b"}}).json()
    assert service.client.post(f"/v1/jobs/{job['id']}:cancel").json()["status"] == "cancelled"
    again = service.client.post(f"/v1/jobs/{job['id']}:retry").json()
    for name in ("type", "base", "config", "model", "dataset_id", "metadata", "estimate"):
        assert again[name] == job[name]
    assert (again["retry_of"], again["checkpoint"]) == (job["id"], None)
    claim = service.claim(again["id"])
    with service.database.write() as session:
        jobs.fail(session, claim, ERROR)
    service.client.delete(f"/v1/datasets/{base.dataset_id}")
    answer = service.client.post(f"/v1/jobs/{again['id']}:retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_deleted")


def test_estimates_say_what_there_is_to_say(service: Any) -> None:
    dataset = service.validated(report=REPORT)
    claim = service.claim(
        service.client.post("/v1/jobs", json={"dataset_id": dataset.id, "model": "films"}).json()["id"]
    )
    blob = service.blobs.put_bytes(b"best")
    with service.database.write() as session:
        entries = [FileEntry("weights/best.npz", blob.bytes, blob.sha256)]
        models.publish_version(session, claim, model="films", files=entries, metrics={}, manifest={})
        jobs.succeed(session, claim, {})
    found = {}
    for body in (
        {"dataset_id": dataset.id},
        {"type": "examples", "dataset_id": dataset.id},
        {"type": "export", "base": BASE},
        {"type": "evaluate", "base": BASE},
    ):
        answer = service.client.post("/v1/jobs:validate", json=body)
        assert answer.status_code == 200, answer.text
        found[answer.json()["type"]] = answer.json()
        queued = service.client.post("/v1/jobs", json=body).json()
        assert queued["estimate"] == answer.json()["estimate"]
    train = found["train"]["estimate"]
    for type_ in ("examples", "export", "evaluate"):
        estimate = found[type_]["estimate"]
        assert estimate["examples"] == {"train": 855, "validation": 45, "test": 45}
        assert (estimate["memory_bytes"], estimate["epochs"], estimate["seconds"]["per_epoch"]) == (None, None, None)
        phases = estimate["seconds"]["phases"]
        assert "train" not in phases
        assert phases == {name: train["seconds"]["phases"][name] for name in phases}
        total = sum(span["expected"] for span in phases.values())
        assert estimate["seconds"]["total"]["expected"] == pytest.approx(total, abs=0.31)
    assert found["export"]["estimate"]["bytes"] == train["bytes"]
    assert found["examples"]["estimate"]["bytes"] == found["evaluate"]["estimate"]["bytes"] == {}
    assert found["export"]["base"] == {**BASE, "checkpoint": "best"}
    assert (found["evaluate"]["model"], found["export"]["model"]) == (None, "films")


def test_examples_are_not_refused_for_what_training_on_them_would_take(make_service: Any) -> None:
    service = make_service(max_job_memory_bytes=1000)
    body = {"dataset_id": service.validated(report=REPORT).id}
    assert service.client.post("/v1/jobs", json=body).json()["code"] == "resource_estimate_exceeded"
    assert service.client.post("/v1/jobs", json={**body, "type": "examples"}).status_code == 202


def test_new_items_go_with_the_base_and_are_counted(service: Any, base: Any) -> None:
    items = [{"id": "9", "title": "Nine", "attributes": ["Drama"]}, {"id": "8", "features": {"year": 1999}}]
    answer = service.client.post("/v1/jobs", json={"type": "export", "base": BASE, "new_items": items})
    assert answer.status_code == 202, answer.text
    assert answer.json()["base"] == {**BASE, "checkpoint": "best", "new_items": 2}
    with service.database.read() as session:
        kept = jobs.get(session, answer.json()["id"]).base
    assert kept["new_items"][0] == {"id": "9", "title": "Nine", "attributes": ["Drama"], "features": {}}
    assert kept["skip_existing"] is False
    plain = service.client.post("/v1/jobs", json={"type": "export", "base": BASE}).json()
    assert plain["base"] == {**BASE, "checkpoint": "best"}
