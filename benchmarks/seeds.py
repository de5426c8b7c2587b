"""One config trained with several seeds: means and spreads, beside every baseline.

    python benchmarks/seeds.py --config configs/rnn.yaml --data ml-100k.zip --seeds 3 [--out runs] [--set KEY=VALUE]

Each seed is a fresh process, `python -m reco_core run`, so that seconds include everything but the installation; run
nothing beside it. Bundles and their work folders stay in --out as seed-0, seed-1, ...; a seed whose bundle is there
already is read, not trained again, so that a broken-off run goes on and further seeds can be added. Then

    pocketrec model compare --a runs/seed-0,runs/seed-1,runs/seed-2 --b others/seed-0,others/seed-1,others/seed-2

compares two configs, seeds averaged user by user. --json prints the figures of the tables as JSON.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from reco_core.comparing import find_ranks
from reco_core.config import load_file

SHOWN = ("recall@10", "ndcg@10")


def main() -> None:
    """Train, then print."""
    options = _parser().parse_args()
    document = read_document(options.config, options.set)
    options.out.mkdir(parents=True, exist_ok=True)
    runs = []
    for seed in range(options.first, options.first + options.seeds):
        print(f"seed {seed} ...", file=sys.stderr, flush=True)
        runs.append(run(document, options.data, seed, options.out / f"seed-{seed}"))
    found = summary(runs)
    if options.json:
        print(json.dumps(found, indent=1))
        return
    console = Console()
    console.print(accuracy_table(found, options.config.name))
    console.print(cost_table(found))
    console.print(f"Bundles: {', '.join(str(one['bundle']) for one in runs)}", soft_wrap=True)


def run(document: Mapping[str, Any], data: Path, seed: int, out: Path) -> dict[str, Any]:
    """One training, or what an earlier one with the same config has left: report, measurements, wall time."""
    work = out.with_name(out.name + ".work")
    took = work / "seconds.json"
    work.mkdir(exist_ok=True)
    config = work / "config.json"
    text = json.dumps({**document, "seed": seed}, indent=1)
    if out.exists():
        if not config.is_file() or config.read_text(encoding="utf-8") != text:
            sys.exit(f"{out} holds a bundle of another config; remove it, or name another folder with --out")
    else:
        config.write_text(text, encoding="utf-8")
        command = ["-m", "reco_core", "run", "--data", str(data), "--config", str(config), "--out", str(out)]
        began = time.perf_counter()
        with (work / "run.log").open("w", encoding="utf-8") as log:
            done = subprocess.run(
                [sys.executable, *command], check=False, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if done.returncode:
            sys.exit(f"{out.name} ended with status {done.returncode}; {work / 'run.log'} says why")
        took.write_text(json.dumps(time.perf_counter() - began), encoding="utf-8")
    find_ranks(out)  # what comparisons need
    return {
        "bundle": out,
        "seconds": _read(took) if took.is_file() else None,
        "report": _read(out / "report.json"),
        "measurements": _read(work / "measurements.json"),
    }


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Every figure of the tables: `{mean, spread, values}`, the spread being the seeds' standard deviation."""
    first = runs[0]["report"]
    name = first["default_variant"]

    def over(*path: str) -> dict[str, Any] | None:
        values = [value for value in (_at(run, path) for run in runs) if value is not None]
        if not values:
            return None
        return {"mean": mean(values), "spread": stdev(values) if len(values) > 1 else None, "values": values}

    def metrics(*path: str) -> dict[str, Any]:
        return {key: over("report", *path, key, "value") for key in SHOWN}

    return {
        "seeds": len(runs),
        "protocol": first["protocol"],
        "file": name,
        "test": metrics("test"),
        "validation": metrics("validation"),
        "baselines": {baseline: metrics("baselines", baseline) for baseline in first["baselines"]},
        "baselines_left_out": first.get("baselines_left_out", {}),
        # how many of the seeds lose to a baseline on either metric, by its own paired comparison
        "lost": {
            baseline: sum(
                any(found["verdict"] == "worse" for found in run["report"]["comparison"][baseline].values())
                for run in runs
            )
            for baseline in first["baselines"]
        },
        "bytes": over("report", "variants", name, "bytes"),
        "latency_ms": over("measurements", "variants", name, "latency_ms"),
        "training_seconds": over("measurements", "phases", "train", "seconds"),
        "seconds": over("seconds"),
        "epochs": over("report", "training", "epochs"),
        "examples_per_second": over("measurements", "training", "examples_per_second"),
        "peak_memory_bytes": over("measurements", "peak_memory_bytes"),
    }


def _at(document: Any, path: Sequence[str]) -> float | None:
    for key in path:
        document = document[key]
    return None if document is None else float(document)


def accuracy_table(found: Mapping[str, Any], name: str) -> Table:
    """The model beside its baselines, on test."""
    title = f"Test, {found['protocol']}, {found['seeds']} seeds: mean ± standard deviation"
    table = Table("", "HR@10", "NDCG@10", "seeds that lose to it", title=title)
    for baseline, figures in found["baselines"].items():
        cells = [f"{figures[key]['mean']:.4f}" for key in SHOWN]
        table.add_row(baseline, *cells, str(found["lost"][baseline] or "none"))
    for baseline, why in found["baselines_left_out"].items():
        table.add_row(baseline, "left out", why, "")
    table.add_row(f"{name} ({found['file']})", *(_spread(found["test"][key], ".4f") for key in SHOWN), "")
    table.add_row("  on validation", *(_spread(found["validation"][key], ".4f") for key in SHOWN), "")
    return table


def cost_table(found: Mapping[str, Any]) -> Table:
    """What the model takes of a phone and of the machine that trains it."""
    table = Table("", "mean ± standard deviation", title="Costs")
    for key, name, form in (
        ("bytes", "bytes of the file", ",.0f"),
        ("latency_ms", "latency of a call, ms", ".3f"),
        ("training_seconds", "training, s", ".1f"),
        ("seconds", "whole run, s", ".1f"),
        ("epochs", "epochs", ".1f"),
        ("examples_per_second", "examples a second", ",.0f"),
        ("peak_memory_bytes", "peak memory, bytes", ",.0f"),
    ):
        table.add_row(name, _spread(found[key], form))
    return table


def _spread(found: Mapping[str, Any] | None, form: str) -> str:
    if found is None:
        return "not measured"
    return f"{found['mean']:{form}}" + (f" ± {found['spread']:{form}}" if found["spread"] else "")


def read_document(config: Path, changes: Sequence[str]) -> dict[str, Any]:
    """The file's document with `section.field=value` put in, a seed taken out; checked as a run would check it."""
    load_file(config)
    document: dict[str, Any] = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    document.pop("seed", None)
    wanted = {}
    for change in changes:
        place, equals, value = change.partition("=")
        if not equals:
            sys.exit(f"--set {change}: expected FIELD=VALUE, such as training.max_epochs=20")
        wanted[place] = yaml.safe_load(value)
    return changed(document, wanted)


def changed(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the document with `{"section.field": value}` put in."""
    found = copy.deepcopy(dict(document))
    for place, value in changes.items():
        *sections, field = place.split(".")
        inside = found
        for section in sections:
            inside = inside.setdefault(section, {})
        inside[field] = value
    return found


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="config file, JSON or YAML")
    parser.add_argument("--data", type=Path, required=True, help="file, folder or zip")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--out", type=Path, default=Path("pocketrec-seeds"), help="folder that keeps the bundles")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a field of the config")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    main()
