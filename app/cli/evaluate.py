"""`pocketrec evaluate`: a bundle's files ranked again, on the log it was trained on or on another."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from app.cli.changes import Set
from app.cli.errors import guarded
from app.cli.options import AsJson, Format, ItemsBeside, Map, OnBadRows, UsersBeside


class Protocol(StrEnum):
    """How test labels are held out."""

    LEAVE_ONE_OUT = "leave_one_out"
    TEMPORAL = "temporal"
    USER_DISJOINT = "user_disjoint"
    REFERENCE = "reference"


Bundle = Annotated[Path, typer.Option("--bundle", metavar="DIR", help="An unpacked bundle.")]
Data = Annotated[Path, typer.Option("--data", metavar="PATH", help="A log: a file, a folder or a zip.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder for report.html, report.json, measurements.json and ranks.npz."),
]
ProtocolOption = Annotated[
    Protocol | None, typer.Option("--protocol", help="How test labels are held out; as in training when not given.")
]
Cutoffs = Annotated[str | None, typer.Option("--k", metavar="K,...", help="Cut-offs of the metrics; 10 is added.")]
Baselines = Annotated[
    str | None,
    typer.Option(
        "--baselines",
        metavar="NAME,...",
        help="popular, recent_popular, markov, cooccurrence, ease; or none.",
    ),
]
Variants = Annotated[
    str | None,
    typer.Option("--variants", metavar="NAME,...", help="Files to rank; the default one when not given."),
]


@guarded
def evaluate(
    bundle: Bundle,
    data: Data,
    out: Out = None,
    format: Format = None,  # noqa: A002 - typer names the option after it
    map: Map = None,  # noqa: A002
    items: ItemsBeside = None,
    users: UsersBeside = None,
    on_bad_rows: OnBadRows = None,
    protocol: ProtocolOption = None,
    k: Cutoffs = None,
    baselines: Baselines = None,
    variants: Variants = None,
    set: Set = None,  # noqa: A002
    as_json: AsJson = False,
) -> None:
    """Evaluate a bundle's files again, on the log they were trained on or on another.

    Examples:

      pocketrec evaluate --bundle bundle --data log.csv --k 5,20 --baselines popular,ease

      pocketrec evaluate --bundle bundle --data next-month.csv --variants float32,dynamic_int8 --out next-month

      pocketrec evaluate --bundle bundle --data ml-100k.zip --protocol reference

    On another log, items are matched by their ids: those that the model doesn't know are left out of histories, and
    count as misses where they should have been recommended. Baselines are fitted on the log given.
    """
    from app.cli.changes import changes, listed, whole_numbers
    from app.cli.children import stop_on_signals
    from app.cli.pipeline_runs import run_pipeline
    from app.cli.recommend import WITHOUT_TENSORFLOW
    from app.cli.specs import dataset_spec, require_paths, spec_options

    stop_on_signals()
    chosen = listed("--variants", variants)
    document = changes(
        set,
        {
            "evaluation.protocol": None if protocol is None else protocol.value,
            "evaluation.k": whole_numbers("--k", k),
            "evaluation.baselines": [] if baselines == "none" else listed("--baselines", baselines),
        },
    )
    require_paths({"--bundle": bundle, "--data": data}, out)
    spec = dataset_spec(format, map, items, data, users, on_bad_rows)
    with TemporaryDirectory(prefix="pocketrec-") as scratch:
        folder = out or Path(scratch) / "evaluation"
        command = ["-c", WITHOUT_TENSORFLOW, "evaluate", "--bundle", str(bundle), "--data", str(data)]
        command += ["--out", str(folder), "--changes", json.dumps(document)]
        command += spec_options(spec)
        command += ["--variants", *chosen] if chosen else []
        run_pipeline(command, Path(scratch) / "run.log")
        report = _read(folder / "report.json")
        measurements = _read(folder / "measurements.json")
    from app.cli.output import console, print_json

    if as_json:
        print_json({"folder": None if out is None else str(out), "report": report, "measurements": measurements})
        return
    from app.cli.results import print_evaluated, print_report

    print_report(report, measurements, str(report["default_variant"]))
    print_evaluated(report)
    if out is not None:
        console().print(f"report.html, report.json, measurements.json and ranks.npz are in {out}.")


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
