"""`pocketrec tidy`, `backup` and `restore` on a service's own database and folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.main import app
from registry import datasets
from registry.blobs import BlobStore
from registry.database import Database
from registry.records import FileEntry


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POCKETREC_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("POCKETREC_BLOB_GRACE_SECONDS", "0")


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    """The store of a service with one dataset, and a blob that nobody needs."""
    store = BlobStore(tmp_path / "state" / "blobs")
    database = Database(f"sqlite:///{tmp_path}/state/registry.db", blobs=store)
    database.migrate()
    blob = store.put_bytes(b"needed")
    with database.write() as session:
        datasets.create(session, name="log", spec={}, upload=[FileEntry("a.csv", blob.bytes, blob.sha256)])
    store.put_bytes(b"not needed")
    database.dispose()
    return store


def run(*arguments: Any, status: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result


def test_tidy(blobs: BlobStore) -> None:
    shown = run("tidy", "--dry-run").stdout
    assert "would go now" in shown
    assert "keep_logs_days" in shown
    assert len(list(blobs.listed())) == 2
    done = json.loads(run("tidy", "--json").stdout)
    assert done["blobs"] == {"blobs": 1, "bytes": 10, "held_by": None}
    assert {rule["kind"]: rule["limit"] for rule in done["rules"]}["old_versions"] is None
    assert len(list(blobs.listed())) == 1


def test_backup_and_restore(blobs: BlobStore, tmp_path: Path) -> None:
    made = json.loads(run("backup", tmp_path / "b", "--json").stdout)
    assert (made["blobs"], made["bytes"], made["database"]) == (1, 6, "sqlite")
    refused = run("restore", tmp_path / "b", status=1)
    assert "has rows already" in refused.stderr
    run("restore", tmp_path / "b", "--state-dir", tmp_path / "new")
    assert len(list(BlobStore(tmp_path / "new" / "blobs").listed())) == 1
    again = json.loads(run("tidy", "--dry-run", "--json", "--state-dir", tmp_path / "new").stdout)
    assert again["blobs"]["blobs"] == 0


def test_where_there_is_no_service(tmp_path: Path) -> None:
    assert "there is no database" in run("tidy", status=2).stderr
    assert not (tmp_path / "state").exists()
    assert "holds no backup" in run("restore", tmp_path, status=1).stderr
