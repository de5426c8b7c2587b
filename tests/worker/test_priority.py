"""Trainers give way to the processes that answer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from worker import priority
from worker.process import TrainerProcess

WAITS = (sys.executable, "-c", "import sys; sys.stdin.read()")


def test_a_trainer_gives_way(tmp_path: Path) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    process = TrainerProcess(WAITS, tmp_path, nice=3)
    try:
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(priority.LOWEST, own + 3)
        group = Path(f"/proc/{process.pid}/autogroup")
        if group.exists() and (text := group.read_text()):
            assert text.split()[-1] == str(min(priority.LOWEST, own + 3))
    finally:
        process.end()


def test_it_never_asks_for_more_than_there_is(tmp_path: Path) -> None:
    process = TrainerProcess(WAITS, tmp_path, nice=99)
    try:
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == priority.LOWEST
    finally:
        process.end()


def test_a_process_that_is_gone_is_no_error() -> None:
    process = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", ""])
    os.waitpid(process, 0)
    priority.lower(process, 5)


def test_nothing_is_changed_where_nothing_is_asked(tmp_path: Path) -> None:
    process = TrainerProcess(WAITS, tmp_path)
    try:
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.getpriority(os.PRIO_PROCESS, 0)
    finally:
        process.end()
