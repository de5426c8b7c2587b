"""The worker of `pocketrec serve` is started again when it ends, and when it only looks alive."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli import service
from app.cli.children import Child
from registry.settings import Settings

TALKS = """
import json, time
print(json.dumps({"event": "alive"}), flush=True)
print(json.dumps({"event": "ready", "broker": {"kind": "none"}}), flush=True)
while True:
    time.sleep(0.2)
    print(json.dumps({"event": "alive"}), flush=True)
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(service, "RESTART_SECONDS", 0.0)
    monkeypatch.setattr(service, "START_SECONDS", 20.0)
    monkeypatch.setattr(service, "Child", lambda *_given, **_named: Child(["-c", TALKS]))
    with service._Worker(Settings(state_dir=tmp_path), looks=2) as found:
        found.ready()
        yield found


def other_than(worker: Any, pid: int) -> Callable[[], bool]:
    return lambda: worker._child.process.pid != pid and worker._child.running


def wait(condition: Callable[[], bool], seconds: float = 30) -> bool:
    give_up = time.monotonic() + seconds
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_ends_or_falls_silent_is_replaced(worker: Any, how: signal.Signals) -> None:
    pid = worker._child.process.pid
    os.kill(pid, how)
    assert wait(other_than(worker, pid))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_that_takes_its_time_to_start_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "Child", lambda *_given, **_named: Child(["-c", TALKS]))
    with service._Worker(Settings(state_dir=tmp_path)) as found:
        assert found.ready() == {"kind": "none"}


def test_one_that_talks_is_left_alone(worker: Any) -> None:
    pid = worker._child.process.pid
    time.sleep(4)
    assert worker._child.process.pid == pid
