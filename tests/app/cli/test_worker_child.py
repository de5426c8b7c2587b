"""The worker of `pocketrec serve` is started again when it ends or only looks alive, whatever stands in the way."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli import children, worker_child
from app.cli.children import Child
from app.cli.worker_child import WorkerChild
from registry.settings import Settings

READY = """
import json, time
print(json.dumps({"event": "alive"}), flush=True)
print(json.dumps({"event": "ready", "broker": {"kind": "none"}}), flush=True)
"""
TALKS = f"""{READY}
while True:
    time.sleep(0.2)
    print(json.dumps({{"event": "alive"}}), flush=True)
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., WorkerChild]]:
    """Start the keeper of a worker that is the given script, or the one that the given function makes."""
    monkeypatch.setattr(worker_child, "RESTART_SECONDS", 0.01)
    monkeypatch.setattr(worker_child, "LONGEST_RESTART_SECONDS", 0.08)
    monkeypatch.setattr(worker_child, "START_SECONDS", 20.0)
    started: list[WorkerChild] = []

    def begin(script: str = TALKS, make: Callable[[], Child] | None = None) -> WorkerChild:
        monkeypatch.setattr(worker_child, "Child", lambda *_given, **_named: make() if make else Child(["-c", script]))
        started.append(WorkerChild(Settings(state_dir=tmp_path), looks=2))
        started[0].ready()
        return started[0]

    yield begin
    for found in started:
        found.__exit__()


def other_than(worker: Any, pid: int) -> Callable[[], bool]:
    return lambda: worker._child.process.pid != pid and worker._child.running


def wait(condition: Callable[[], bool], seconds: float = 30) -> bool:
    give_up = time.monotonic() + seconds
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.05)
    return condition()


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_ends_or_falls_silent_is_replaced(start: Any, how: signal.Signals) -> None:
    worker = start()
    pid = worker._child.process.pid
    os.kill(pid, how)
    assert wait(other_than(worker, pid))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_that_says_first_that_it_lives_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_child, "Child", lambda *_given, **_named: Child(["-c", TALKS]))
    with WorkerChild(Settings(state_dir=tmp_path)) as found:
        assert found.ready() == {"kind": "none"}


def test_one_that_talks_is_left_alone(start: Any) -> None:
    worker = start()
    pid = worker._child.process.pid
    time.sleep(4)
    assert worker._child.process.pid == pid


def test_while_none_can_be_started_the_pauses_grow_and_nothing_stays_of_those_that_ended(
    start: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As without a database: each new one ends at once, until it is back."""
    away = tmp_path / "away"
    made: list[Child] = []

    def make() -> Child:
        refuses = f"import os, sys\nif os.path.exists({str(away)!r}): sys.exit('no database')\n"
        made.append(Child(["-c", refuses + TALKS]))
        return made[-1]

    worker = start(make=make)
    before = open_files()
    away.touch()
    worker._child.kill()
    assert wait(lambda: len(made) > 8)
    assert wait(lambda: open_files() <= before, 5)  # at times one more is on its way
    assert len([child for child in made if child in children._alive]) <= 1
    away.unlink()
    assert wait(lambda: worker._pause == worker_child.RESTART_SECONDS)
    assert worker._child.running
    assert open_files() <= before
    pauses = [line.rpartition(" in ")[2] for line in capsys.readouterr().err.splitlines() if "in 0.0" in line]
    assert pauses[:5] == ["0.01 s", "0.02 s", "0.04 s", "0.08 s", "0.08 s"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOMEM, "Cannot allocate memory"), MemoryError(), RuntimeError("thread")]
)
def test_one_that_cannot_be_started_is_tried_again(
    start: Any, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[int] = []

    def make() -> Child:
        calls.append(1)
        if len(calls) in {2, 3}:
            raise error
        return Child(["-c", TALKS])

    worker = start(make=make)
    pid = worker._child.process.pid
    worker._child.kill()
    assert wait(other_than(worker, pid))
    assert len(calls) == 4
    assert (str(error) or repr(error)) in capsys.readouterr().err


class FullDisk(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_under_standard_error_keeps_nobody_from_starting_it(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = start()
    pid = worker._child.process.pid
    monkeypatch.setattr(sys, "stderr", FullDisk())
    worker._child.kill()
    assert wait(other_than(worker, pid))


def test_the_end_of_the_service_cuts_a_pause_short(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = start(READY)
    monkeypatch.setattr(worker_child, "RESTART_SECONDS", 60.0)
    monkeypatch.setattr(worker, "_pause", 60.0)
    worker._child.kill()
    began = time.monotonic()
    worker.__exit__()
    assert time.monotonic() - began < 20
    assert not worker._watch.is_alive()
