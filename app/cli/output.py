"""Where output goes: results to stdout, all else to stderr; with `--json`, stdout holds JSON and nothing more."""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from reco_core.durations import duration

if TYPE_CHECKING:
    from rich.console import Console


@cache
def console() -> Console:
    """The console for results. Titles and messages come from data, so markup in them stays inert."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


@cache
def error_console() -> Console:
    """The console for progress and errors."""
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """`value` as one JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def say(line: str, style: str | None = None) -> None:
    """A line of progress on stderr."""
    error_console().print(line, style=style)


def printable(text: str) -> str:
    """`text` without control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def human_bytes(size: float) -> str:
    """1 MB is 1,000,000 bytes, as everywhere in this project."""
    if size < 1000:
        return f"{size:.0f} B"
    if size < 1_000_000:
        return f"{size / 1000:.0f} kB"
    return f"{size / 1_000_000:.2f} MB" if size < 100_000_000 else f"{size / 1_000_000:.0f} MB"


def human_seconds(seconds: float) -> str:
    """Such as `8 s`, `2 min 5 s`: no fractions, which nobody wants of what was measured or guessed."""
    return duration(round(seconds))
