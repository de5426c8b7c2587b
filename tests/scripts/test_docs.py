"""The documents say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from app.cli.main import app
from reco_core.config import load_file
from reco_core.config.original import FLAGS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_generated_tables_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"(?s)```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)#\s]+)", prose)
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_the_ready_configs_are_valid(path: Path) -> None:
    assert load_file(path).preset == path.stem


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_that_pages_name_exist_with_their_options(page: Path) -> None:
    root = typer.main.get_command(app)
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    inline = re.findall(r"`(pocketrec [^`]+)`", page.read_text(encoding="utf-8"))
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("pocketrec ")] + inline
    for line in lines:
        words = line.partition("#")[0].split()[1:]
        command = root
        while words and hasattr(command, "commands"):
            name = words.pop(0).rstrip(",`")
            assert name in command.commands, f"{line}: no command {name}"
            command = command.commands[name]
        parameters = getattr(command, "params", [])
        known = {option for one in parameters for option in (*one.opts, *one.secondary_opts)} | {"--help"}
        if command.context_settings.get("ignore_unknown_options"):  # `config convert` takes the original's flags
            known |= {f"--{name}" for name in FLAGS}
        assert {word for word in words if word.startswith("--")} <= known, line
