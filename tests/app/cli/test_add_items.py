"""`pocketrec model add-items`: what it asks the service for, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import add_items, jobs
from app.cli.main import app
from app.client import Job

runner = CliRunner()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "new.csv"
    path.write_text("item_id,title,genres,year\n9,Nine,Drama|War,1999\n8,,,\n", encoding="utf-8")
    return path


class Service:
    """A client that keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def create_job(self, type_: str, **fields: Any) -> Job:
        self.asked = {"type": type_, **fields}
        return Job(id="job_1", status="queued")


def test_the_table_becomes_a_job_of_type_export(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    monkeypatch.setattr(add_items, "connect", lambda _: service)
    monkeypatch.setattr(jobs, "follow", lambda _, job_id: Job(id=job_id, status="succeeded"))
    done = runner.invoke(app, ["model", "add-items", "films", "3", "--items", str(table), "--skip-existing", "--json"])
    assert done.exit_code == 0, done.output
    assert service.asked == {
        "type": "export",
        "base": {"model": "films", "version": 3},
        "skip_existing": True,
        "new_items": [
            {"id": "9", "title": "Nine", "attributes": ["Drama", "War"], "features": {"year": 1999}},
            {"id": "8", "title": None, "attributes": [], "features": {}},
        ],
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "name a model of the service"),
        (["films", "--bundle", "b"], "name a model of the service"),
        (["--bundle", "b"], "--bundle needs --out"),
        (["films", "--out", "o"], "--out: the service has"),
        (["--bundle", "b", "--out", "o"], "--bundle b: no such file"),
    ],
)
def test_contradicting_options_are_refused(table: Path, options: list[str], said: str) -> None:
    done = runner.invoke(app, ["model", "add-items", *options, "--items", str(table)])
    assert done.exit_code == 2
    assert said in done.output
