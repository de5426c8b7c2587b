"""Settings that the service's commands can't use, and variables that are none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POCKETREC_")}
    given = {f"POCKETREC_{name}": value for name, value in variables.items()}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env={**clean, "POCKETREC_STATE_DIR": str(folder / "state"), "PYTHONPATH": str(Path.cwd()), **given},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        ("worker", "QUEUES", "tain"),
        ("serve", "DATABASE_URL", "mysql://u:secret@h/x"),
        ("tidy", "DATABASE_URL", "postgresql://u:secret@h:port/x"),
        ("worker", "BLOB_URL", "az://container"),  # without an account
        ("serve", "SIGNING_KEY", "secret"),
        ("serve", "API_KEY", "secret"),
    ],
)
def test_a_fault_is_one_plain_line_that_names_the_variable(tmp_path, command, name, value):
    ended = run(tmp_path, command, **{name: value})
    assert ended.returncode == 2, ended.stderr
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"error: POCKETREC_{name}")
    assert "secret" not in line
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("command", [["serve"], ["worker"], ["tidy", "--dry-run"], ["backup", "b"]])
def test_a_mistyped_variable_is_warned_of_and_the_command_goes_on(tmp_path, command):
    variables = {"KEP_VERSIONS": "3", "URL": "http://127.0.0.1:1", "SLOTS": "0"}
    ended = run(tmp_path, *command, **variables)
    assert ended.stdout == ""
    assert ended.stderr.splitlines() == [
        "warning: POCKETREC_KEP_VERSIONS is no setting and does nothing; did you mean POCKETREC_KEEP_VERSIONS?",
        "error: POCKETREC_SLOTS holds '0'; expected a whole number of at least 1 and at most 64, such as 1",
    ]


def test_a_worker_without_its_database_says_so(tmp_path):
    variables = {"DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x", "BROKER": "filesystem"}
    ended = run(tmp_path, "worker", **variables)
    assert ended.returncode == 1
    line = ended.stderr.splitlines()[-1]
    assert line.startswith("error: the database postgresql://u:***@127.0.0.1:1/x: connection failed")
    assert "secret" not in ended.stderr
