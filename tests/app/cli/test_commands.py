"""The command line as a user meets it: help that teaches, errors in words, statuses for scripts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.errors import Status, guarded
from app.cli.main import app
from app.cli.options import PRESET_NAMES
from app.client import ApiError, ChecksumMismatch, Unreachable
from reco_core.config import PRESETS
from reco_core.errors import DatasetTooSmall, Diverged, FieldError

ROOT = Path(__file__).parents[3]
runner = CliRunner()


def test_help_answers_at_once_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['pocketrec', '--help']\n"
        "from app.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'numpy', 'polars', 'pydantic', 'httpx', 'fastapi', 'sqlalchemy', 'celery'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "pocketrec train --data log.csv" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        *("demo", "serve", "worker", "train", "examples", "recommend", "export", "evaluate"),
        *("dataset upload", "job submit", "model download", "config check"),
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    done = runner.invoke(app, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 6


def test_help_names_every_preset() -> None:
    assert set(re.findall(r"\w+", PRESET_NAMES)) - {"or"} == set(PRESETS)
    assert PRESETS.keys() <= set(re.findall(r"\w+", runner.invoke(app, ["train", "--help"]).output))


def test_presets_and_schema_are_there_for_scripts() -> None:
    assert "bow" in json.loads(runner.invoke(app, ["config", "presets", "--json"]).stdout)
    assert json.loads(runner.invoke(app, ["config", "schema"]).stdout)["properties"]["training"]


def test_a_config_is_checked_and_shown_whole(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("preset: bow\nseed: 7\n")
    done = runner.invoke(app, ["config", "check", str(file), "--json"])
    assert (done.exit_code, json.loads(done.stdout)["seed"]) == (0, 7)
    file.write_text("preset: bow\nsede: 7\n")
    done = runner.invoke(app, ["config", "check", str(file), "--json"])
    assert done.exit_code == Status.BAD_INPUT
    assert json.loads(done.stdout)["error"]["errors"][0]["pointer"] == "/sede"


def test_settings_that_are_not_valid_name_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POCKETREC_SLOTS", "none")
    done = runner.invoke(app, ["serve", "--state-dir", str(tmp_path / "state")])
    assert done.exit_code == Status.BAD_INPUT
    assert "POCKETREC_SLOTS" in done.stderr
    assert not (tmp_path / "state").exists()


def test_other_machines_are_let_in_only_with_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("POCKETREC_API_KEY", raising=False)
    done = runner.invoke(app, ["serve", "--host", "0.0.0.0", "--port", "0", "--state-dir", str(tmp_path / "state")])
    assert done.exit_code == Status.BAD_INPUT
    assert "POCKETREC_API_KEY" in done.stderr
    assert not (tmp_path / "state").exists()


FAULT = FieldError("/training/batch_size", "greater_than_equal", "must be at least 1")
CASES: list[tuple[BaseException, int, str]] = [
    (ApiError(422, "validation_failed", "Validation failed", "no"), 2, "validation_failed"),
    (ApiError(401, "unauthorized", "No valid API key", "no"), 2, "unauthorized"),
    (ApiError(500, "internal_error", "Internal error", "no", trace_id="t"), 3, "internal_error"),
    (Unreachable("nobody there"), 3, "unreachable"),
    (ChecksumMismatch("altered"), 4, "refused"),
    (DatasetTooSmall("too small", [FAULT]), 2, "dataset_too_small"),
    (Diverged("the loss became NaN"), 1, "diverged"),
    (FileNotFoundError(2, "No such file or directory", "x"), 2, "file_error"),
]


@pytest.mark.parametrize(("error", "status", "code"), CASES, ids=lambda value: getattr(value, "code", None))
def test_each_error_has_its_status_and_code(
    error: Exception, status: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    @guarded
    def command(as_json: bool = False) -> None:
        raise error

    with pytest.raises(typer.Exit) as caught:
        command(as_json=True)
    assert caught.value.exit_code == status
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert printed["error"]["code"] == code


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    @guarded
    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command()


def test_an_interrupt_has_its_own_status() -> None:
    import typer

    @guarded
    def command() -> None:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as caught:
        command()
    assert caught.value.exit_code == 130
