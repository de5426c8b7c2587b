"""`pocketrec train`: the pipeline on this machine, without the service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.children import Child, stop_on_signals
from app.cli.errors import CommandFailed, Status, from_problem, guarded
from app.cli.options import AsJson, Config, Format, Items, Map, Preset
from app.cli.output import console, print_json

Data = Annotated[Path, typer.Option("--data", metavar="PATH", help="The log: a file, a folder or a zip.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the bundle; made if it is missing.")]
END_SECONDS = 30.0  # between the last line of output and the end of the process


@guarded
def train(
    data: Data,
    out: Out,
    format: Format = None,  # noqa: A002 - typer names the option after it
    map: Map = None,  # noqa: A002
    items: Items = None,
    preset: Preset = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Train on a log on this machine and write a bundle, no service needed.

    Examples:

      pocketrec train --data ml-100k.zip --preset bow --out bundle

      pocketrec train --data log.csv --map user=uid --map item=sku --map timestamp=at --config configs/rnn.yaml --out b

    Then: pocketrec recommend --bundle bundle --history 50,172,133
    """
    from app.cli.specs import config_document, dataset_spec

    stop_on_signals()
    config_document(preset, config)
    if not data.exists():
        raise CommandFailed(Status.BAD_INPUT, "file_error", [f"--data {data}: no such file or folder"])
    command = ["-m", "reco_core", "run", "--data", str(data), "--out", str(out), "--json"]
    command += ["--preset", preset] if preset is not None else ["--config", str(config)]
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CommandFailed(
            Status.BAD_INPUT, "file_error", [f"--out {out} is there already and not empty; name another"]
        )
    spec = dataset_spec(format, map, items, data)
    if spec:
        command += ["--spec", json.dumps(spec)]
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    folder = run_pipeline([*command, "--work", str(work)], work / "run.log")
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
