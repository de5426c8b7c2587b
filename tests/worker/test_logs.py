"""What a worker's log says, and how often."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from worker import logs


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Any:
    """The lines of the log so far."""
    logs.configure("info", "json")
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    logging.getLogger(logs.CONSUMER).filters.clear()


def test_a_broker_that_is_away_is_one_line_now_and_then(lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = logging.getLogger(logs.CONSUMER)
    for number in range(5):
        consumer.error("consumer: Cannot connect to %s: %s.\n%s\n", "redis://:**@host/0", "refused", f"({number}/None)")
    (line,) = lines()
    assert line["event"] == "broker_away"
    assert "redis://:**@host/0: refused" in line["error"]
    monkeypatch.setattr(logs.time, "monotonic", lambda: 1e9)
    try:
        raise ConnectionError("gone")
    except ConnectionError:
        consumer.warning("consumer: Connection to broker lost. Trying to re-establish the connection...", exc_info=True)
    (line,) = lines()
    assert (line["event"], line["error"]) == ("broker_away", "ConnectionError('gone')")
    assert "exception" not in line


def test_whatever_else_it_says_is_shown(lines: Any) -> None:
    logging.getLogger(logs.CONSUMER).error("something else")
    assert [line["event"] for line in lines()] == ["something else"]
