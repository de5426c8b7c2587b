"""A trainer as a child process."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from worker.process import TrainerProcess

STARTS_ANOTHER = """
import os, pathlib, subprocess, sys, time
pathlib.Path("other").write_text(str(subprocess.Popen(["sleep", "100"]).pid))
if {stays}: time.sleep(100)
os._exit(75)
"""


def runs(pid: int) -> bool:
    """Whether it is at work; one that nobody has reaped isn't."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def listen_to_the_end(process: TrainerProcess) -> int | None:
    with suppress(EOFError):
        while True:
            process.next_message(0.1)
    return process.wait(20)


def let_it_exit(process: TrainerProcess) -> int:
    while runs(process.pid):
        time.sleep(0.02)
    return process.end()


def test_temporary_files_go_with_the_attempt_even_if_the_trainer_is_killed(tmp_path: Path) -> None:
    script = "import os, signal, tempfile; tempfile.mkdtemp(); os.kill(os.getpid(), signal.SIGKILL)"
    process = TrainerProcess((sys.executable, "-c", script), tmp_path)
    assert process.wait(20) == -9
    process.end()
    assert len(list((tmp_path / "tmp").iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="the system can't tell of an end without forgetting the process")
@pytest.mark.parametrize("learn", [lambda process: process.wait(20), listen_to_the_end, let_it_exit])
def test_what_a_trainer_started_ends_with_it(
    tmp_path: Path, wait_until: Any, learn: Callable[[TrainerProcess], int | None]
) -> None:
    process = TrainerProcess((sys.executable, "-c", STARTS_ANOTHER.format(stays=False)), tmp_path)
    assert learn(process) == 75
    wait_until(lambda: not runs(int((tmp_path / "other").read_text())))
    assert process.end() == process.wait(0) == 75


def test_what_a_trainer_started_ends_when_it_is_killed(tmp_path: Path, wait_until: Any) -> None:
    process = TrainerProcess((sys.executable, "-c", STARTS_ANOTHER.format(stays=True)), tmp_path)
    wait_until(lambda: (tmp_path / "other").exists() and (tmp_path / "other").read_text())
    assert process.wait(0.1) is None
    assert process.end() == -signal.SIGKILL
    wait_until(lambda: not runs(int((tmp_path / "other").read_text())))


def test_one_that_has_ended_is_asked_to_stop_in_vain(tmp_path: Path) -> None:
    process = TrainerProcess((sys.executable, "-c", ""), tmp_path)
    while runs(process.pid):
        time.sleep(0.02)
    process.terminate()
    assert process.wait(20) == 0
    process.terminate()
