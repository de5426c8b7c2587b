from __future__ import annotations

import re
import shutil
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from sqlalchemy import text, update

from app.dependencies import Services
from app.main import create_app
from app.settings import ApiSettings
from app.system import health
from registry import leases, queues, tables
from registry.database import Database
from registry.settings import Settings


class Nudge:
    """A fake broker connection."""

    def __init__(self, check: Any = lambda: None) -> None:
        self.check = check

    def __call__(self, job_ids: Any) -> None: ...


def services(tmp_path: Any, nudge: Any) -> Services:
    settings = Settings(state_dir=tmp_path)
    database = Database(settings.database_url)
    database.migrate()
    wired: Services = create_app(settings, nudge=nudge, database=database, api=ApiSettings(api_key=None)).state.services
    return wired


def test_health_asks_nobody(service: Any) -> None:
    service.database.dispose()
    (service.settings.state_dir / "registry.db").unlink()
    assert service.client.get("/healthz").json() == {"status": "ok"}


def look_through(service: Any, *names: str) -> None:
    """As a worker that takes jobs from these queues does every half minute."""
    with service.database.write() as session:
        leases.reap(session, limit=1, republish_seconds=30, queues=names or queues.ALL)


def test_ready(service: Any) -> None:
    look_through(service)
    body = service.client.get("/readyz").json()
    assert body["status"] == "ready"
    checks = {check["name"]: check for check in body["checks"]}
    assert set(checks) == {"database", "migrations", "blob_store", "disk", "workers"}
    for name in ("database", "migrations", "blob_store", "workers"):
        assert (checks[name]["ok"], checks[name]["remedy"]) == (True, None)


def test_not_ready_says_what_is_wrong(service: Any) -> None:
    service.database.dispose()
    (service.settings.state_dir / "registry.db").unlink()
    answer = service.client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["detail"].startswith("database: ")
    checks = {check["name"]: check for check in answer.json()["checks"]}
    found = {name: check["ok"] for name, check in checks.items() if check["required"]}
    assert found == {"database": False, "migrations": False, "blob_store": True}
    assert "POCKETREC_DATABASE_URL" in checks["database"]["remedy"]
    assert checks["workers"]["detail"] == "can't be told without the database"


@pytest.mark.parametrize(
    ("revision", "detail", "remedy"),
    [("0001", "the schema is at 0001; this version needs", "Restart"), ("9999", "doesn't know", "update this process")],
)
def test_a_schema_of_another_version(service: Any, revision: str, detail: str, remedy: str) -> None:
    with service.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    answer = service.client.get("/readyz")
    assert answer.status_code == 503
    [check] = [check for check in answer.json()["checks"] if check["name"] == "migrations"]
    assert detail in check["detail"]
    assert remedy in check["remedy"]


def test_warnings_leave_it_ready(make_service: Any) -> None:
    service = make_service(min_free_bytes=1 << 62)
    body = service.client.get("/readyz").json()
    assert body["status"] == "ready"
    [disk] = [check for check in body["checks"] if check["name"] == "disk"]
    assert (disk["ok"], disk["required"]) == (False, False)
    assert "POCKETREC_MIN_FREE_BYTES" in disk["detail"]


def test_jobs_that_nobody_takes(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = service.job(preset="bow").json()["id"]
    wired: Services = service.app.state.services

    def workers() -> health.Check:
        return next(check for check in health.run_checks(wired) if check.name == "workers")

    look_through(service)
    assert workers().detail == "0 jobs run, 1 wait"
    monkeypatch.setattr(health, "UNTAKEN_SECONDS", 0.0)
    found = workers()
    assert (found.ok, found.required) == (False, False)
    assert re.fullmatch(r"queue train: 1 wait, the first for \S+ s, and no worker has taken any", found.detail)
    assert service.client.get("/readyz").status_code == 200
    service.job(preset="bow")
    service.claim(job_id)
    assert workers().detail == "1 jobs run, 1 wait"  # they are busy


def test_queues_that_no_worker_looks_through(service: Any) -> None:
    wired: Services = service.app.state.services

    def workers() -> health.Check:
        return next(check for check in health.run_checks(wired) if check.name == "workers")

    found = workers()
    assert (found.ok, found.required) == (False, False)
    assert found.detail == "no worker has looked through queue train or queue validate for 1 min 30 s or more"
    assert "Start a worker" in str(found.remedy)
    look_through(service, "train")
    assert workers().detail == "no worker has looked through queue validate for 1 min 30 s or more"
    look_through(service)
    assert workers().detail == "0 jobs run, 0 wait"
    with service.database.write() as session:
        session.execute(update(tables.duties).values(done_at=datetime.now(UTC) - timedelta(seconds=91)))
    assert not workers().ok
    service.claim(service.job(preset="bow").json()["id"])
    assert workers().detail.startswith("no worker has looked through queue validate")  # one holds a job of the other
    assert service.client.get("/readyz").status_code == 200


def test_status(service: Any) -> None:
    first = service.job(preset="bow").json()["id"]
    service.job(preset="bow")
    assert service.client.get("/v1/status").json()["workers"] == []
    service.claim(first)
    look_through(service, "train")
    found = service.client.get("/v1/status").json()
    train, validate = found["queues"]
    assert (train["name"], train["waiting"], train["running"]) == ("train", 1, 1)
    assert (0 <= train["oldest_seconds"] < 60, validate["oldest_seconds"]) == (True, None)
    assert (train["looked_at"] <= found["now"], validate["looked_at"]) == (True, None)
    [worker] = found["workers"]
    assert (worker["busy"], worker["seen_at"] <= found["now"]) == (1, True)
    assert worker["jobs"] == [{"id": first, "type": "train", "phase": None, "attempt": 1}]
    with service.database.write() as session:
        session.execute(update(tables.jobs).values(lease_until=datetime.now(UTC) - timedelta(seconds=1)))
    assert service.client.get("/v1/status").json()["workers"] == []


def test_a_blob_store_that_cannot_be_written(service: Any) -> None:
    folder = service.settings.state_dir / "blobs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("in the way")
    answer = service.client.get("/readyz")
    assert answer.json()["detail"].startswith("blob_store: ")
    assert "POCKETREC_BLOB_URL" in answer.json()["detail"]


def test_a_broker_that_is_away_or_silent(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise ConnectionRefusedError("nobody listens on port 1")

    found = {check.name: check for check in health.run_checks(services(tmp_path, Nudge(away)))}
    assert (found["broker"].ok, found["database"].ok) == (False, True)
    assert found["broker"].detail == "ConnectionRefusedError: nobody listens on port 1"

    monkeypatch.setattr(health, "CHECK_SECONDS", 0.2)
    release = threading.Event()
    found = {check.name: check for check in health.run_checks(services(tmp_path, Nudge(release.wait)))}
    release.set()
    assert "no answer within" in found["broker"].detail


def test_the_real_publisher_is_asked(tmp_path: Any) -> None:
    app = create_app(Settings(state_dir=tmp_path, broker_url="redis://127.0.0.1:1/0"), api=ApiSettings(api_key=None))
    wired: Services = app.state.services
    wired.database.migrate()
    found = {check.name: check for check in health.run_checks(wired)}
    assert not found["broker"].ok


def test_the_config_schema_is_a_schema_and_cheap_to_ask_for(service: Any) -> None:
    answer = service.client.get("/v1/config_schema")
    schema = answer.json()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"preset": "cnn", "encoder": {"type": "cnn", "kernel_size": 3}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"preset": "nope"}, schema)
    again = service.client.get("/v1/config_schema", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_presets_can_be_posted_as_configs(service: Any) -> None:
    presets = service.client.get("/v1/presets").json()["data"]
    assert {preset["name"] for preset in presets} >= {"bow", "cnn", "rnn"}
    for preset in presets:
        assert preset["summary"]
        answer = service.job(config=preset["config"])
        assert answer.status_code == 202
        assert answer.json()["config"]["encoder"]["type"] == preset["config"]["encoder"]["type"]
