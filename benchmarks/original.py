"""Beside TensorFlow's on-device recommendation example: as fast, as large, as accurate?

    python benchmarks/original.py [--data ml-100k.zip] [--passes 12] [--seed S] [--out runs] [--only ...] [--kinds ...]

Its three encoders with its dimensions, on MovieLens-100K, under its own protocol: pairs split at random, ten movies of
history, ids alone, nothing left out of the lists. Without --data the log comes from where the demo keeps it; with
another log the original's figures don't compare. Tables: `same`, its architecture trained here over as many passes;
`sequences`, the same trained on whole sequences, which is many times cheaper; `neighbours`, with what else goes into no
more bytes. Each training is a fresh process, as by benchmarks/seeds.py; what is in --out already is read, not trained
again. --json prints the figures.

A tenth of the training pairs is taken out for validation, so a pass is a tenth shorter than the original's, and the
best pass ships; the pairs under test are a tenth of all, as there.

Run nothing beside it: half of it is about speed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import seeds
from rich.console import Console
from rich.table import Table

from reco_core.datasets import builtin

LEAST_SPEED = 20  # times its examples a second
LEAST_RECALL = 2.5  # times its Recall@10, at no more bytes
RECALL = "Global_Recall/Recall_10"
DIMENSIONS = 64
ITEMS_OF_SIZES = 12_000  # that the files had whose bytes are below


@dataclass(frozen=True)
class Original:
    """One of its encoders: the config with its dimensions, and what was measured of its own code.

    Measured with batches of 32, learning rate .01, 12 passes over MovieLens-100K, on two cores. Its files are float32.
    Their sizes come to two tables of items with 64 columns, the encoder as it stands here, a projection and 21 kB.
    """

    encoder: Mapping[str, Any]
    recall: float
    bytes: int  # of a file with ITEMS_OF_SIZES items
    examples_per_second: int | None  # None: not measured

    def bytes_for(self, items: int) -> int:
        """Of a file with so many items: two rows more or less for each."""
        return self.bytes + 2 * 4 * DIMENSIONS * (items - ITEMS_OF_SIZES)


ORIGINALS = {
    "bow": Original({"type": "bow"}, 0.047, 6_182_000, 5200),
    "cnn": Original({"type": "cnn", "num_filter_ratios": [1, 2], "kernel_size": 4}, 0.057, 6_396_000, None),
    "rnn": Original({"type": "rnn", "num_units": 64}, 0.054, 6_314_000, 2900),
}
# name -> (what it says, fields that differ from the first's)
KINDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "same": ("Its architecture, trained here on windows of ten, as there", {}),
    # pieces of up to 20, so that histories in training are as long as the file's on the average
    "sequences": (
        "The same, trained on whole sequences (not cnn)",
        {"training.examples": "sequences", "examples.max_history_length": 20, "export.history_length": 10},
    ),
    "neighbours": (
        "With 32 followers of each item beside it, which its bytes leave room for",
        {"model.neighbours": {"followers": 32}},
    ),
}


def main() -> None:
    """Train, then print."""
    options = _parser().parse_args()
    console = Console(width=150)
    data = options.data or builtin.fetch("movielens-100k", Path("pocketrec-demo/downloads"), report=console.print)
    options.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    for kind in options.kinds:
        for name in options.only:
            if kind == "sequences" and name == "cnn":
                continue  # its maximum over time is one for each example
            print(f"{name}, {kind} ...", file=sys.stderr, flush=True)
            wanted = seeds.changed(document(name, options.passes), KINDS[kind][1])
            one = seeds.run(wanted, data, options.seed, options.out / f"{name}-{kind}-{options.passes}")
            found.setdefault(kind, {})[name] = figures(ORIGINALS[name], one["report"], one["measurements"])
    if options.json:
        print(json.dumps({"seed": options.seed, "passes": options.passes, **found}, indent=1))
        return
    for kind, runs in found.items():
        console.print(table(runs, f"{KINDS[kind][0]}: {options.passes} passes, seed {options.seed}"))
    console.print(f"Wanted: {LEAST_SPEED} times its examples a second, {LEAST_RECALL} times its Recall@10.")


def document(encoder: str, passes: int) -> dict[str, Any]:
    """The config: its dimensions and data, what is otherwise ours."""
    return {
        "encoder": dict(ORIGINALS[encoder].encoder),
        "repeats": True,
        "examples": {"max_history_length": 10, "min_timeline_length": 3, "train_data_fraction": 0.9},
        "model": {"embedding_dim": DIMENSIONS, "hidden_layers": [], "item_attribute": None},
        "training": {"max_epochs": passes, "patience": passes},
        "evaluation": {"protocol": "reference", "baselines": []},
    }


def figures(original: Original, report: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`{what: {ours, original, ratio}}`; of bytes the ratio should be below one, of the rest far above."""
    name = report["default_variant"]
    pairs = {
        "examples_per_second": (measured["training"]["examples_per_second"], original.examples_per_second),
        "bytes": (report["variants"][name]["bytes"], original.bytes_for(report["candidates"]["items"])),
        "recall@10": (report["original_metrics"]["values"][RECALL], original.recall),
    }
    found: dict[str, dict[str, Any]] = {
        key: {"ours": ours, "original": theirs, "ratio": ours / theirs if ours and theirs else None}
        for key, (ours, theirs) in pairs.items()
    }
    trained = report["training"]
    return {
        **found,
        "training": {
            "file": name,
            "best_epoch": trained["best_epoch"],
            "examples_seen": trained["epochs"] * trained["examples"],
            "seconds": measured["phases"]["train"]["seconds"],
        },
    }


def table(runs: Mapping[str, Mapping[str, Mapping[str, Any]]], title: str) -> Table:
    """Ours, the original's figure, and how many times that."""
    shown = Table("", title=title)
    for heading in ("examples/s", "its", "", "bytes", "its", "", "Recall@10", "its", "", "best pass", "train s"):
        shown.add_column(heading, justify="right")
    forms = {"examples_per_second": ",.0f", "bytes": ",.0f", "recall@10": ".4f"}
    for name, run in runs.items():
        cells = []
        for key, form in forms.items():
            values = [run[key][side] for side in ("ours", "original")]
            cells += ["-" if value is None else f"{value:{form}}" for value in values]
            ratio = run[key]["ratio"]
            cells.append("" if ratio is None else f"{ratio:.2f}x")
        about = run["training"]
        shown.add_row(f"{name} ({about['file']})", *cells, str(about["best_epoch"]), f"{about['seconds']:.1f}")
    return shown


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="another log than MovieLens-100K, or where that lies already")
    parser.add_argument("--passes", type=int, default=12, help="over the training examples")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("pocketrec-original"), help="folder that keeps the bundles")
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=list(KINDS), help="tables to make")
    parser.add_argument("--only", nargs="+", choices=tuple(ORIGINALS), default=list(ORIGINALS))
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    main()
