"""What log lines must not hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import structlog
from {module} import configure
configure("info")
def broken():
    api_key = "very-secret-value"
    raise ValueError("broken")
try:
    broken()
except ValueError:
    structlog.get_logger().exception("failed")
"""


@pytest.mark.parametrize("module", ["registry.logs", "worker.logs"])
@pytest.mark.parametrize("terminal", [False, True])
def test_tracebacks_show_no_variables(module: str, terminal: bool) -> None:
    script = SCRIPT.format(module=module)
    if terminal:
        script = "import sys; sys.stderr.isatty = lambda: True\n" + script
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert "ValueError" in done.stderr
    assert "broken" in done.stderr
    assert ("Traceback" in done.stderr) is terminal
    # The line of source may be shown to people; the value of the variable, as a variable, never.
    assert "locals" not in done.stderr.replace("<locals>", "")
    assert "very-secret-value" not in done.stderr


FORMS = """
import sys, logging, structlog
from {module} import configure
sys.stderr.isatty = lambda: {terminal}
configure("info", "{form}")
configure("info", "{form}")
with structlog.contextvars.bound_contextvars(job_id="job_1", attempt=2, request_id="r"):
    structlog.get_logger().info("ours", count=1)
    logging.getLogger("some.library").warning("theirs: %s", "x")
    logging.getLogger("some.library").info("too quiet")
"""


@pytest.mark.parametrize("module", ["registry.logs", "worker.logs"])
@pytest.mark.parametrize(
    ("form", "terminal", "json_lines"),
    [("auto", False, True), ("auto", True, False), ("json", True, True), ("console", False, False)],
)
def test_one_form_for_all_lines(module: str, form: str, terminal: bool, json_lines: bool) -> None:
    script = FORMS.format(module=module, form=form, terminal=terminal)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    if not json_lines:
        assert all(not line.startswith("{") and "job_1" in line for line in lines)
        return
    ours, theirs = map(json.loads, lines)
    marks = {"job_id": "job_1", "attempt": 2, "request_id": "r"}
    assert (ours["event"], ours["level"], ours["count"]) == ("ours", "info", 1)
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("theirs: x", "warning", "some.library")
    for line in (ours, theirs):
        assert marks.items() <= line.items()
        assert line["timestamp"].endswith("Z")
