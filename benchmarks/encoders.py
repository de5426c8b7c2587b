"""Accuracy, size, speed and time of each preset on one log, side by side.

    python benchmarks/encoders.py [--data ml-100k.zip] [--presets bow cnn rnn] [--seeds 0 1 2]

Without --data it takes MovieLens-100K, from where the demo keeps it.

Each run is a fresh process, `python -m reco_core run`, so that times include everything but the installation.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from reco_core.datasets import builtin

# Measured on two cores with the original toolkit's code, MovieLens-100K, batch 32.
ORIGINAL_EXAMPLES_PER_SECOND = {"bow": 5200, "rnn": 2900}


def main() -> None:
    options = _parser().parse_args()
    console = Console()
    data = options.data or builtin.fetch("movielens-100k", Path("pocketrec-demo/downloads"), report=console.print)
    runs: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="pocketrec-bench-") as folder:
        for preset in options.presets:
            for seed in options.seeds:
                console.print(f"running {preset}, seed {seed} ...")
                runs.setdefault(preset, []).append(run(data, preset, seed, Path(folder) / f"{preset}-{seed}"))
    console.print(accuracy_table(runs))
    console.print(variant_table(runs))
    console.print(phase_table(runs))


def run(data: Path, preset: str, seed: int, out: Path) -> dict[str, Any]:
    """One training run: its report, its measurements, its wall time."""
    config = out.with_suffix(".json")
    config.write_text(json.dumps({"preset": preset, "seed": seed}), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "reco_core",
        "run",
        "--data",
        str(data),
        "--config",
        str(config),
        "--out",
        str(out),
    ]
    began = time.perf_counter()
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        why = done.stderr.strip().splitlines() or ["it said nothing"]
        sys.exit(f"{preset}, seed {seed} ended with status {done.returncode}: {why[-1]}")
    return {
        "seconds": time.perf_counter() - began,
        "report": json.loads((out / "report.json").read_text(encoding="utf-8")),
        "measurements": json.loads((out.with_name(out.name + ".work") / "measurements.json").read_text("utf-8")),
    }


def accuracy_table(runs: dict[str, list[dict[str, Any]]]) -> Table:
    table = Table("model", "HR@10", "NDCG@10", "epochs", "examples/s", "original's", title="Test, means over the seeds")
    first = next(iter(runs.values()))[0]["report"]
    for name, baseline in first["baselines"].items():
        table.add_row(name, f"{baseline['recall@10']['value']:.4f}", f"{baseline['ndcg@10']['value']:.4f}", "", "", "")
    for preset, results in runs.items():
        rates = [result["measurements"]["training"]["examples_per_second"] for result in results]
        original = ORIGINAL_EXAMPLES_PER_SECOND.get(preset)
        table.add_row(
            preset,
            _mean(results, "recall@10"),
            _mean(results, "ndcg@10"),
            f"{mean(result['report']['training']['epochs'] for result in results):.1f}",
            f"{mean(rates):,.0f}",
            "" if original is None else f"{original:,} ({mean(rates) / original:.0f}x)",
        )
    return table


def variant_table(runs: dict[str, list[dict[str, Any]]]) -> Table:
    table = Table("model", "variant", "bytes", "HR@10", "NDCG@10", "overlap", "latency ms", title="Files, first seed")
    for preset, results in runs.items():
        latency = results[0]["measurements"]["variants"]
        for name, variant in results[0]["report"]["variants"].items():
            table.add_row(
                preset,
                name,
                f"{variant['bytes']:,}",
                f"{variant['recall@10']:.4f}",
                f"{variant['ndcg@10']:.4f}",
                f"{variant['overlap@10']:.4f}",
                f"{latency[name]['latency_ms']:.3f}",
            )
    return table


def phase_table(runs: dict[str, list[dict[str, Any]]]) -> Table:
    phases = list(next(iter(runs.values()))[0]["measurements"]["phases"])
    table = Table("model", *phases, "whole process", "peak MB", title="Seconds per phase, first seed")
    for preset, results in runs.items():
        measured = results[0]["measurements"]
        seconds = [f"{measured['phases'][phase]['seconds']:.1f}" for phase in phases]
        table.add_row(preset, *seconds, f"{results[0]['seconds']:.1f}", f"{measured['peak_memory_bytes'] / 1e6:.0f}")
    return table


def _mean(results: list[dict[str, Any]], metric: str) -> str:
    values = [result["report"]["test"][metric]["value"] for result in results]
    spread = f" ({min(values):.4f}-{max(values):.4f})" if len(values) > 1 else ""
    return f"{mean(values):.4f}{spread}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="file, folder or zip")
    parser.add_argument("--presets", nargs="+", default=["bow", "cnn", "rnn"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    return parser


if __name__ == "__main__":
    main()
