"""Tests that share costly fixtures run in one process, the longest groups first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests import scheduling
from tests.scheduling import LongestFirst, group_of

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import os, pytest

@pytest.mark.parametrize("number", range(4))
def test_it(number):
    with open("ran", "a") as file:
        print("NAME", os.getpid(), file=file)
"""


def test_groups_go_by_path() -> None:
    assert group_of("tests/reco_core/model/test_a.py::test_b[::c]") == group_of("tests/reco_core/training/test_d.py::e")
    assert group_of("tests/reco_core/export/test_a.py::b") == group_of("tests/reco_core/test_run.py::T::c") == "files"
    assert group_of("tests/app/test_a.py::b[x::y]") == "tests/app/test_a.py"


def test_the_longest_group_is_taken_first() -> None:
    queue = LongestFirst()
    queue.table = {"b.py": 9.0, "c.py": 2.0, "d.py": 8.0}
    tests = {"many": ["a.py::1", "a.py::2", "a.py::3"], "one": ["b.py::1"], "two": ["c.py::1", "d.py::1", "d.py::2"]}
    for name, ids in tests.items():
        queue[name] = dict.fromkeys(ids, False)
    assert [queue.popitem(last=False)[0] for _ in tests] == ["two", "one", "many"]
    assert not queue


def test_the_table_names_files_that_exist() -> None:
    assert [path for path in LongestFirst().table if not (ROOT / path).is_file()] == []


def test_the_table_is_read_from_a_report(tmp_path, monkeypatch) -> None:
    cases = [("tests/a.py", 1.5), ("tests/b.py", 0.4), ("tests/a.py", 0.25), ("tests/b.py", 0.5)]
    report = tmp_path / "times.xml"
    lines = "".join(f'<testcase file="{path}" name="x" time="{time}"/>' for path, time in cases)
    report.write_text(f"<testsuites><testsuite>{lines}</testsuite></testsuites>")
    monkeypatch.setattr(scheduling, "SECONDS", tmp_path / "seconds.json")
    scheduling.main(str(report))
    assert LongestFirst().table == {"tests/a.py": 1.8}


def test_a_run_of_two_processes_keeps_groups_together(tmp_path: Path) -> None:
    """pytest-xdist asks: a group that was split would have made its session's fixture twice."""
    (tmp_path / "conftest.py").write_text("from tests.scheduling import pytest_xdist_make_scheduler  # noqa: F401\n")
    for folder, name in (("model", "model"), ("training", "training"), ("export", "export"), ("adding", "adding")):
        path = tmp_path / "tests" / "reco_core" / folder / f"test_{name}.py"
        path.parent.mkdir(parents=True)
        path.write_text(TESTS.replace("NAME", name))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "xdist",
        "-n",
        "2",
        "--dist",
        "loadgroup",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    command += ["--import-mode=importlib", "--rootdir", str(tmp_path), "tests"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    ran: dict[str, set[str]] = {}
    for line in (tmp_path / "ran").read_text().splitlines():
        name, process = line.split()
        ran.setdefault(name, set()).add(process)
    assert ran["model"] == ran["training"]
    assert ran["export"] == ran["adding"]
    assert ran["model"].isdisjoint(ran["export"])
    assert all(len(processes) == 1 for processes in ran.values())
