"""`pocketrec job validate`, and the line that `job submit` adds."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import estimates
from app.cli.errors import Status
from app.cli.main import app
from app.client import Client
from app.jobs.estimate_examples import VALIDATED_EXAMPLE

REFUSED = {
    "code": "resource_estimate_exceeded",
    "title": "Resource estimate exceeded",
    "status": 422,
    "detail": "the job would need about 100.0 GB of memory, but may have 8.0 GB; set training.batch_size to 64 or less",
    "errors": [
        {
            "pointer": "/config/training/batch_size",
            "code": "resource_estimate_exceeded",
            "detail": "set it to 64 or less",
        }
    ],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`asked(status, body)` answers the next command so, and returns what the service is sent."""
    seen: list[tuple[str, dict[str, Any]]] = []

    def make(status: int, body: Any) -> list[tuple[str, dict[str, Any]]]:
        def answer(request: httpx.Request) -> httpx.Response:
            seen.append((request.url.path, json.loads(request.content)))
            return httpx.Response(status, json=body)

        def connect(url: str) -> Any:
            return nullcontext(Client(url, transport=httpx.MockTransport(answer)))

        monkeypatch.setattr(estimates, "connect", connect)
        return seen

    return make


def validate(*more: str) -> Any:
    return CliRunner().invoke(app, ["job", "validate", "--dataset", "ds_1", "--preset", "bow", *more])


def test_the_estimate_is_a_table_and_warnings_are_said(asked: Any) -> None:
    seen = asked(200, VALIDATED_EXAMPLE)
    done = validate()
    assert done.exit_code == 0, done.output
    assert seen == [("/v1/jobs:validate", {"type": "train", "dataset_id": "ds_1", "preset": "bow"})]
    for words in ("97,171 train", "1,682", "time in all", "24000 MB", "about 13, at most 20"):
        assert words in done.stdout
    assert "early stopping" in done.stderr


def test_json_is_the_answer_itself(asked: Any) -> None:
    asked(200, VALIDATED_EXAMPLE)
    assert json.loads(validate("--json").stdout) == VALIDATED_EXAMPLE


def test_a_dataset_whose_report_says_too_little(asked: Any) -> None:
    asked(200, {**VALIDATED_EXAMPLE, "estimate": None, "limits": None, "warnings": []})
    assert "too little" in validate().stderr


def test_a_refusal_is_bad_input_and_says_what_to_change(asked: Any) -> None:
    asked(422, REFUSED)
    done = validate()
    assert done.exit_code == Status.BAD_INPUT
    assert "64 or less" in done.stderr


def test_what_was_expected_of_a_queued_job(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(estimates, "say", said.append)
    estimates.say_expected(VALIDATED_EXAMPLE["estimate"])
    estimates.say_expected(None)
    estimates.say_expected({"seconds": None})
    (line,) = said
    assert line.startswith("expected to take about")
