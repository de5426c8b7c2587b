"""Estimates beside what then happens: examples, vocabulary, bytes, peak memory and seconds of ten configs.

    python benchmarks/estimates.py [--only bow rnn ...] [--cache DIR]

MovieLens-100K is taken from where the demo keeps it; the other logs are made up. Each run is a fresh process, so that
times and memory are those of a whole job. The estimate gets the epochs that really ran: how many early stopping lets
run is the log's affair, and shown by `--epochs`, which trains the presets with 30 epochs allowed.

Exit status 1 if a figure is off by more than a factor of two, a count at all, or a size by more than 5%.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from reco_core import config, datasets
from reco_core.config.estimate import estimate, workload
from reco_core.datasets import builtin

FACTOR = 2.0
SIZE = 1.05


@dataclass(frozen=True)
class Case:
    """A log and a config document."""

    log: str
    document: dict[str, Any]


def epochs(count: int, **more: Any) -> dict[str, Any]:
    return {"max_epochs": count, "patience": count, **more}


CASES = {
    "bow": Case("movielens-100k", {"preset": "bow", "training": epochs(5)}),
    "cnn": Case("movielens-100k", {"preset": "cnn", "training": epochs(4)}),
    "rnn": Case("movielens-100k", {"preset": "rnn", "training": epochs(4)}),
    "rnn, wide": Case(
        "movielens-100k",
        {
            "encoder": {"type": "rnn", "num_units": 128},
            "model": {"embedding_dim": 128},
            "examples": {"max_history_length": 20, "min_rating": 4},
            "training": epochs(2, batch_size=256),
        },
    ),
    "rnn, loop": Case(
        "movielens-100k",
        {
            "encoder": {"type": "rnn", "num_units": 32},
            "model": {"embedding_dim": 32, "item_attribute": None},
            "examples": {"max_history_length": 60, "min_timeline_length": 100},
            "training": epochs(1),
        },
    ),
    "cnn, long": Case(
        "movielens-100k",
        {
            "encoder": {"type": "cnn", "num_filter_ratios": [2, 1], "kernel_size": 5},
            "model": {"embedding_dim": 32},
            "examples": {"max_history_length": 50},
            "training": epochs(2),
        },
    ),
    "bow, reference": Case(
        "movielens-100k",
        {
            "encoder": {"type": "bow"},
            "model": {"embedding_dim": 128, "item_attribute": None},
            "training": epochs(2, batch_size=128),
            "evaluation": {"protocol": "reference"},
        },
    ),
    "20,000 items": Case("large", {"encoder": {"type": "bow"}, "model": {"embedding_dim": 32}, "training": epochs(2)}),
    "repeats": Case(
        "repeating",
        {
            "encoder": {"type": "bow"},
            "repeats": True,
            "model": {"embedding_dim": 16, "hidden_layers": [128]},
            "examples": {"max_history_length": 30},
            "training": epochs(3, batch_size=1024),
            "export": {"variants": ["float16"], "exclude_ids": 20},
        },
    ),
    "tiny": Case(
        "tiny",
        {
            "encoder": {"type": "rnn", "num_units": 16},
            "model": {"embedding_dim": 16},
            "examples": {"max_history_length": 5},
            "training": epochs(5),
        },
    ),
}


@dataclass(frozen=True)
class Figure:
    """One figure, estimated and measured; `most` is the largest ratio between them that is still right."""

    name: str
    estimated: float
    measured: float
    most: float

    @property
    def ratio(self) -> float:
        return self.estimated / self.measured if self.measured else float("nan")

    @property
    def right(self) -> bool:
        return self.estimated == self.measured or 1 / self.most <= self.ratio <= self.most


def main() -> int:
    options = _parser().parse_args()
    console = Console(width=120)
    wrong = 0
    busy = os.getloadavg()[0]
    if busy > 1:
        console.print(
            f"this machine is busy already (load {busy:.1f}), so what is measured in seconds will be too long"
        )
    with tempfile.TemporaryDirectory(prefix="pocketrec-estimates-") as folder:
        logs = Logs(Path(folder), options.cache, console.print)
        for name in options.only or CASES:
            before = processor_seconds()
            figures = run(CASES[name], logs, Path(folder) / name.replace(" ", "-"))
            console.print(table(f"{name} ({processor_seconds() - before:.1f} s of processor time)", figures))
            wrong += sum(not figure.right for figure in figures)
        if options.epochs:
            console.print(epochs_table(logs, Path(folder)))
    verdict = (
        f"{wrong} figures are off" if wrong else f"all within a factor of {FACTOR:g}, sizes within 5%, counts exact"
    )
    console.print(verdict)
    return 1 if wrong else 0


class Logs:
    """The logs by name, made or fetched once, with their statistics."""

    def __init__(self, folder: Path, cache: Path, report: Callable[[str], None]) -> None:
        self._folder = folder
        self._cache = cache
        self._report = report
        self._statistics: dict[str, dict[str, Any]] = {}

    def path(self, name: str) -> Path:
        if name == "movielens-100k":
            return builtin.fetch(name, self._cache, report=self._report)
        path = self._folder / f"{name}.csv"
        if not path.exists():
            users, items, mean = {"large": (5000, 20_000, 40), "repeating": (4000, 300, 50), "tiny": (120, 60, 12)}[
                name
            ]
            write_log(path, users, items, mean, again=name == "repeating")
        return path

    def statistics(self, name: str) -> dict[str, Any]:
        if name not in self._statistics:
            self._statistics[name] = datasets.log_statistics(datasets.load(self.path(name)))
        return self._statistics[name]


def write_log(path: Path, users: int, items: int, mean: float, *, again: bool) -> None:
    """A log of zipf-distributed items; every item occurs, and users come to the same one more than once if `again`."""
    random = np.random.default_rng(0)
    weights = 1 / np.arange(1, items + 1) ** 0.8
    weights /= weights.sum()
    lines = ["user,item,timestamp\n"] + [f"x{item % 50},{item},{item}\n" for item in range(items)]
    for user in range(users):
        length = min(items, int(random.geometric(1 / mean)) + 3)
        chosen = random.choice(items, length, p=weights, replace=again)
        lines += [f"{user},{item},{items + step}\n" for step, item in enumerate(chosen)]
    path.write_text("".join(lines), encoding="utf-8")


def run(case: Case, logs: Logs, out: Path) -> list[Figure]:
    """Estimate, run the pipeline, compare."""
    log, statistics = logs.path(case.log), logs.statistics(case.log)
    wanted = config.load(case.document)
    work = workload(wanted, {"statistics": statistics})
    assert work is not None
    expected = estimate(wanted, work)
    seconds, report, measured, bundle = pipeline(log, case.document, out)
    counts, phases = report["data"], measured["phases"]
    train = expected.phases["train"].expected
    figures = [
        Figure(f"{split} examples", getattr(work, split), counts[f"{key}_examples"], 1.0)
        for split, key in (("train", "training"), ("validation", "validation"), ("test", "test"))
    ]
    figures.append(Figure("vocabulary", work.vocabulary, counts["items"], 1.0))
    figures += [
        Figure(f"{name} bytes", expected.variants[name], entry["bytes"], SIZE)  # type: ignore[index]
        for name, entry in report["variants"].items()
    ]
    figures += [
        Figure("bundle bytes", expected.bundle_bytes, bundle, FACTOR),
        Figure("peak memory MB", expected.memory_bytes / 1e6, measured["peak_memory_bytes"] / 1e6, FACTOR),
        Figure("seconds of training", train, phases["train"]["seconds"], FACTOR),
        Figure("seconds of the rest", expected.total.expected - train, seconds - phases["train"]["seconds"], FACTOR),
        Figure("seconds in all", expected.total.expected, seconds, FACTOR),
    ]
    return figures


def pipeline(log: Path, document: dict[str, Any], out: Path) -> tuple[float, dict[str, Any], dict[str, Any], int]:
    """Seconds, report, measurements and size of the bundle of a whole run in a process of its own."""
    settings, work = out.with_suffix(".json"), out.with_suffix(".work")
    settings.write_text(json.dumps(document), encoding="utf-8")
    command = [sys.executable, "-m", "reco_core", "run", "--data", str(log), "--config", str(settings)]
    began = time.perf_counter()
    done = subprocess.run([*command, "--out", str(out), "--work", str(work)], capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"the run failed: {done.stderr[-2000:]}")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    measured = json.loads((work / "measurements.json").read_text(encoding="utf-8"))
    return seconds, report, measured, sum(file.stat().st_size for file in out.rglob("*") if file.is_file())


def processor_seconds() -> float:
    """Of all runs so far. Where a machine has other work, judge times by these: two cores halve them at best."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(name: str, figures: list[Figure]) -> Table:
    shown = Table("", "estimated", "measured", "ratio", "", title=name, title_justify="left")
    for figure in figures:
        digits = 1 if "seconds" in figure.name else 0
        numbers = [f"{value:,.{digits}f}" for value in (figure.estimated, figure.measured)]
        shown.add_row(figure.name, *numbers, f"{figure.ratio:.2f}", "" if figure.right else "OFF")
    for column in shown.columns[1:4]:
        column.justify = "right"
    return shown


def epochs_table(logs: Logs, folder: Path) -> Table:
    """Where early stopping ends each preset."""
    shown = Table("preset", "expected epochs", "trained", "best", title="30 epochs allowed", title_justify="left")
    for preset in ("bow", "cnn", "rnn"):
        document = {"preset": preset, "training": {"max_epochs": 30}}
        wanted = config.load(document)
        work = workload(wanted, {"statistics": logs.statistics("movielens-100k")})
        assert work is not None
        _, report, _, _ = pipeline(logs.path("movielens-100k"), document, folder / f"epochs-{preset}")
        trained = report["training"]
        shown.add_row(preset, str(estimate(wanted, work).epochs), str(trained["epochs"]), str(trained["best_epoch"]))
    return shown


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--epochs", action="store_true", help="also train the presets until early stopping ends them")
    parser.add_argument("--cache", type=Path, default=Path("pocketrec-demo/downloads"), help="where downloads are kept")
    return parser


if __name__ == "__main__":
    sys.exit(main())
