"""A config of the original toolkit in place of ours: converted, shown as it is then, and what changed is told."""

from __future__ import annotations

from typing import Any

import pytest

from reco_core.config import load
from tests.app.jobs.test_validate import REPORT
from tests.reco_core.config.original.samples import IDS_ONLY, INPUT_CONFIG, LABEL, SAMPLE_CONFIG

SAMPLE = {"sample_config": SAMPLE_CONFIG, "flags": {"encoder_type": "cnn"}}


@pytest.fixture
def ask(service: Any) -> Any:
    """`ask(verb, **body)`: POST /v1/jobs or, with the verb `:validate`, the dry run."""
    dataset = service.validated(report=REPORT)

    def post(verb: str = "", **body: Any) -> Any:
        return service.client.post(f"/v1/jobs{verb}", json={"dataset_id": dataset.id, **body})

    return post


def test_a_job_is_queued_with_the_converted_config_and_its_event_tells_the_changes(service: Any, ask: Any) -> None:
    answer = ask(original={"input_config": INPUT_CONFIG, "flags": {"conv_num_filter_ratios": [2, 4], "batch_size": 64}})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert job["config"]["encoder"] == {"type": "cnn", "num_filter_ratios": [2, 4], "kernel_size": 4}
    assert job["config"]["training"]["batch_size"] == 64
    assert load(job["config"]).model_dump(mode="json") == job["config"]
    assert service.client.get(f"/v1/jobs/{job['id']}").json() == job
    created, converted = service.client.get(f"/v1/jobs/{job['id']}/events").json()["data"]
    assert (created["type"], converted["type"], job["last_seq"]) == ("job.created", "job.config_converted", 2)
    fields = {change["field"] for change in converted["data"]["changes"]}
    assert {"CNN stride", "--learning_rate"} <= fields
    assert service.nudged[-1] == job["id"]


def test_the_dry_run_shows_what_would_be_queued_and_the_changes(ask: Any) -> None:
    answer = ask(":validate", original=SAMPLE).json()
    assert answer["config"] == ask(original=SAMPLE).json()["config"]
    changes = answer["conversion"]["changes"]
    assert {"field", "original", "ours", "why"} == set(changes[0])
    assert ask(":validate", config={"encoder": {"type": "bow"}}).json()["conversion"] is None


def test_converting_alone(service: Any) -> None:
    answer = service.client.post("/v1/config:convert", json={"input_config": IDS_ONLY, "flags": {"num_epochs": "7"}})
    assert answer.status_code == 200, answer.text
    assert load(answer.json()["config"]).training.max_epochs == 7
    assert answer.json()["changes"]
    key = {"Idempotency-Key": "one"}
    first = service.client.post("/v1/config:convert", json=SAMPLE, headers=key)
    again = service.client.post("/v1/config:convert", json=SAMPLE, headers=key)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()


def test_values_of_flags_may_be_json(service: Any) -> None:
    flags = {
        "hidden_layer_dims": [64, 32],
        "learning_rate": 0.05,
        "build_vocabs": False,
        "--batch_size": 8,
        "min_rating": "3",
    }
    text = {
        "hidden_layer_dims": "64,32",
        "learning_rate": "0.05",
        "build_vocabs": "false",
        "batch_size": "8",
        "min_rating": "3",
    }
    answers = [
        service.client.post("/v1/config:convert", json={"input_config": IDS_ONLY, "flags": given}).json()
        for given in (flags, text)
    ]
    assert answers[0] == answers[1]
    assert answers[0]["config"]["model"]["hidden_layers"] == [64, 32]


@pytest.mark.parametrize(
    ("body", "pointer", "code", "said"),
    [
        ({"original": SAMPLE, "config": {}}, "/config", "contradiction", "not both"),
        ({"original": SAMPLE, "preset": "bow"}, "/preset", "contradiction", "not both"),
        ({"original": {}}, "/original", "missing", "give one of"),
        ({"original": {**SAMPLE, "input_config": IDS_ONLY}}, "/original", "contradiction", "give one of"),
        ({"original": {"input_config": "f {"}}, "/original/input_config", "text_proto_invalid", "line 1 column 1:"),
        ({"original": {"input_config": LABEL}}, "/original/input_config", "missing", "activity_feature_groups: "),
        ({"original": {"input_config": IDS_ONLY, "flags": {"batch_sise": 3}}}, "/original/flags/batch_sise",
         "unknown_flag", "did you mean --batch_size?"),
        ({"original": {"input_config": IDS_ONLY, "flags": {"--num_epochs": 0}}}, "/original/flags/--num_epochs",
         "greater_than_equal", "--num_epochs: "),
        ({"original": {"sample_config": {**SAMPLE_CONFIG, "lstm_num_units": "x"}}},
         "/original/sample_config/lstm_num_units", "value_invalid", "whole number"),
        ({"original": {"input_config": IDS_ONLY, "flag": {}}}, "/original/flag", "unknown_field", ""),
        ({"original": SAMPLE, "type": "export", "base": {"model": "films", "version": 1}, "dataset_id": None},
         "/original", "not_allowed", "config of its base"),
    ],
)  # fmt: skip
def test_what_is_refused_points_into_the_request(
    service: Any, ask: Any, body: dict[str, Any], pointer: str, code: str, said: str
) -> None:
    for verb in ("", ":validate"):
        answer = ask(verb, **body)
        assert answer.status_code == 422, answer.text
        (fault,) = (one for one in answer.json()["errors"] if one["pointer"] == pointer)
        assert (answer.json()["code"], fault["code"]) == ("validation_failed", code)
        assert said in fault["detail"]
    assert service.client.get("/v1/jobs?type=train").json()["data"] == []


def test_what_only_the_dataset_forbids_is_named_as_in_the_original(ask: Any) -> None:
    answer = ask(original={"sample_config": SAMPLE_CONFIG, "flags": {"min_timeline_length": 990}})
    assert answer.json()["code"] == "dataset_too_small"
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/original/flags/min_timeline_length"]
    warned = ask(":validate", original={"sample_config": SAMPLE_CONFIG, "flags": {"num_epochs": 500}}).json()
    assert warned["warnings"]
    assert all(one["pointer"].startswith(("/original/", "/dataset_id")) for one in warned["warnings"])


def test_examples_are_made_with_the_generators_flags(ask: Any) -> None:
    flags = {"max_context_length": 5, "max_context_movie_genre_length": 32, "train_data_fraction": 0.8}
    answer = ask(":validate", type="examples", original={"sample_config": SAMPLE_CONFIG, "flags": flags}).json()
    examples = answer["config"]["examples"]
    assert (examples["max_history_length"], examples["train_data_fraction"]) == (5, 0.8)
    assert (examples["tfrecord"]["layout"], examples["tfrecord"]["max_genre_length"]) == ("original_2020", 32)


@pytest.mark.parametrize(
    ("original", "layout"),
    [({"sample_config": SAMPLE_CONFIG}, "original_2020"), ({"input_config": IDS_ONLY}, "original")],
)
def test_examples_without_the_generators_flags_have_the_layout_of_their_time(
    ask: Any, original: dict[str, Any], layout: str
) -> None:
    answer = ask(":validate", type="examples", original=original).json()
    assert answer["config"]["examples"]["tfrecord"]["layout"] == layout
    queued = ask(type="examples", original=original)
    assert queued.status_code == 202, queued.text
    assert queued.json()["config"]["examples"]["tfrecord"]["layout"] == layout
