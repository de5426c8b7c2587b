"""The pipeline as a child process: `python -m reco_core ...`, its events shown, and what it has made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.cli.children import Child
from app.cli.errors import from_problem
from app.cli.output import console, print_json

END_SECONDS = 30.0  # between the last line of output and the end of the process


def print_result(folder: Path, work: Path, as_json: bool) -> None:
    """What lies in the bundle `folder` and its work folder, as tables or as JSON."""
    report = _read(folder / "report.json")
    measurements = _read(work / "measurements.json")
    if as_json:
        print_json({"bundle": str(folder), "report": report, "measurements": measurements})
        return
    from app.cli.results import print_report

    print_report(report, measurements, str(_read(folder / "manifest.json")["default_variant"]))
    console().print(f"The bundle is in {folder}: model.tflite, vocabularies, report.json, manifest.json.")
    console().print(f"Next: pocketrec recommend --bundle {folder} --history ITEM,ITEM,...")


def run_pipeline(command: list[str], log: Path, phases: Sequence[str] | None = None) -> Path:
    """Run `python COMMAND`, show its events, and return the folder that it wrote. Its standard error goes to `log`.

    Args:
        phases: those that it goes through; None: all.

    Raises:
        CommandFailed: the run ended with a typed error, or without a result.
    """
    from app.cli.follow import PHASE_NAMES, Display

    result: Path | None = None
    problem: dict[str, Any] | None = None
    log.unlink(missing_ok=True)
    with Child(command, log=log) as child, Display(phases or tuple(PHASE_NAMES)) as display:
        while (event := child.message()) is not None:
            match event.pop("event", None):
                case "phase":
                    display.phase(event["phase"])
                case "progress":
                    display.progress(**event)
                case "epoch":
                    display.epoch(**event)
                case "log":
                    display.log(event["message"])
                case "result":
                    result = Path(event["path"])
                case "error":
                    problem = event
                case _:
                    continue
        status = child.wait(END_SECONDS)
    if problem is not None or result is None:
        raise from_problem(problem, f"the run ended with status {status} and no result{child.log_tail()}")
    return result


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
