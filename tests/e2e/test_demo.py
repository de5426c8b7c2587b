"""`pocketrec demo`: the whole job, and a clean end whenever it is interrupted."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from app.client import verify

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


class Demo:
    """A running demo whose output can be waited for."""

    def __init__(self, helpers: Any, log_file: Path, folder: Path) -> None:
        self._helpers = helpers
        self.folder = folder
        self.output = ""
        self.process = subprocess.Popen(
            helpers.command("demo", "--data", log_file, "--state-dir", folder / "demo"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=helpers.environment(),
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.output += line

    def says(self, text: str) -> None:
        """Wait until it has said `text`."""
        self._helpers.wait_until(lambda: text in self.output or self.process.poll() is not None, 120, pause=0.02)
        assert text in self.output

    def end(self, seconds: float) -> int:
        """Its exit status, once it has ended by itself."""
        try:
            status = self.process.wait(seconds)
        finally:
            self.process.kill()
            self._reader.join()
        return status


def test_the_demo_shows_the_whole_job(helpers: Any, log_file: Path, tmp_path: Path) -> None:
    demo = Demo(helpers, log_file, tmp_path)
    assert demo.end(240) == 0, demo.output
    for text in (
        "users 300, items 40",
        "validation NDCG@10",
        "have the sha256 that the manifest names",
        "fresh process without TensorFlow",
        "this model",
        "markov",
        "a recommendation on one thread",
        "What to try next:",
    ):
        assert text in demo.output
    assert verify(tmp_path / "demo" / "bundle").files > 5
    assert helpers.processes_of(tmp_path) == []


@pytest.mark.parametrize(
    "moment",
    ["state folder", "service at", "] train", "] evaluate the files"],
)
def test_ctrl_c_at_any_moment_leaves_no_process(helpers: Any, log_file: Path, tmp_path: Path, moment: str) -> None:
    demo = Demo(helpers, log_file, tmp_path)
    demo.says(moment)
    demo.process.send_signal(signal.SIGINT)
    assert demo.end(20) == 130, demo.output
    assert "Traceback" not in demo.output
    assert helpers.processes_of(tmp_path) == []


def test_a_demo_that_is_killed_takes_its_service_along(helpers: Any, log_file: Path, tmp_path: Path) -> None:
    demo = Demo(helpers, log_file, tmp_path)
    demo.says("] train")
    assert len(helpers.processes_of(tmp_path)) >= 3
    demo.process.kill()
    demo.end(5)
    helpers.wait_until(lambda: helpers.processes_of(tmp_path) == [], 30)
