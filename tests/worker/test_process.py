"""A trainer as a child process."""

from __future__ import annotations

import sys
from pathlib import Path

from worker.process import TrainerProcess


def test_temporary_files_go_with_the_attempt_even_if_the_trainer_is_killed(tmp_path: Path) -> None:
    script = "import os, signal, tempfile; tempfile.mkdtemp(); os.kill(os.getpid(), signal.SIGKILL)"
    process = TrainerProcess((sys.executable, "-c", script), tmp_path)
    assert process.wait(20) == -9
    process.end()
    assert len(list((tmp_path / "tmp").iterdir())) == 1
