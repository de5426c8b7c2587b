"""What each part of a config is worth: the config beside variants of it that differ in one thing.

    python benchmarks/ablation.py --config films.yaml --data ml-100k.zip [--seed S] [--out runs] [--only ROW ...]

Rows that make no difference to the config are left out: no other loss where there is no other, no attributes where the
data have none. --list says which rows there are, without training. Each is trained in a fresh process, as by
benchmarks/seeds.py, and stays in --out as a folder of its own; a row whose bundle is there already is read, not trained
again, so that a broken-off run goes on. Figures of one seed: between two rows only differences that a paired comparison
confirms say something,

    pocketrec model compare --a runs/as-given,more/as-given --b runs/no-neighbours,more/no-neighbours

with one --out for each seed. Where the config has a size budget, a variant spends what it saves on dimensions. The
neighbour table by itself and the files of other precision come out of the first row's report.
--json prints the figures of the tables as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import seeds
from rich.console import Console
from rich.table import Table

from reco_core import datasets
from reco_core.config import JobConfig, load
from reco_core.errors import ConfigInvalid

AS_GIVEN = "as-given"
SHOWN = ("recall@10", "ndcg@10")
PARTS = {"dense": "without the table", "table": "the table alone", "blended": "both"}

# name of the row's folder -> (what it says, fields that differ)
Rows = dict[str, tuple[str, dict[str, Any]]]


def main() -> None:
    """Train, then print."""
    options = _parser().parse_args()
    document = seeds.read_document(options.config, options.set)
    log = datasets.load(options.data)
    attribute = None if log.item_table is None else log.item_table.attribute_name
    found = rows(document, len(log.item_ids), attribute)
    if options.list:
        for name, (said, _) in found.items():
            print(f"{name:20} {said}")
        return
    if unknown := set(options.only or ()) - set(found):
        sys.exit(f"no such row: {', '.join(sorted(unknown))}; choose among {', '.join(found)}")
    options.out.mkdir(parents=True, exist_ok=True)
    runs = {}
    for name, (said, changes) in found.items():
        if options.only and name not in (AS_GIVEN, *options.only):
            continue
        print(f"{name} ...", file=sys.stderr, flush=True)
        one = seeds.run(seeds.changed(document, changes), options.data, options.seed, options.out / name)
        runs[name] = {"said": said, **figures(one["report"], one["measurements"])}
    if options.json:
        print(json.dumps({"seed": options.seed, "rows": runs}, indent=1))
        return
    console = Console(width=150)
    console.print(row_table(runs, f"{options.config.name}, seed {options.seed}"))
    console.print(file_table(runs[AS_GIVEN]))
    if any(run["neighbours"] for run in runs.values()):
        console.print(neighbour_table(runs))


def rows(document: Mapping[str, Any], items: int, attribute: str | None) -> Rows:
    """The rows that make a difference to the config, itself first.

    Args:
        items: of the log.
        attribute: what its item table says of the items, if anything.
    """
    config = load(document)
    # as long as each teacher learns, and so no worse than one
    untaught: dict[str, Any] = {"training.teachers": 0, "training.max_epochs": config.training.epochs_of_teachers}
    wanted = {
        "sampled-softmax": (
            "sampled softmax, which smooths no labels and has no teachers",
            {"training.loss": "sampled_softmax", "training.label_smoothing": 0, **untaught},
        ),
        "full-softmax": ("full softmax", {"training.loss": "full_softmax"}),
        "windows": ("windows instead of whole sequences", {"training.examples": "windows"}),
        "sequences": ("whole sequences instead of windows", {"training.examples": "sequences"}),
        "no-smoothing": ("without label smoothing", {"training.label_smoothing": 0}),
        "no-teachers": ("without teachers", untaught),
        "no-neighbours": ("without the neighbour head", {"model.neighbours": False}),
        "neighbours": ("with the neighbour head", {"model.neighbours": True}),
        "attributes": ("with item attributes", {"model.item_attribute": "auto"}),
        "no-attributes": ("without item attributes", {"model.item_attribute": None}),
    }
    found: Rows = {AS_GIVEN: ("the config itself", {})}
    for name, (said, changes) in wanted.items():
        try:
            other = load(seeds.changed(document, changes))
        except ConfigInvalid:
            continue  # this config can't have it
        if essence(other, items, attribute) != essence(config, items, attribute):
            found[name] = (said, changes)
    return found


def essence(config: JobConfig, items: int, attribute: str | None) -> dict[str, Any]:
    """The config with what `auto` stands for on a log; two that are equal train the same."""
    training = {
        "loss": config.training.loss_for(items),
        "examples": "sequences" if config.trains_on_sequences else "windows",
    }
    document = config.model_dump(mode="json")
    return {
        **document,
        "training": {**document["training"], **training},
        "model": {**document["model"], "item_attribute": config.model.item_attribute and attribute},
    }


def figures(report: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """What the tables show of one run."""
    name = report["default_variant"]
    neighbours = report.get("neighbours")
    return {
        "file": name,
        "bytes": report["variants"][name]["bytes"],
        "dimensions": (report.get("budget") or {}).get("embedding_dim"),
        "test": {key: report["test"][key] for key in SHOWN},
        "validation": {key: report["validation"][key] for key in SHOWN},
        "epochs": report["training"]["epochs"],
        "training_seconds": measured["phases"]["train"]["seconds"],
        "examples_per_second": measured["training"]["examples_per_second"],
        "variants": report["variants"],
        "neighbours": None if neighbours is None else {"weight": neighbours["weight"], **neighbours["validation"]},
    }


def row_table(runs: Mapping[str, Mapping[str, Any]], title: str) -> Table:
    """The variants of the config side by side."""
    table = Table("", title=title)
    for heading in (
        "HR@10",
        "NDCG@10",
        "val. HR@10",
        "val. NDCG@10",
        "file",
        "bytes",
        "dims",
        "epochs",
        "train s",
        "examples/s",
    ):
        table.add_column(heading, justify="left" if heading == "file" else "right")
    for run in runs.values():
        rate = run["examples_per_second"]
        table.add_row(
            run["said"],
            *(f"{run['test'][key]['value']:.4f}" for key in SHOWN),
            *(f"{run['validation'][key]['value']:.4f}" for key in SHOWN),
            run["file"],
            f"{run['bytes']:,}",
            "" if run["dimensions"] is None else str(run["dimensions"]),
            str(run["epochs"]),
            f"{run['training_seconds']:.1f}",
            "" if rate is None else f"{rate:,}",  # null where all was read from a checkpoint
        )
    return table


def file_table(run: Mapping[str, Any]) -> Table:
    """The same weights in each precision."""
    table = Table("file", title="Files of the config itself")
    for heading in ("HR@10", "NDCG@10", "overlap@10 with the trained model", "bytes", ""):
        table.add_column(heading, justify="right" if heading else "left")
    for name, file in run["variants"].items():
        ships = "ships" if name == run["file"] else ""
        table.add_row(
            name,
            *(f"{file[key]:.4f}" for key in (*SHOWN, "overlap@10")),
            f"{file['bytes']:,}",
            file["refused"] or ships,
        )
    return table


def neighbour_table(runs: Mapping[str, Mapping[str, Any]]) -> Table:
    """What the neighbour table gives by itself, and beside the trained model."""
    table = Table("", title="Neighbour head: NDCG@10 on validation, before export")
    for heading in PARTS.values():
        table.add_column(heading, justify="right")
    for run in runs.values():
        if found := run["neighbours"]:
            table.add_row(run["said"], *(f"{found[f'{part}_ndcg@10']:.4f}" for part in PARTS))
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="config file, JSON or YAML")
    parser.add_argument("--data", type=Path, required=True, help="file, folder or zip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("pocketrec-ablation"), help="folder that keeps the bundles")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="these rows, and the config itself")
    parser.add_argument("--list", action="store_true", help="say which rows there are")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a field of the config")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    main()
