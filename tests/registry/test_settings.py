from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from registry.settings import Settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch, tmp_path):
    import os

    for name in [name for name in os.environ if name.startswith("POCKETREC_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_keep_everything_in_one_folder(tmp_path):
    settings = Settings()
    assert settings.state_dir == tmp_path / ".pocketrec"
    assert settings.database_url == f"sqlite:///{tmp_path}/.pocketrec/registry.db"
    assert settings.blob_url == f"{tmp_path}/.pocketrec/blobs"
    assert (settings.heartbeat_seconds, settings.lease_seconds, settings.reaper_seconds) == (10, 60, 30)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_sets_each_field(monkeypatch):
    monkeypatch.setenv("POCKETREC_STATE_DIR", "/srv/state")
    monkeypatch.setenv("POCKETREC_DATABASE_URL", "postgresql://db/x")
    monkeypatch.setenv("POCKETREC_BLOB_URL", "")
    monkeypatch.setenv("POCKETREC_SLOTS", "3")
    monkeypatch.setenv("POCKETREC_QUEUES", '["validate", "train"]')
    settings = Settings()
    assert settings.state_dir == Path("/srv/state")
    assert settings.database_url == "postgresql://db/x"
    assert settings.blob_url == "/srv/state/blobs"
    assert (settings.slots, settings.queues) == (3, ("validate", "train"))


@pytest.mark.parametrize("text", ["8080, 8443", "8080,8443,", "[8080, 8443]"])
def test_lists_as_json_or_with_commas(monkeypatch, text):
    monkeypatch.setenv("POCKETREC_URL_PORTS", text)
    monkeypatch.setenv("POCKETREC_QUEUES", "train")
    monkeypatch.setenv("POCKETREC_CORS_ORIGINS", "")
    settings = Settings()
    assert (settings.url_ports, settings.queues, settings.cors_origins) == ((8080, 8443), ("train",), ())


def test_arguments_go_before_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("POCKETREC_PORT", "9000")
    settings = Settings(port=0, state_dir=tmp_path / "s")
    assert settings.port == 0
    assert settings.database_url.startswith(f"sqlite:///{tmp_path}/s/")


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"broker": "url"}, "POCKETREC_BROKER_URL"),
        ({"heartbeat_seconds": 10, "lease_seconds": 15}, "at least twice"),
        ({"broker": "rabbit"}, "broker"),
        ({"slots": 0}, "slots"),
        ({"port": 70000}, "port"),
    ],
)
def test_settings_that_can_not_work_are_refused(values, remedy):
    with pytest.raises(ValidationError, match=remedy):
        Settings(**values)


def test_every_setting_is_described():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
