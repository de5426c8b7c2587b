"""Children end with us, however we end, and never block on their output."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from app.cli import children
from app.cli.children import Child, ChildEnded

OBEDIENT = "import os, json; print(json.dumps({'pid': os.getpid()}), flush=True)\nwhile os.read(0, 1): pass"
STUBBORN = (
    "import signal, json, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print(json.dumps({'ready': True}), flush=True); time.sleep(60)"
)
ROOT = Path(__file__).parents[3]


def gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_messages_arrive_in_order_and_then_the_end() -> None:
    with Child(["-c", "print('{\"a\": 1}'); print('{\"a\": 2}')"]) as child:
        assert [child.message(10), child.message(10), child.message(10), child.message(10)] == [
            {"a": 1},
            {"a": 2},
            None,
            None,
        ]
        assert child.wait(10) == 0


def test_lines_that_are_no_json_do_not_disturb(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with Child(["-c", "print('hello'); print('[1]'); print('{\"a\": 1}')"]) as child:
        assert child.message(10) == {"a": 1}
    assert b"hello" in capfdbinary.readouterr().err


def test_much_output_that_nobody_reads_does_not_block_the_child() -> None:
    with Child(["-c", "for n in range(200000): print('{\"n\": %d}' % n)"]) as child:
        assert child.wait(30) == 0


def test_a_child_that_ends_early_is_said_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = Child(["-c", "import sys; sys.exit('no broker')"], log=tmp_path / "log")
    with child, pytest.raises(ChildEnded, match=r"(?s)status 1.*no broker"):
        child.expect(10)


def test_a_child_that_says_nothing_times_out() -> None:
    with Child(["-c", "import time; time.sleep(60)"]) as child, pytest.raises(ChildEnded, match="said nothing"):
        child.expect(0.2)


def test_what_a_child_says_before_the_event_that_is_expected_is_passed_over() -> None:
    says = ["alive", "alive", "ready", "alive"]
    script = f"import json\nfor event in {says}: print(json.dumps({{'event': event}}))"
    with Child(["-c", script]) as child:
        assert child.expect(10, "ready") == {"event": "ready"}
        with pytest.raises(ChildEnded, match="status 0"):
            child.expect(10, "ready")


def test_a_child_that_says_only_other_things_times_out() -> None:
    script = 'import time\nwhile True: print(\'{"event": "alive"}\', flush=True); time.sleep(0.02)'
    with Child(["-c", script]) as child, pytest.raises(ChildEnded, match="no 'ready' for 1 s"):
        child.expect(1, "ready")


def test_a_stubborn_child_is_killed_after_the_grace() -> None:
    child = Child(["-c", STUBBORN])
    child.expect(10)
    began = time.monotonic()
    assert child.stop(grace=0.3) == -signal.SIGKILL
    assert time.monotonic() - began < 5
    assert child.stop() == -signal.SIGKILL


def test_an_error_in_the_block_stops_the_child() -> None:
    child = Child(["-c", OBEDIENT])
    pid = child.expect(10)["pid"]

    def work() -> None:
        with child:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert gone(pid, 1)


def test_a_child_ends_when_its_parent_is_killed() -> None:
    script = (
        "from app.cli.children import Child\n"
        f"child = Child(['-c', {OBEDIENT!r}])\n"
        "print(child.expect(10)['pid'], flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(pid)


def test_an_interrupt_while_a_child_starts_does_not_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen

    def interrupted_start(*arguments: object, **options: object) -> object:
        process = start(*arguments, **options)
        signal.raise_signal(signal.SIGINT)
        started.append(process.pid)
        return process

    started: list[int] = []
    monkeypatch.setattr(subprocess, "Popen", interrupted_start)
    with pytest.raises(KeyboardInterrupt):
        Child(["-c", OBEDIENT])
    assert len(started) == 1
    assert psutil.pid_exists(started[0])
    children.stop_all()
    assert gone(started[0], 1)


def test_ctrl_c_in_the_terminal_does_not_reach_the_child() -> None:
    with Child(["-c", OBEDIENT]) as child:
        pid = child.expect(10)["pid"]
        assert os.getpgid(pid) != os.getpgid(0)


def test_a_full_disk_under_standard_error_does_not_end_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(_line: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stderr", SimpleNamespace(buffer=SimpleNamespace(write=write)))
    with Child(["-c", "print('hello'); print('{\"a\": 1}')"]) as child:
        assert [child.message(10), child.message(10)] == [{"a": 1}, None]


def test_a_child_whose_output_nobody_can_read_does_not_run_on(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    real = subprocess.Popen

    def start(*arguments: object, **options: object) -> object:
        started.append(real(*arguments, **options))
        return started[0]

    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    with pytest.raises(RuntimeError):
        Child(["-c", OBEDIENT])
    assert started[0].returncode == -signal.SIGKILL
    assert started[0] not in {child.process for child in children._alive}
