"""What a job will come to, said before it is queued; and the refusal of one that asks for too much."""

from __future__ import annotations

from typing import Any

import pytest

from registry import jobs

STATISTICS: dict[str, Any] = {
    "version": 1,
    "rows": 1000,
    "users": 50,
    "vocabulary": 80,
    "attribute": {"name": "genres", "values": 5, "entries": 120},
    "text_bytes": 1500,
    "lowest_rating": 1.0,
    "timelines": [
        {"min_rating": None, "lengths": [[2, 5, 10, 10, 0], [22, 45, 990, 990, 900]]},
        {"min_rating": 4.0, "lengths": [[4, 50, 200, 200, 100]]},
    ],
}
REPORT: dict[str, Any] = {
    "rows": {"in": 1000, "accepted": 1000, "rejected": {}},
    "users": 50,
    "items": 80,
    "statistics": STATISTICS,
}


@pytest.fixture
def ask(service: Any) -> Any:
    """`ask(verb, **body)`: POST /v1/jobs or, with the verb `:validate`, the dry run, on a dataset with statistics."""
    dataset = service.validated(report=REPORT)

    def post(verb: str = ":validate", **body: Any) -> Any:
        return service.client.post(f"/v1/jobs{verb}", json={"dataset_id": dataset.id, **body})

    return post


LENGTH = "/config/examples/min_timeline_length"
LARGE = {
    "training": {"batch_size": 65536},
    "encoder": {"type": "rnn", "num_units": 512},
    "examples": {"max_history_length": 200},
    "model": {"embedding_dim": 512},
}


COLUMNS: dict[str, Any] = {
    "mapping": {"user": "u", "item": "i", "timestamp": None, "rating": "stars"},
    "feature_columns": {
        "interaction": [{"name": "rating", "kind": "number"}],
        "item": [{"name": "year", "kind": "integer"}, {"name": "genres", "kind": "text_list"}],
        "user": [{"name": "gender", "kind": "text"}],
    },
}


@pytest.mark.parametrize("verb", [":validate", ""])
def test_features_are_held_against_the_columns_of_the_dataset(service: Any, verb: str) -> None:
    dataset = service.validated(report=REPORT | COLUMNS)
    year, gender = {"type": "int", "name": "year"}, {"type": "string", "name": "sex", "column": "gender"}
    good = {"history": [year, {"type": "float", "name": "rating"}], "global_groups": [{"features": [gender]}]}

    def ask(features: dict[str, Any], id_: str = dataset.id) -> Any:
        return service.client.post(f"/v1/jobs{verb}", json={"dataset_id": id_, "config": {"features": features}})

    assert ask(good).status_code in (200, 202)
    bad = {
        "history": [{**year, "name": "yaer"}, {"type": "time_gap"}],
        "activity_groups": [{"features": [{"type": "float", "name": "genres"}]}],
        "global_groups": [{"features": [{**gender, "type": "int"}, year]}],
    }
    answer = ask(bad)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    found = {fault["pointer"].removeprefix("/config/features/"): fault for fault in answer.json()["errors"]}
    assert {place: fault["code"] for place, fault in found.items()} == {
        "history/0/column": "unknown_column",
        "history/1": "no_timestamps",
        "activity_groups/0/features/0/column": "wrong_column_type",
        "global_groups/0/features/0/column": "wrong_column_type",
        "global_groups/0/features/1/column": "unknown_column",  # items have a year, users don't
    }
    assert (
        "did you mean 'year'? the log has rating; the item table has year, genres"
        in found["history/0/column"]["detail"]
    )
    assert "its column holds lists of text; type string can read it" in str(found)
    assert "mapping.timestamp" in found["history/1"]["detail"]
    # reports from before columns were listed say nothing against it
    assert ask(bad, service.validated(report=REPORT).id).status_code in (200, 202)


def no_jobs(service: Any) -> bool:
    return service.client.get("/v1/jobs?type=train").json()["data"] == []


def test_a_job_is_judged_but_not_queued(service: Any, ask: Any) -> None:
    nudged = list(service.nudged)
    answer = ask(preset="bow", config={"training": {"max_epochs": 3}}, model="films")
    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert (body["type"], body["model"], body["config"]["encoder"]["type"]) == ("train", "films", "bow")
    estimate = body["estimate"]
    assert estimate["exact"] is True
    assert estimate["examples"] == {"train": 855, "validation": 45, "test": 45}
    assert (estimate["users"], estimate["vocabulary"]) == ({"used": 45, "left_out": 5}, 80)
    assert set(estimate["bytes"]) == {"float32", "float16", "dynamic_int8", "bundle"}
    assert (estimate["batch_size"], estimate["steps_per_epoch"]) == (32, 27)
    assert estimate["epochs"] == {"expected": 3, "at_most": 3}
    assert next(iter(estimate["seconds"]["phases"])) == "validate"
    assert no_jobs(service)
    assert service.nudged == nudged


def test_the_estimate_of_a_queued_job_is_kept_with_it(service: Any, ask: Any) -> None:
    expected = ask().json()["estimate"]
    queued = ask("").json()
    assert queued["estimate"] == expected
    assert service.read_job(queued["id"]).estimate == expected


@pytest.mark.parametrize("verb", ["", ":validate"])
@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"config": {"seed": -1}}, "validation_failed", "/config/seed"),
        ({"config": {"model": {"item_attribute": "tags"}}}, "validation_failed", "/config/model/item_attribute"),
        ({"config": {"examples": {"min_timeline_length": 23}}}, "dataset_too_small", LENGTH),
        ({"config": {"examples": {"min_rating": 4.5}}}, "dataset_too_small", "/config/examples/min_rating"),
        ({"config": {"export": {"max_bytes": 10}}}, "size_budget_impossible", "/config/export/max_bytes"),
        ({"dataset_id": "ds_0"}, "unknown_dataset", "/dataset_id"),
        ({"model": "Not A Slug"}, "validation_failed", "/model"),
        ({"config": LARGE}, None, None),
    ],
)
def test_the_dry_run_refuses_what_the_real_one_does(
    service: Any, ask: Any, verb: str, body: dict[str, Any], code: str | None, pointer: str | None
) -> None:
    answer = ask(verb, **body)
    if code is None:  # large, but there are only 855 examples for such a batch
        assert answer.status_code == (200 if verb else 202)
        return
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert no_jobs(service)


def test_too_much_memory_is_refused_with_the_estimate_and_the_way_out(make_service: Any) -> None:
    service = make_service(max_job_memory_bytes=1_100_000_000)
    dataset = service.validated(report=REPORT)
    # windows, whose steps are unrolled: a whole sequence takes little memory
    config = {
        "encoder": {"type": "rnn"},
        "examples": {"max_history_length": 50},
        "training": {"examples": "windows"},
    }
    body = {"dataset_id": dataset.id, "config": config}
    for verb in ("", ":validate"):
        answer = service.client.post(f"/v1/jobs{verb}", json=body)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "resource_estimate_exceeded"), answer.text
        assert problem["estimate"]["memory_bytes"] > problem["limits"]["memory_bytes"] == 1_100_000_000
        (error,) = problem["errors"]
        assert error["pointer"] == "/config/examples/max_history_length"
        assert problem["detail"].endswith("Whoever runs the service sets the limit: POCKETREC_MAX_JOB_MEMORY_BYTES")
    assert no_jobs(service)
    value = int(error["detail"].rpartition(" to ")[2].split()[0])
    config["examples"] = {"max_history_length": value}
    assert service.client.post("/v1/jobs", json=body).status_code == 202


def test_fifty_million_items_are_refused(service: Any) -> None:
    report = {"users": 10**6, "items": 50_000_000, "rows": {"accepted": 10**9}}
    dataset = service.validated(report=report)
    answer = service.client.post("/v1/jobs", json={"dataset_id": dataset.id})
    assert (answer.status_code, answer.json()["code"]) == (422, "resource_estimate_exceeded")
    assert answer.json()["errors"][0]["pointer"] == "/dataset_id"
    assert answer.json()["estimate"]["vocabulary"] == 50_000_000
    assert no_jobs(service)


def test_more_time_than_an_attempt_may_take_is_refused(make_service: Any) -> None:
    service = make_service(deadline_seconds=15)
    dataset = service.validated(report=REPORT)
    ask = {"dataset_id": dataset.id, "config": {"training": {"max_epochs": 10000, "patience": 1000}}}
    answer = service.client.post("/v1/jobs:validate", json=ask)
    assert answer.json()["code"] == "resource_estimate_exceeded"
    assert "/config/training/max_epochs" in [error["pointer"] for error in answer.json()["errors"]]
    assert answer.json()["detail"].endswith("sets the limit: POCKETREC_DEADLINE_SECONDS")


def test_where_no_config_helps_the_user_and_whoever_runs_the_service_are_told_what_does(make_service: Any) -> None:
    service = make_service(memory_bytes=1_000_000)
    answer = service.client.post("/v1/jobs", json={"dataset_id": service.validated(report=REPORT).id})
    advice = "no config mends that; use a log with fewer items and rows"
    assert f"{advice}. Whoever runs the service sets the limit: POCKETREC_MEMORY_BYTES" in answer.json()["detail"]


def test_a_dataset_from_before_there_were_statistics_is_guessed_at(service: Any) -> None:
    answer = service.client.post("/v1/jobs:validate", json={"dataset_id": service.validated().id}).json()
    assert answer["estimate"]["exact"] is False
    assert answer["warnings"][0] == {
        "pointer": "/dataset_id",
        "code": "rough_estimate",
        "detail": answer["warnings"][0]["detail"],
    }


def test_warnings_point_into_the_request(ask: Any) -> None:
    warnings = ask(config={"examples": {"max_history_length": 100}}).json()["warnings"]
    assert "/config/examples/max_history_length" in [one["pointer"] for one in warnings]


def test_the_machine_is_learned_from_finished_jobs(service: Any, ask: Any) -> None:
    first = ask().json()["estimate"]["seconds"]
    assert first["machine_factor"] == 1
    claim = service.claim(ask("").json()["id"])
    with service.database.write() as session:
        jobs.succeed(session, claim, {})
    # nothing was trained, and no time passed: as fast as a single job can show a machine to be
    second = ask().json()["estimate"]["seconds"]
    assert second["machine_factor"] == pytest.approx(0.05**0.5, abs=0.01)
    assert second["per_epoch"] < first["per_epoch"]


def test_a_repeated_request_with_a_key_gets_the_same_answer(service: Any) -> None:
    dataset = service.validated(report=REPORT)
    headers = {"Idempotency-Key": "one"}
    answers = [
        service.client.post("/v1/jobs:validate", json={"dataset_id": dataset.id}, headers=headers) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert "Idempotent-Replayed" in answers[1].headers
