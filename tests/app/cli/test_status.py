"""`pocketrec status` against the API itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import output
from app.cli import status as command
from app.cli.errors import Status
from app.cli.main import app
from app.client import Client
from registry import leases


@pytest.fixture
def run(service: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    monkeypatch.setattr(command, "connect", lambda url: Client(url, None, service.client._transport))
    monkeypatch.setenv("POCKETREC_URL", "http://127.0.0.1:8000")
    monkeypatch.setenv("COLUMNS", "80")
    output.console.cache_clear()  # a console keeps the width it was made with
    yield lambda *arguments: CliRunner().invoke(app, ["status", *arguments])
    output.console.cache_clear()


def test_queues_workers_and_checks_in_80_columns(service: Any, run: Any) -> None:
    first = service.job(preset="bow").json()["id"]
    service.job(preset="bow")
    service.claim(first)
    with service.database.write() as session:
        leases.reap(session, limit=1, republish_seconds=30, queues=("train",))
    done = run()
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == "the service is ready"
    [train] = [line.split() for line in lines if line.startswith("train ")]
    assert train[1:3] == ["1", "1"]
    [validate] = [line.split() for line in lines if line.startswith("validate ")]
    assert validate == ["validate", "0", "0", "never"]
    [warned] = [line for line in lines if "warning" in line]
    assert warned.startswith("workers")
    text = " ".join(done.stdout.split())
    assert "Start a worker" in text
    assert f"{first} train, attempt 1" in text
    found = json.loads(run("--json").stdout)
    assert (found["status"], found["workers"][0]["jobs"][0]["id"]) == ("ready", first)


def test_one_that_is_not_ready(service: Any, run: Any) -> None:
    assert "no worker holds a job" in run().stdout
    service.database.dispose()
    (service.settings.state_dir / "registry.db").unlink()
    done = run()
    assert (done.exit_code, done.stdout.splitlines()[0]) == (Status.UNREACHABLE, "the service is not ready")
    assert "POCKETREC_DATABASE_URL" in " ".join(done.stdout.split())
    done = run("--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["status"], found["queues"]) == (Status.UNREACHABLE, "not_ready", None)
