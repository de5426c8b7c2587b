"""The stand-in for the trainer makes the same bytes however often it is interrupted, and they are known beforehand."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from chaos.parts import trainer


def attempt(folder: Path, seed: int, checkpoint: Path | None = None) -> list[dict[str, Any]]:
    """What an attempt says."""
    (folder / "inputs").mkdir(parents=True)
    (folder / "outputs").mkdir()
    (folder / "job.json").write_text(json.dumps({"type": "train", "config": {"seed": seed}}))
    if checkpoint is not None:
        (folder / "inputs" / "checkpoint.npz").write_bytes(checkpoint.read_bytes())
    command = [sys.executable, "-I", "-S", trainer.__file__, str(folder)]
    environment = {**os.environ, "CHAOS_WORK_SECONDS": "0.02"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        said = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    return said


def sha256_of(folder: Path) -> str:
    return hashlib.sha256((folder / "outputs" / "bundle" / "model.tflite").read_bytes()).hexdigest()


def test_its_bytes_are_known_beforehand_and_a_resumed_attempt_makes_the_same(tmp_path: Path) -> None:
    said = attempt(tmp_path / "a", 5)
    assert said[-1]["event"] == "result"
    assert sha256_of(tmp_path / "a") == trainer.model_sum(5) != trainer.model_sum(6)
    checkpoint = Path(next(one["path"] for one in said if one["event"] == "checkpoint" and one["epoch"] == 2))
    resumed = attempt(tmp_path / "b", 5, checkpoint)
    assert [one["epoch"] for one in resumed if one["event"] == "epoch"] == [3, 4]
    assert sha256_of(tmp_path / "b") == sha256_of(tmp_path / "a")
