"""One bundle made by the command, as people make it, for the tests of bundle, pipeline and recommending."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def command(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """`python -m reco_core ARGUMENTS` in a fresh process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    return subprocess.run(
        [sys.executable, "-m", "reco_core", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=200,
        env=environment,
        check=False,
        **options,
    )


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> None:
    """TensorFlow's converter collects garbage for each file: what is there by now needs no looking at."""
    if "tensorflow" in sys.modules:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def reco_core() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The function `command`."""
    return command


@pytest.fixture(scope="session")
def config_file(make_config, tmp_path_factory) -> Path:
    """A config that trains for some 300 steps with a checkpoint after every call of the compiled loop."""
    config = make_config(training={"max_epochs": 8, "checkpoint_seconds": 0}, export={"exclude_ids": 2})
    path = tmp_path_factory.mktemp("config") / "config.json"
    path.write_text(config.model_dump_json())
    return path


@pytest.fixture(scope="session")
def made(planted_folder, config_file, tmp_path_factory) -> tuple[Path, list[dict[str, Any]]]:
    """A bundle of the planted log, and the events of the run."""
    out = tmp_path_factory.mktemp("made") / "bundle"
    done = command("run", "--data", planted_folder, "--config", config_file, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    return out, [json.loads(line) for line in done.stdout.splitlines()]
