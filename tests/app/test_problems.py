"""Every answer that isn't a success is a problem document."""

from __future__ import annotations

import errno
import sqlite3
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from app.problem_kinds import KINDS
from app.problems import MEDIA_TYPE, Problem, from_pydantic, pointer, recorded
from reco_core import errors
from reco_core.errors import ConfigInvalid, DatasetTooSmall, FieldError, PocketRecError
from registry.errors import BlobCorrupt, BlobMissing, InvalidName, LeaseLost, NotFound


def check(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    assert answer.headers["Cache-Control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"/problems/{code}"
    assert body["code"] == code
    assert body["status"] == status
    assert body["title"] == KINDS[code].title
    assert body["instance"] == answer.request.url.path
    assert len(body["trace_id"]) == 32
    assert isinstance(body["errors"], list)
    assert body["detail"]
    return body


def test_an_unknown_address(service: Any) -> None:
    check(service.client.get("/nothing"), 404, "not_found")


def test_the_wrong_method_names_the_right_ones(service: Any) -> None:
    answer = service.client.delete("/v1/jobs")
    check(answer, 405, "method_not_allowed")
    assert {"GET", "POST"} >= set(answer.headers["Allow"].replace(" ", "").split(",")) != set()


def test_a_trailing_slash_is_another_address(service: Any) -> None:
    check(service.client.get("/v1/jobs/"), 404, "not_found")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Problem("job_finished", "over"), 409, "job_finished"),
        (DatasetTooSmall("too small"), 422, "dataset_too_small"),
        (ConfigInvalid("no", [FieldError("/a", "b", "c")]), 422, "validation_failed"),
        (PocketRecError("boom"), 500, "pipeline_failed"),
        (NotFound("there is no such thing"), 404, "not_found"),
        (InvalidName("bad name"), 422, "validation_failed"),
        (BlobCorrupt("damaged"), 500, "artifact_corrupt"),
        (LeaseLost("gone"), 500, "internal_error"),
        (RuntimeError("secret detail"), 500, "internal_error"),
        (OSError(errno.EIO, "secret detail"), 500, "internal_error"),
        (OSError(errno.ENOSPC, "secret detail"), 507, "insufficient_storage"),
        (OperationalError("secret detail", {}, sqlite3.OperationalError("disk I/O error")), 500, "internal_error"),
        (
            OperationalError("secret detail", {}, sqlite3.OperationalError("database or disk is full")),
            507,
            "insufficient_storage",
        ),
        (RecursionError(), 500, "internal_error"),
    ],
)
def test_whatever_a_route_raises(service: Any, error: Exception, status: int, code: str) -> None:
    app: FastAPI = service.app

    def broken() -> None:
        raise error

    app.add_api_route("/broken", broken)
    answer = service.client.get("/broken")
    check(answer, status, code)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "secret" not in answer.text


def test_the_catalogue_explains_each_code(service: Any) -> None:
    for code, kind in KINDS.items():
        answer = service.client.get(f"/problems/{code}")
        assert answer.json() == {
            "type": f"/problems/{code}",
            "code": code,
            "status": kind.status,
            "title": kind.title,
            "help": kind.help,
        }
    check(service.client.get("/problems/no_such_code"), 404, "not_found")


def test_every_error_of_the_pipeline_has_a_kind() -> None:
    declared = [value for value in vars(errors).values() if isinstance(value, type)]
    for error in declared:
        if issubclass(error, PocketRecError) and error is not PocketRecError:
            assert error.code in KINDS, error


def test_every_error_that_a_worker_or_the_registry_records_has_a_kind(service: Any) -> None:
    recorded_by_the_worker = {"internal_error", "deadline_exceeded", "worker_lost", "out_of_memory", "trainer_died"}
    missing_inputs = {BlobMissing.code, BlobCorrupt.code, NotFound.code}
    assert recorded_by_the_worker | missing_inputs | {"lease_expired"} <= KINDS.keys()
    uploaded = service.upload().json()
    service.client.post(f"/v1/jobs/{uploaded['validation_job_id']}:cancel")
    error = service.client.get(f"/v1/datasets/{uploaded['id']}").json()["error"]
    assert service.client.get(error["type"]).json()["code"] == error["code"]


def test_pointers_are_escaped() -> None:
    assert pointer(["a/b", "m~n", 0, ""]) == "/a~1b/m~0n/0/"


def test_pydantic_faults_in_query_and_body() -> None:
    problem = from_pydantic(
        [
            {"loc": ("query", "limit"), "type": "less_than", "msg": "Input should be less"},
            {"loc": ("body", "config", "x"), "type": "extra_forbidden", "msg": "Extra"},
        ]
    )
    assert [(fault.pointer, fault.parameter, fault.code) for fault in problem.faults] == [
        ("", "limit", "less_than"),
        ("/config/x", None, "unknown_field"),
    ]


def test_a_recorded_error_becomes_a_problem_object() -> None:
    assert recorded(None) is None
    known = recorded({"code": "diverged", "message": "NaN", "errors": []})
    assert known == {
        "type": "/problems/diverged",
        "title": "Training diverged",
        "status": 422,
        "detail": "NaN",
        "code": "diverged",
        "errors": [],
    }
    strange = recorded({"code": "new_kind", "message": "m", "exit_code": 9})
    assert strange is not None
    assert (strange["title"], strange["status"], strange["exit_code"]) == ("New kind", 500, 9)
