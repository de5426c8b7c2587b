"""`pocketrec export`: a bundle from the weights that a run left, without training."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli.changes import Set
from app.cli.errors import guarded
from app.cli.options import AsJson, Format, ItemsBeside, Map, OnBadRows, UsersBeside


class Ids(StrEnum):
    """What stands for an item in a file's tensors."""

    INDEX = "index"
    RAW = "raw"


class Layout(StrEnum):
    """Layouts of exported files."""

    DEFAULT = "default"
    REFERENCE = "reference"


Weights = Annotated[
    Path,
    typer.Option("--weights", metavar="FILE", help="best.npz or epoch-00003.npz from the folder BUNDLE.work/weights."),
]
Data = Annotated[Path, typer.Option("--data", metavar="PATH", help="The log that the weights were trained on.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the bundle; made if it is missing.")]
TopK = Annotated[int | None, typer.Option("--top-k", min=1, metavar="K", help="Recommendations per call.")]
HistoryLength = Annotated[
    int | None, typer.Option("--history-length", min=1, metavar="L", help="Interactions that the file reads.")
]
Variants = Annotated[
    str | None,
    typer.Option("--variants", metavar="NAME,...", help="Conversions: float32, float16, dynamic_int8."),
]
IdsOption = Annotated[Ids | None, typer.Option("--ids", help="Item indices or raw ids in the file's tensors.")]
LayoutOption = Annotated[
    Layout | None,
    typer.Option("--layout", help="reference: for the Android app of TensorFlow's on-device example."),
]
SavedModel = Annotated[
    bool | None, typer.Option("--saved-model/--no-saved-model", help="Also write saved_model.zip beside the bundle.")
]


@guarded
def export(
    weights: Weights,
    data: Data,
    out: Out,
    format: Format = None,  # noqa: A002 - typer names the option after it
    map: Map = None,  # noqa: A002
    items: ItemsBeside = None,
    users: UsersBeside = None,
    on_bad_rows: OnBadRows = None,
    top_k: TopK = None,
    history_length: HistoryLength = None,
    variants: Variants = None,
    ids: IdsOption = None,
    layout: LayoutOption = None,
    saved_model: SavedModel = None,
    set: Set = None,  # noqa: A002
    as_json: AsJson = False,
) -> None:
    """Make a bundle from trained weights, without training: with another top K, history length, variant or layout.

    Examples:

      pocketrec export --weights bundle.work/weights/best.npz --data log.csv --out small --top-k 20 --history-length 5

      pocketrec export --weights bundle.work/weights/epoch-00003.npz --data log.csv --out third --variants float32

      pocketrec export --weights bundle.work/weights/best.npz --data ml-1m.zip --out app --layout reference

      pocketrec export --weights bundle.work/weights/best.npz --data log.csv --out b --set export.exclude_ids=20

    The new files are evaluated and verified as after training. To keep weights of more epochs than the best, train with
    --set training.keep_checkpoints=3.
    """
    from app.cli.changes import changes, listed
    from app.cli.children import stop_on_signals
    from app.cli.pipeline_runs import print_result, run_pipeline
    from app.cli.specs import dataset_spec, require_paths, spec_options

    stop_on_signals()
    document = changes(
        set,
        {
            "export.top_k": top_k,
            "export.history_length": history_length,
            "export.variants": listed("--variants", variants),
            "export.ids": None if ids is None else ids.value,
            "export.layout": None if layout is None else layout.value,
            "export.saved_model": saved_model,
        },
    )
    require_paths({"--weights": weights, "--data": data}, out)
    spec = dataset_spec(format, map, items, data, users, on_bad_rows)
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    command = ["-m", "reco_core", "export", "--weights", str(weights), "--data", str(data), "--out", str(out)]
    command += ["--work", str(work), "--changes", json.dumps(document)]
    command += spec_options(spec)
    print_result(run_pipeline(command, work / "run.log"), work, as_json)
