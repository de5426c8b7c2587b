"""What log lines must not hold."""

from __future__ import annotations

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
