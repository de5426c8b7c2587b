"""`pocketrec model add-items`: a version that knows further items, without training; here or by the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.errors import CommandFailed, Status, guarded
from app.cli.options import DEFAULT_URL, AsJson, Url, connect

Name = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="Name of a model of the service; without it --bundle is a folder."),
]
Version = Annotated[
    int | None, typer.Argument(metavar="[VERSION]", min=1, help="Version; by default the newest that isn't yanked.")
]
Items = Annotated[
    Path,
    typer.Option("--items", metavar="FILE", help="Table of new items, with an id and attributes: CSV, Parquet, JSONL."),
]
Bundle = Annotated[Path | None, typer.Option("--bundle", metavar="DIR", help="An unpacked bundle.")]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="What it was made of; BUNDLE.work/weights/best.npz when not given."),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="PATH", help="The log that it was trained on, to measure everything anew."),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the new bundle.")]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Pass over items that the model knows already, instead of refusing.")
]


@guarded
def add_items(
    items: Items,
    name: Name = None,
    version: Version = None,
    bundle: Bundle = None,
    weights: Weights = None,
    data: Data = None,
    out: Out = None,
    skip_existing: SkipExisting = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Make a version that knows further items by their attributes: the same weights, a longer table, no training.

    Examples:

      pocketrec model add-items --bundle bundle --items new.csv --out longer

      pocketrec model add-items --bundle bundle --items new.csv --data log.csv --out longer

      pocketrec model add-items films 3 --items new.csv

    New items come after all others, so that no index changes. Without --data the files are verified and the figures of
    the bundle carried over; the service measures everything anew.
    """
    from app.cli.specs import require_paths

    if (name is None) == (bundle is None):
        raise _usage("name a model of the service, or give --bundle DIR --out DIR")
    if name is not None:
        given = {"--weights": weights, "--data": data, "--out": out}
        for option in [option for option, value in given.items() if value is not None]:
            raise _usage(f"{option}: the service has the version's weights and its log; leave it out")
        require_paths({"--items": items}, None)
        _by_the_service(name, version, items, skip_existing, url, as_json)
    elif bundle is not None and out is not None:
        _here(bundle, weights or _beside(bundle), items, data, out, skip_existing, as_json)
    else:
        raise _usage("--bundle needs --out DIR, the folder for the new bundle")


def _here(
    bundle: Path, weights: Path, items: Path, data: Path | None, out: Path, skip_existing: bool, as_json: bool
) -> None:
    from app.cli.children import stop_on_signals
    from app.cli.pipeline_runs import print_result, run_pipeline
    from app.cli.specs import require_paths

    stop_on_signals()
    needed = {"--bundle": bundle, "--weights": weights, "--items": items}
    require_paths(needed if data is None else {**needed, "--data": data}, out)
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    command = ["-m", "reco_core", "add-items", "--bundle", str(bundle), "--weights", str(weights)]
    command += ["--items", str(items), "--out", str(out), "--work", str(work)]
    command += ["--data", str(data)] if data is not None else []
    command += ["--skip-existing"] if skip_existing else []
    print_result(run_pipeline(command, work / "run.log"), work, as_json)


def _by_the_service(name: str, version: int | None, items: Path, skip_existing: bool, url: str, as_json: bool) -> None:
    from app.cli.jobs import finish, follow
    from app.cli.models import newest
    from app.cli.output import say

    new_items = _as_json(items)
    with connect(url) as client:
        base = {"model": name, "version": version or newest(client, name)}
        job = client.create_job("export", base=base, new_items=new_items, skip_existing=skip_existing or None)
        say(f"{job.id} queued")
        job = follow(client, job.id)
    finish(job, as_json, must_succeed=True)


def _as_json(items: Path) -> list[dict[str, Any]]:
    """The table as `POST /v1/jobs` takes it."""
    from reco_core.datasets.new_items import load_items

    table = load_items(items)
    further = table.further.drop(table.attribute_name or [], strict=False)
    columns = further.iter_rows(named=True)
    features = [{key: value for key, value in row.items() if value is not None} for row in columns]
    rows = zip(table.ids, table.titles, table.attributes, features or [{}] * len(table), strict=True)
    return [
        {"id": raw, "title": title, "attributes": list(attributes), "features": row}
        for raw, title, attributes, row in rows
    ]


def _beside(bundle: Path) -> Path:
    return bundle.with_name(bundle.name + ".work") / "weights" / "best.npz"


def _usage(message: str) -> CommandFailed:
    return CommandFailed(Status.BAD_INPUT, "usage", [message])
