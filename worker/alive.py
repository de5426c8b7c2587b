"""A sign of life: a file that the reaper's loop touches after each pass in which the database answered."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from registry.settings import Settings

MARGIN_SECONDS = 15.0


@dataclass(frozen=True)
class Alive:
    """Whether a worker is at its work, and how that is known."""

    ok: bool
    detail: str


def touch(settings: Settings) -> None:
    """This process is at its work."""
    path = _folder(settings) / f"{_prefix()}{os.getpid()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def forget(settings: Settings) -> None:
    """This process ends."""
    (_folder(settings) / f"{_prefix()}{os.getpid()}").unlink(missing_ok=True)


def sweep(settings: Settings) -> None:
    """Remove what killed processes of this machine left; those of other machines can't be told from live ones."""
    for path in _folder(settings).glob(f"{_prefix()}*"):
        if not _runs(path):
            path.unlink(missing_ok=True)


def check(settings: Settings) -> Alive:
    """Whether a worker that uses this state folder on this machine has made a pass lately.

    Lately: within two intervals of `reaper_seconds`, and some time for a slow machine.
    """
    limit = 2 * settings.reaper_seconds + MARGIN_SECONDS
    found = [path for path in _folder(settings).glob(f"{_prefix()}*") if _runs(path)]
    if not found:
        return Alive(False, f"no worker of this machine runs with the state folder {settings.state_dir}")
    age = max(0.0, time.time() - max(_touched(path) for path in found))
    if age > limit:
        return Alive(False, f"the worker last reached the database {age:.0f} s ago; expected every {limit:.0f} s")
    return Alive(True, f"alive: the worker reached the database {age:.0f} s ago")


def _folder(settings: Settings) -> Path:
    return settings.state_dir / "alive"


def _prefix() -> str:
    # Containers that share a folder have the same process numbers, but not the same name.
    return f"{socket.gethostname()}."


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _runs(path: Path) -> bool:
    try:
        os.kill(int(path.name.rpartition(".")[2]), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError):
        return False
    return True
