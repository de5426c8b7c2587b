"""`pocketrec train`: the pipeline on this machine, without the service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.changes import Set
from app.cli.children import Child, stop_on_signals
from app.cli.errors import from_problem, guarded
from app.cli.options import AsJson, Config, Format, ItemsBeside, Map, Preset, UsersBeside
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
    items: ItemsBeside = None,
    users: UsersBeside = None,
    preset: Preset = None,
    config: Config = None,
    set: Set = None,  # noqa: A002
    as_json: AsJson = False,
) -> None:
    """Train on a log on this machine and write a bundle, no service needed.

    Examples:

      pocketrec train --data ml-100k.zip --preset bow --out bundle

      pocketrec train --data log.csv --map user=uid --map item=sku --map timestamp=at --config configs/rnn.yaml --out b

      pocketrec train --data log.csv --preset cnn --set training.max_epochs=20 --set training.keep_checkpoints=3 --out b

    Then: pocketrec recommend --bundle bundle --history 50,172,133

    In BUNDLE.work stay the weights that `pocketrec export` makes other bundles from, and measurements.json.
    """
    from app.cli.changes import changes
    from app.cli.specs import config_document, dataset_spec, require_paths

    stop_on_signals()
    document = merged(config_document(preset, config), changes(set, {}))
    require_paths({"--data": data}, out)
    spec = dataset_spec(format, map, items, data, users)
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    (work / "config.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    command = ["-m", "reco_core", "run", "--data", str(data), "--out", str(out), "--config", str(work / "config.json")]
    command += ["--spec", json.dumps(spec)] if spec else []
    print_result(run_pipeline([*command, "--work", str(work)], work / "run.log"), work, as_json)


def merged(document: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`document` with the fields of `over`, checked.

    Raises:
        ConfigInvalid: the result is not valid.
    """
    from reco_core.config import load

    def put(below: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
        inside = {name: put(below.get(name) or {}, value) for name, value in over.items() if isinstance(value, dict)}
        return {**below, **over, **inside}

    whole = put(document, over)
    load(whole)
    return whole


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
