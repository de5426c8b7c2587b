"""`pocketrec examples`: a log's examples as files, on this machine, without the service."""

from __future__ import annotations

import json
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.errors import CommandFailed, Status, guarded
from app.cli.options import AsJson, Config, Data, Format, ItemsBeside, Map, OnBadRows, Preset, UsersBeside
from app.cli.output import console, human_bytes, print_json


class Layout(StrEnum):
    """Layouts of TFRecord files."""

    ORIGINAL = "original"
    ORIGINAL_2020 = "original_2020"


Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files; made if it is missing.")]
MinTimelineLength = Annotated[
    int | None, typer.Option("--min-timeline-length", metavar="N", help="Leave out users with fewer interactions.")
]
MaxContextLength = Annotated[
    int | None, typer.Option("--max-context-length", metavar="N", help="Interactions of a context.")
]
MaxGenreLength = Annotated[
    int | None,
    typer.Option("--max-genre-length", metavar="N", help="Genres kept of a context; the app reads 32."),
]
MinRating = Annotated[
    float | None, typer.Option("--min-rating", metavar="X", help="Leave out interactions rated lower.")
]
TrainFraction = Annotated[
    float | None,
    typer.Option("--train-data-fraction", metavar="X", help="Share of the examples for training."),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Of the split and the order of the examples.")]
Records = Annotated[
    bool, typer.Option("--tfrecord/--no-tfrecord", help="Write TFRecords, or only the vocabulary and counts.")
]
LayoutOption = Annotated[
    Layout | None,
    typer.Option(
        "--layout", help="original: the features of movies; original_2020: ids only, each user's last item as test."
    ),
]
Shards = Annotated[int | None, typer.Option("--shards", metavar="N", help="Files per split.")]
Vocabularies = Annotated[
    bool | None, typer.Option("--build-vocabs/--no-build-vocabs", help="Whether to write vocabularies as well.")
]


@guarded
def examples(
    data: Data,
    out: Out,
    format: Format = None,  # noqa: A002 - typer names the option after it
    map: Map = None,  # noqa: A002
    items: ItemsBeside = None,
    users: UsersBeside = None,
    on_bad_rows: OnBadRows = None,
    preset: Preset = None,
    config: Config = None,
    min_timeline_length: MinTimelineLength = None,
    max_context_length: MaxContextLength = None,
    max_genre_length: MaxGenreLength = None,
    min_rating: MinRating = None,
    train_data_fraction: TrainFraction = None,
    seed: Seed = None,
    tfrecord: Records = True,
    layout: LayoutOption = None,
    shards: Shards = None,
    build_vocabs: Vocabularies = None,
    as_json: AsJson = False,
) -> None:
    """Write a log's examples as TFRecord files with vocabularies, as TensorFlow's on-device example makes them.

    Examples:

      pocketrec examples --data ml-1m.zip --out examples

      pocketrec examples --data ml-1m.zip --out examples --max-genre-length 32 --min-rating 3 --shards 8

      pocketrec examples --data ml-1m.zip --out examples --layout original_2020

    Options given here go before those of --preset or --config. Item ids must be whole numbers other than 0.
    """
    from app.cli.children import stop_on_signals
    from app.cli.pipeline_runs import run_pipeline
    from app.cli.specs import dataset_spec, spec_options

    stop_on_signals()
    options = {
        "min_timeline_length": min_timeline_length,
        "max_history_length": max_context_length,
        "min_rating": min_rating,
        "train_data_fraction": train_data_fraction,
    }
    records = {
        "layout": None if layout is None else layout.value,
        "max_genre_length": max_genre_length,
        "shards": shards,
        "build_vocabs": build_vocabs,
    }
    if not tfrecord and any(value is not None for value in records.values()):
        raise CommandFailed(
            Status.BAD_INPUT,
            "usage",
            ["--layout, --max-genre-length, --shards and --build-vocabs are about TFRecords; leave --no-tfrecord out"],
        )
    document = _document(preset, config, options, records if tfrecord else None, seed)
    if not data.exists():
        raise CommandFailed(Status.BAD_INPUT, "file_error", [f"--data {data}: no such file or folder"])
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CommandFailed(
            Status.BAD_INPUT, "file_error", [f"--out {out} is there already and not empty; name another"]
        )
    spec = dataset_spec(format, map, items, data, users, on_bad_rows)
    with tempfile.TemporaryDirectory(prefix="pocketrec-examples-") as folder:
        settings = Path(folder) / "config.json"
        settings.write_text(json.dumps(document), encoding="utf-8")
        command = ["-m", "reco_core", "examples", "--data", str(data), "--out", str(out), "--config", str(settings)]
        command += spec_options(spec)
        written = run_pipeline(command, Path(folder) / "run.log", ("validate", "build_examples"))
    summary: dict[str, Any] = json.loads((written / "summary.json").read_text(encoding="utf-8"))
    if as_json:
        print_json({"folder": str(written), "summary": summary})
        return
    _print(summary, written)


def _document(
    preset: str | None,
    config: Path | None,
    options: dict[str, Any],
    records: dict[str, Any] | None,
    seed: int | None,
) -> dict[str, Any]:
    """The config with what was given on the command line; checked.

    Raises:
        CommandFailed: both --preset and --config.
        ConfigInvalid: the preset, the file or an option is not valid.
    """
    from app.cli.specs import config_document
    from reco_core.config import load

    document = config_document(preset, config) if preset is not None or config is not None else {}
    section = {**(document.get("examples") or {}), **_given(options)}
    if records is None:
        section["tfrecord"] = None
    else:
        base = section.get("tfrecord")
        section["tfrecord"] = {**(base if isinstance(base, dict) else {}), **_given(records)}
    document = {**document, "examples": section, **({} if seed is None else {"seed": seed})}
    load(document)
    return document


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _print(summary: dict[str, Any], folder: Path) -> None:
    from rich.table import Table

    counts = Table("examples", "", title=None, show_header=False)
    for name, number in summary["examples"].items():
        counts.add_row(f"{name} examples", f"{number:,}")
    counts.add_row("interactions in the log", f"{summary['rows']:,}")
    counts.add_row("users", f"{summary['users']:,}")
    counts.add_row("users left out as too short", f"{summary['dropped_users']:,}")
    counts.add_row("items", f"{summary['items']:,}")
    for name, entries in (summary["tfrecord"] or {}).get("vocabularies", {}).items():
        counts.add_row(name, f"{entries:,} entries")
    console().print(counts)
    size = sum(file["bytes"] for file in summary["files"])
    console().print(f"{len(summary['files'])} files, {human_bytes(size)}, and summary.json are in {folder}.")
