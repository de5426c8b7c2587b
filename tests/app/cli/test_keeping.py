"""`pocketrec tidy`, `backup` and `restore` on a service's own database and folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from app.cli.main import app
from app.cli.output import console
from registry import datasets, jobs, leases
from registry.blobs import BlobStore
from registry.database import Database
from registry.migrations.run import upgrade
from registry.records import FileEntry
from registry.settings import Settings


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("POCKETREC_")]:
        monkeypatch.delenv(name)
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
    assert shown.startswith("would go now\n")
    assert "in all: 0 files of 0 B would be released, 0 unused files of 0 B would go\n" in shown
    assert "Space gets free at once, since POCKETREC_BLOB_GRACE_SECONDS is 0." in shown
    assert len(list(blobs.listed())) == 2
    done = json.loads(run("tidy", "--json").stdout)
    assert done["blobs"] == {"blobs": 1, "bytes": 10, "held_by": None}
    assert {rule["kind"]: rule["limit"] for rule in done["rules"]}["old_versions"] is None
    assert len(list(blobs.listed())) == 1


@pytest.mark.parametrize("columns", ["30", "60", "80", "200"])
def test_a_table_that_fits_80_columns_and_breaks_no_name(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("POCKETREC_BLOB_GRACE_SECONDS", "3600")
    console.cache_clear()
    shown = run("tidy", "--dry-run").stdout
    console.cache_clear()
    words = set(shown.split())
    for name in Settings.model_fields:
        if name.startswith("keep_"):
            assert f"POCKETREC_{name.upper()}" in words
    assert max(map(len, shown.splitlines())) <= 80
    assert "" not in [line.strip() for line in shown.splitlines()]
    assert "until nothing has used it for 1 h" in shown


def test_what_is_released_is_counted_in_files(
    blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite:///{tmp_path}/state/registry.db", blobs=blobs)
    with database.write() as session:
        claim = leases.claim(session, worker="w", lease_seconds=60, queues=("validate",))
        assert claim is not None
        datasets.mark_invalid(session, claim, error={"code": "dataset_invalid", "message": "bad"})
        jobs.succeed(session, claim, {})
    database.dispose()
    monkeypatch.setenv("POCKETREC_KEEP_INVALID_UPLOADS_DAYS", "0")
    assert "in all: 1 files of 6 B would be released, " in run("tidy", "--dry-run").stdout
    [rule] = [rule for rule in json.loads(run("tidy", "--json").stdout)["rules"] if rule["objects"]]
    assert (rule["kind"], rule["files"], rule["bytes"]) == ("invalid_uploads", 1, 6)


def test_backup_and_restore(blobs: BlobStore, tmp_path: Path) -> None:
    made = json.loads(run("backup", tmp_path / "b", "--json").stdout)
    assert (made["blobs"], made["bytes"], made["database"]) == (1, 6, "sqlite")
    refused = run("restore", tmp_path / "b", "--json", status=2)
    assert "has rows already" in refused.stderr
    assert json.loads(refused.stdout)["error"]["code"] == "target_not_empty"
    restored = run("restore", tmp_path / "b", "--state-dir", tmp_path / "new").stderr
    assert f"restored into sqlite:///{tmp_path}/new/registry.db and {tmp_path}/new/blobs: " in restored
    assert len(list(BlobStore(tmp_path / "new" / "blobs").listed())) == 1
    again = json.loads(run("tidy", "--dry-run", "--json", "--state-dir", tmp_path / "new").stdout)
    assert again["blobs"]["blobs"] == 0


def test_a_backup_is_checked_without_a_service(
    blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("backup", tmp_path / "b")
    monkeypatch.setenv("POCKETREC_STATE_DIR", str(tmp_path / "elsewhere"))
    said = run("backup", "--check", tmp_path / "b").stderr
    assert said.startswith(f"whole: the backup in {tmp_path}/b, made at 20")
    assert json.loads(run("backup", "--check", tmp_path / "b", "--json").stdout)["blobs"] == 1
    for path in (tmp_path / "b" / "blobs" / "sha256").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"xxxxxx")
    for command in (["backup", "--check", tmp_path / "b"], ["restore", tmp_path / "b"]):
        refused = run(*command, "--json", status=4)
        assert f"error: the backup in {tmp_path}/b is damaged: " in refused.stderr
        assert json.loads(refused.stdout)["error"]["code"] == "backup_damaged"
    assert "holds no backup" in run("backup", "--check", tmp_path, status=2).stderr


COMMANDS = [["tidy", "--dry-run"], ["tidy"], ["backup", "new-backup"]]


def test_a_damaged_store_is_not_backed_up(blobs: BlobStore, tmp_path: Path) -> None:
    for blob, _ in blobs.listed():
        path = next((tmp_path / "state" / "blobs").rglob(blob.sha256))
        path.chmod(0o600)
        path.write_bytes(b"x" * blob.bytes)
    refused = run("backup", tmp_path / "b", "--json", status=4)
    assert json.loads(refused.stdout)["error"]["code"] == "artifact_corrupt"


@pytest.mark.parametrize("command", COMMANDS)
def test_where_there_is_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is no database at" in run(*command, status=2).stderr
    assert not (tmp_path / "state").exists()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "registry.db").touch()
    refused = run(*command, "--json", status=2)
    assert "is empty" in refused.stderr
    assert json.loads(refused.stdout)["error"]["code"] == "no_database"
    assert (tmp_path / "state" / "registry.db").stat().st_size == 0
    assert not (tmp_path / "new-backup").exists()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("is_older", [True, False])
def test_no_schema_of_another_release_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], is_older: bool
) -> None:
    """A service of that release may run on it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir()
    database = Database(f"sqlite:///{tmp_path}/state/registry.db")
    with database.engine.begin() as connection:
        upgrade(connection, "0003" if is_older else "head")
        if not is_older:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = schema(database)
    refused = run(*command, "--json", status=2)
    if is_older:
        assert "has schema revision 0003, this release needs " in refused.stderr
        assert "Use the command of the release that runs the service" in refused.stderr
    assert json.loads(refused.stdout)["error"]["code"] == ("database_too_old" if is_older else "database_too_new")
    assert schema(database) == before
    database.dispose()


def schema(database: Database) -> list[Any]:
    with database.engine.connect() as connection:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        return [revision, *connection.execute(text("SELECT sql FROM sqlite_master ORDER BY name"))]


def test_a_database_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POCKETREC_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/x")
    away = run("tidy", "--json", status=3)
    assert "error: the database postgresql://u:***@127.0.0.1:1/x: " in away.stderr
    assert json.loads(away.stdout)["error"]["code"] == "database_unavailable"
    assert run("serve", "--port", 0, status=3).stderr.startswith("error: the database postgresql://u:***@127.0.0.1:1/x")


def test_restoring_what_is_no_backup(tmp_path: Path) -> None:
    refused = run("restore", tmp_path, "--json", status=2)
    assert "holds no backup" in refused.stderr
    assert json.loads(refused.stdout)["error"]["code"] == "backup_invalid"
