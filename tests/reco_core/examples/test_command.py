"""`python -m reco_core examples`: events on standard output, and nothing left behind when it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

ROOT = Path(__file__).parents[3]


def started(data: Path, out: Path, config: Path, command: str = "examples") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "reco_core", command, "--data", data, "--out", out, "--config", config],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"examples": {"max_history_length": 200, "tfrecord": {"max_genre_length": 500}}}))
    return file


def test_events_tell_of_phases_progress_and_the_folder(reference_log, config, tmp_path):
    process = started(reference_log, tmp_path / "set", config)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    events = [json.loads(line) for line in output.splitlines()]
    assert [event["phase"] for event in events if event["event"] == "phase"] == ["validate", "build_examples"]
    assert [event["done"] for event in events if event["event"] == "progress"][-1] == 586
    assert events[-1] == {"event": "result", "path": str(tmp_path / "set")}


@pytest.mark.parametrize(
    ("command", "number"), [("examples", signal.SIGTERM), ("examples", signal.SIGINT), ("run", signal.SIGTERM)]
)
def test_stopped_in_between_it_leaves_nothing(config, tmp_path, command, number):
    random = np.random.default_rng(0)
    rows = {"user": random.integers(0, 900, 200_000), "item": random.integers(1, 2000, 200_000)}
    log = tmp_path / "log.csv"
    pl.DataFrame({**rows, "timestamp": np.arange(200_000)}).write_csv(log)
    process = started(log, tmp_path / "set", config, command)
    for line in process.stdout:
        if json.loads(line)["event"] == "progress":  # the first after half a second of several
            process.send_signal(number)
            break
    began = time.monotonic()
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    assert time.monotonic() - began < 5
    assert '"result"' not in output
    assert {path.name for path in tmp_path.iterdir()} - {"set.work"} == {"config.json", "log.csv"}
    assert list(tmp_path.glob("set.work/*")) == []


@pytest.mark.slow
def test_a_run_writes_them_beside_its_checkpoints(reference_log, tmp_path):
    document = {
        "examples": {"tfrecord": {"max_genre_length": 32}},
        "model": {"embedding_dim": 4},
        "training": {"max_epochs": 1},
        "evaluation": {"bootstrap_samples": 100, "baselines": ["popular"]},
        "export": {"variants": ["float32"], "default_variant": "float32"},
    }
    (tmp_path / "config.json").write_text(json.dumps(document))
    found = tmp_path / "work" / "examples"
    found.mkdir(parents=True)
    (found / "summary.json").write_text("of an earlier run")
    (found / "train-00000.tfrecord").write_text("of an earlier run")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "reco_core", "run", "--data", reference_log),
            *("--config", tmp_path / "config.json", "--out", tmp_path / "bundle", "--work", tmp_path / "work"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not (found / "train-00000.tfrecord").exists()
    assert json.loads((found / "summary.json").read_text())["examples"] == {"train": 527, "test": 59}
    vocabulary = (reference_log / "app" / "movie_vocab.json").read_bytes()
    assert (found / "movie_vocab.json").read_bytes() == vocabulary
