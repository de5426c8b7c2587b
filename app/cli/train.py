"""`pocketrec train`: the pipeline on this machine, without the service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from app.cli.changes import Set
from app.cli.children import stop_on_signals
from app.cli.errors import guarded
from app.cli.options import AsJson, Config, Data, Format, ItemsBeside, Map, OnBadRows, Preset, UsersBeside

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the bundle; made if it is missing.")]
Base = Annotated[
    Path | None,
    typer.Option(
        "--base",
        metavar="DIR",
        help="Begin with the weights of an earlier training: the folder that it wrote its bundle to, or a file of "
        "weights. Without --preset or --config its config is taken too.",
    ),
]


@guarded
def train(
    data: Data,
    out: Out,
    format: Format = None,  # noqa: A002 - typer names the option after it
    map: Map = None,  # noqa: A002
    items: ItemsBeside = None,
    users: UsersBeside = None,
    on_bad_rows: OnBadRows = None,
    preset: Preset = None,
    config: Config = None,
    base: Base = None,
    set: Set = None,  # noqa: A002
    as_json: AsJson = False,
) -> None:
    """Train on a log on this machine and write a bundle, no service needed.

    Examples:

      pocketrec train --data ml-100k.zip --preset bow --out bundle

      pocketrec train --data log.csv --map user=uid --map item=sku --map timestamp=at --config configs/rnn.yaml --out b

      pocketrec train --data log.csv --preset cnn --set training.max_epochs=20 --set training.keep_checkpoints=3 --out b

      pocketrec train --data log-of-today.csv --base yesterday --out today

    Then: pocketrec recommend --bundle bundle --history 50,172,133

    In BUNDLE.work stay the weights that `pocketrec export` makes other bundles from, and measurements.json.
    """
    from app.cli.changes import changes, merged
    from app.cli.pipeline_runs import print_result, run_pipeline
    from app.cli.specs import config_document, dataset_spec, require_paths, spec_options

    stop_on_signals()
    changed = changes(set, {})
    of_base = base is not None and preset is None and config is None
    document = changed if of_base else merged(config_document(preset, config), changed)
    require_paths({"--data": data}, out)
    spec = dataset_spec(format, map, items, data, users, on_bad_rows)
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    command = ["-m", "reco_core", "run", "--data", str(data), "--out", str(out)]
    if of_base:
        command += ["--changes", json.dumps(document)]
    else:
        (work / "config.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        command += ["--config", str(work / "config.json")]
    command += ["--base", str(base)] if base is not None else []
    command += spec_options(spec)
    print_result(run_pipeline([*command, "--work", str(work)], work / "run.log"), work, as_json)
