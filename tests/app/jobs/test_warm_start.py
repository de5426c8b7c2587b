"""Training that begins with a published version's weights: what may be asked for, and what is queued."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from reco_core.config import load
from registry import jobs, retries, tables
from tests.app.jobs.test_types import BASE, ERROR, FILES, config, refused

BEST = {**BASE, "checkpoint": "best"}
FEATURES = {"history": [{"type": "string", "name": "kind", "length": 1, "column": "kind"}]}


@pytest.fixture
def base(service: Any) -> Any:
    """A version with weights and a config that is not the default."""
    return service.published(FILES, manifest={"config": config(export={"top_k": 50}), "default_variant": "float16"})


@pytest.fixture
def grown(service: Any) -> str:
    """Another dataset, to train on."""
    return service.validated().id


def queued(service: Any, grown: str, **body: Any) -> dict[str, Any]:
    answer = service.client.post("/v1/jobs", json={"dataset_id": grown, **body})
    assert answer.status_code == 202, answer.text
    dry = service.client.post("/v1/jobs:validate", json={"dataset_id": grown, **body}).json()
    assert (dry["base"], dry["config"]) == (answer.json()["base"], answer.json()["config"])
    assert service.read_job(answer.json()["id"]).base == answer.json()["base"]
    return answer.json()


def test_config_and_model_are_the_versions_by_default(service: Any, base: Any, grown: str) -> None:
    for body in ({"base_version": "films@1"}, {"base": BASE}):
        job = queued(service, grown, **body)
        assert (job["type"], job["base"], job["model"], job["dataset_id"]) == ("train", BEST, "films", grown)
        assert job["config"] == config(export={"top_k": 50})
    changes = {"training": {"max_epochs": 3}, "model": {"dropout": 0.4}, "seed": 9}
    job = queued(service, grown, base_version="films@1", config=changes, model="other")
    assert job["model"] == "other"
    assert job["config"] == config(export={"top_k": 50}, **changes)


def test_what_begins_with_weights_has_no_teachers(service: Any, base: Any, grown: str) -> None:
    training = {"max_epochs": 3, "teachers": 2, "teacher_epochs": 5}
    found = queued(service, grown, base_version="films@1", config={"training": training})["config"]["training"]
    assert (found["teachers"], found["max_epochs"]) == (0, 5)


def test_a_preset_makes_it_a_whole_config(service: Any, base: Any, grown: str) -> None:
    for body in ({"preset": "bow"}, {"config": {"preset": "bow"}}):
        job = queued(service, grown, base_version="films@1", **body)
        assert job["config"] == load({"preset": "bow"}).model_dump(mode="json")


def test_another_epochs_weights(service: Any, base: Any, grown: str) -> None:
    job = queued(service, grown, base={**BASE, "checkpoint": "epoch-00002"})
    assert job["base"]["checkpoint"] == "epoch-00002"


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"config": {"encoder": {"type": "rnn"}}}, [("/config/encoder/type", "base_mismatch")]),
        (
            {"config": {"model": {"embedding_dim": 8, "hidden_layers": [], "item_bias": False}}},
            [
                ("/config/model/embedding_dim", "base_mismatch"),
                ("/config/model/hidden_layers", "base_mismatch"),
                ("/config/model/item_bias", "base_mismatch"),
            ],
        ),
        ({"config": {"features": FEATURES}}, [("/config/features/history", "base_mismatch")]),
        (
            {"preset": "cnn"},
            [("/config/encoder/type", "base_mismatch"), ("/config/model/hidden_layers", "base_mismatch")],
        ),
        ({"config": {"training": {"epochs": 3}}}, [("/config/training/epochs", "unknown_field")]),
    ],
)
def test_another_architecture_is_refused_before_anything_is_trained(
    service: Any, base: Any, grown: str, body: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    asked = {"dataset_id": grown, "base_version": "films@1", **body}
    assert refused(service, asked) == ("validation_failed", faults)


def test_what_only_the_data_tell_is_left_to_the_job(service: Any, base: Any, grown: str) -> None:
    body = {"model": {"item_attribute": "genres"}, "features": {"automatic": True}}
    assert queued(service, grown, base_version="films@1", config=body)["config"]["features"]["automatic"]


@pytest.mark.parametrize(
    ("named", "code", "fault"),
    [
        ({"base_version": "films@2"}, "unknown_model", ("/base_version", "unknown_model")),
        ({"base_version": "shoes@1"}, "unknown_model", ("/base_version", "unknown_model")),
        ({"base": {**BASE, "version": 2}}, "unknown_model", ("/base/version", "unknown_model")),
        ({"base": {**BASE, "checkpoint": "best2"}}, "validation_failed", ("/base/checkpoint", "unknown_checkpoint")),
        ({"base_version": "films"}, "validation_failed", ("/base_version", "string_pattern_mismatch")),
        ({"base_version": "films@0"}, "validation_failed", ("/base_version", "string_pattern_mismatch")),
        ({"base_version": "films@1", "base": BASE}, "validation_failed", ("/base_version", "contradiction")),
        (
            {"base_version": "films@1", "type": "examples"},
            "validation_failed",
            ("/base_version", "not_allowed"),
        ),
    ],
)
def test_a_base_that_is_not_there(
    service: Any, base: Any, grown: str, named: dict[str, Any], code: str, fault: tuple[str, str]
) -> None:
    assert refused(service, {"dataset_id": grown, **named}) == (code, [fault])


def test_a_version_without_weights(service: Any, grown: str) -> None:
    service.published({"model.tflite": b"m"}, manifest={"config": config()})
    asked = {"dataset_id": grown, "base_version": "films@1"}
    assert refused(service, asked) == ("no_weights", [("/base_version", "no_weights")])


def test_another_projects_version(service: Any, base: Any, grown: str) -> None:
    with service.database.write() as session:
        session.execute(tables.projects.insert().values(id="other", created_at=base.created_at))
        session.execute(update(tables.models).values(project_id="other"))
    asked = {"dataset_id": grown, "base_version": "films@1"}
    assert refused(service, asked) == ("unknown_model", [("/base_version", "unknown_model")])


def test_the_bases_own_dataset_may_be_gone(service: Any, base: Any, grown: str) -> None:
    assert service.client.delete(f"/v1/datasets/{base.dataset_id}").status_code == 204
    assert queued(service, grown, base_version="films@1")["base"] == BEST


def test_the_short_form_is_for_the_other_types_too(service: Any, base: Any) -> None:
    job = service.client.post("/v1/jobs", json={"type": "export", "base_version": "films@1"}).json()
    assert (job["type"], job["base"]) == ("export", BEST)


def test_a_repeated_request_and_a_retry_keep_it(service: Any, base: Any, grown: str) -> None:
    asked = {"dataset_id": grown, "base_version": "films@1"}
    answers = [service.client.post("/v1/jobs", json=asked, headers={"Idempotency-Key": "nightly"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    other = service.client.post("/v1/jobs", json={"dataset_id": grown}, headers={"Idempotency-Key": "nightly"})
    assert other.status_code == 422
    job_id = answers[0].json()["id"]
    claim = service.claim(job_id)
    with service.database.write() as session:
        jobs.fail(session, claim, ERROR)
    with service.database.write() as session:
        again = retries.retry(session, job_id)
    assert (again.base, again.config, again.model) == (BEST, config(export={"top_k": 50}), "films")


def test_a_config_of_the_original_is_a_whole_one(service: Any, base: Any, grown: str) -> None:
    original = {"sample_config": {"context_embedding_dim": 32, "label_embedding_dim": 32}}
    asked = {"dataset_id": grown, "base_version": "films@1", "original": original}
    code, faults = refused(service, asked)
    assert (code, {fault for _, fault in faults}) == ("validation_failed", {"base_mismatch"})
    assert all(pointer.startswith("/original") for pointer, _ in faults)
