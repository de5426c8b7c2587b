"""What CI runs: lint, format, types, import contracts and, with `--tests`, all tests; `--coverage` measures them too.

Goes on after a failure, so that one run shows all of them; the exit status is 1 if any step failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CHECKS: dict[str, list[str]] = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "import contracts": ["lint-imports", "--no-cache"],
}
# Two processes, since many tests wait for others; tests/scheduling.py says which tests stay together, and goes by what
# each has taken: `python tests/scheduling.py .pytest_cache/times.xml` puts the last run's times into its table.
PARALLEL = ["-n", "2", "--dist", "loadgroup"]
TIMES = ["--junitxml=.pytest_cache/times.xml", "-o", "junit_family=xunit1"]
TESTS = ["pytest", *PARALLEL, *TIMES, "--durations=15"]
# Apart, since it doubles the time of tests that run Python rather than wait.
COVERAGE = ["--cov", "--cov-report=term:skip-covered"]
RUNS = {"--tests": {"pytest": TESTS}, "--coverage": {"pytest": [*TESTS, *COVERAGE]}}


def main(arguments: list[str]) -> int:
    """Run the steps in order and print a summary."""
    os.chdir(ROOT)
    steps = CHECKS | (RUNS[arguments[0]] if arguments else {})
    failed = []
    began = time.monotonic()
    for name, command in steps.items():
        print(f"\n== {name}: {' '.join(command)}", flush=True)
        start = time.monotonic()
        status = subprocess.run([str(BIN / command[0]), *command[1:]], check=False).returncode
        print(f"== {name}: {'ok' if status == 0 else f'FAILED ({status})'} in {time.monotonic() - start:.0f} s")
        if status != 0:
            failed.append(name)
    verdict = f"FAILED: {', '.join(failed)}" if failed else "all passed"
    print(f"\n== {verdict} in {time.monotonic() - began:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
