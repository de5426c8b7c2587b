"""Exit statuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

INTERRUPTED = """
import typer
from app.cli.errors import guarded

@guarded
def command() -> None:
    exec("raise KeyboardInterrupt")

typer.run(command)
"""


def test_an_interrupt_inside_exec_still_gives_status_130(tmp_path: Path) -> None:
    # Libraries run exec on text while they are imported (named tuples do), so an interrupt may well come there.
    (tmp_path / "interrupted.py").write_text(INTERRUPTED)
    ended = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr.strip()) == (130, "interrupted")
