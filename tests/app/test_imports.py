"""What importing the API costs: it must not load the training libraries, nor the parsers of datasets."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CODE = """
import json, sys
import app.main
modules = sorted(sys.modules)
import psutil
print(json.dumps({"modules": modules, "bytes": psutil.Process().memory_info().rss}))
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", ["tensorflow", "keras", "polars", "pyarrow", "numpy", "worker", "celery.app"])
def test_it_is_not_imported(imported: dict[str, list[str]], name: str) -> None:
    assert name not in imported["modules"]


def test_memory_stays_small(imported: dict[str, int]) -> None:
    assert imported["bytes"] < 120 << 20
