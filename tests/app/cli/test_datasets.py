"""`pocketrec dataset ...` against the real API, without a network between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import datasets as commands
from app.client import Client, Dataset
from app.datasets.examples import PREVIEW_EXAMPLE
from registry import datasets, jobs


@pytest.fixture
def run(service: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """run("preview", id) -> the finished command."""

    @contextmanager
    def connect(_url: str) -> Iterator[Client]:
        client = Client("http://127.0.0.1:8000")
        client.transport._http = service.client
        yield client

    monkeypatch.setattr(commands, "connect", connect)

    def invoke(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(commands.app, list(arguments))
        assert done.exit_code == status, done.output
        return done.output if status else done.stdout

    return invoke


def settle(service: Any, dataset_id: str, **verdict: Any) -> None:
    with service.database.read() as session:
        job_id = datasets.get(session, dataset_id).validation_job_id
    claim = service.claim(job_id)
    with service.database.write() as session:
        datasets.mark_ready(session, claim, report={}, content_hash="c" * 64, files=[], **verdict)
        jobs.succeed(session, claim, {})


def test_create_by_name_with_labels_and_mapping(run: Any) -> None:
    made = json.loads(
        run("create", "--builtin", "movielens-100k", "--label", "a=b=c", "--map", "user=uid", "--no-wait", "--json")
    )
    assert (made["status"], made["labels"]) == ("validating", {"a": "b=c"})
    assert made["source"] == {"builtin": "movielens-100k"}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_invalid_one_is_described_once(
    run: Any, service: Any, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    fault = "ratings.csv line 3: user missing"
    message = f"{fault}; mend the file, or leave such rows out with on_bad_rows=skip"
    report = {
        "rows": {"in": 9, "accepted": 8, "rejected": {"user_missing": 1}},
        "examples": [{"file": "ratings.csv", "line": 3, "code": "user_missing", "detail": "user missing"}],
    }
    error = {"code": "dataset_invalid", "detail": message, "errors": [{"code": "user_missing", "detail": fault}]}
    dataset = Dataset(id="ds_1", status="invalid", report=report, error=error)
    monkeypatch.setattr(Client, "wait_for_dataset", lambda *_: dataset)
    said = run("create", "--builtin", "movielens-100k", *options, status=2)
    assert "skip" in said
    assert "on_bad_rows=" not in said
    assert "--on-bad-rows skip" in said
    if options:
        assert "rows in" not in said
    else:
        assert "rows in 9, accepted 8" in said
        assert said.count("line 3") == 1


def test_wrong_usage_and_refusals(run: Any) -> None:
    assert "--builtin NAME or --from-url URL" in run("create", status=2)
    assert "KEY=VALUE" in run("create", "--builtin", "x", "--label", "a", status=2)
    assert "POCKETREC_ALLOW_URLS" in run("create", "--from-url", "https://example.com/a.csv", status=2)
    assert "movielens-100k" in run("create", "--builtin", "netflix", status=2)


def test_builtins(run: Any) -> None:
    assert "GroupLens" in run("builtins")


def test_preview_rename_label_delete(run: Any, service: Any) -> None:
    dataset_id = service.upload(labels='{"draft": "yes"}').json()["id"]
    settle(service, dataset_id, preview=PREVIEW_EXAMPLE)
    shown = run("preview", dataset_id)
    for words in ("ts (integer)", "2026-01-31T12:00:00", "Star Wars (1977)"):
        assert words in shown
    assert json.loads(run("preview", dataset_id, "--json"))["rows"][0]["item"] == "50"
    assert "Ratings of May" in run("rename", dataset_id, "Ratings of May")
    assert "season=spring" in run("label", dataset_id, "season=spring", "draft=")
    assert json.loads(run("label", dataset_id, "--json", "x=y"))["labels"] == {"season": "spring", "x": "y"}
    run("delete", dataset_id)
    assert "There is no such dataset" in run("preview", dataset_id, status=2)
