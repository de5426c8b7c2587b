from __future__ import annotations

import threading
from typing import Any

import jsonschema
import pytest

from app.dependencies import Services
from app.event_streams import encode
from app.main import create_app
from app.settings import ApiSettings
from app.system import health
from app.watching import Watcher
from registry.blobs import BlobStore
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
    return Services(settings, database, BlobStore(settings.blob_url), nudge, Watcher(database, encode))


def test_health_asks_nobody(service: Any) -> None:
    service.database.dispose()
    (service.settings.state_dir / "registry.db").unlink()
    assert service.client.get("/healthz").json() == {"status": "ok"}


def test_ready(service: Any) -> None:
    body = service.client.get("/readyz").json()
    assert body["status"] == "ready"
    assert {check["name"]: check["ok"] for check in body["checks"]} == {"database": True, "blob_store": True}


def test_not_ready_says_what_is_wrong(service: Any) -> None:
    service.database.dispose()
    (service.settings.state_dir / "registry.db").unlink()
    answer = service.client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["detail"].startswith("database: ")
    assert {check["name"]: check["ok"] for check in answer.json()["checks"]} == {"database": False, "blob_store": True}


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
