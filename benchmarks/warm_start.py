"""Training from an earlier version against training from nothing: epochs and seconds to the same validation NDCG@10.

    python benchmarks/warm_start.py [--log movielens-100k grown] [--preset bow] [--seeds 0 1 2] [--rates 1 0.3]

The base is trained on the interactions of the first `--share` of the time, and items that come later are not in its
vocabulary. Then the whole log is trained on twice under one config: with the base's weights, and without.
`movielens-100k` is fetched to where the demo keeps it; `grown` is made here, and three in ten of its items come out
shortly before the cut or after it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from reco_core import config, datasets, examples, model, training
from reco_core.config import JobConfig
from reco_core.datasets import builtin
from reco_core.datasets.types import Interactions, ItemTable, LoadReport
from reco_core.progress import SilentReporter

# Runs are compared by when they reach so much of the cold run's best: the best itself is a matter of luck.
TARGET = 0.99


@dataclass
class Course(SilentReporter):
    """Validation NDCG@10 after each epoch, and when that was."""

    began: float = field(default_factory=time.monotonic)
    ndcg: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """See `Reporter`."""
        del epoch
        self.ndcg.append(metrics["ndcg@10"])
        self.seconds.append(time.monotonic() - self.began)

    def reaches(self, target: float) -> tuple[int, float] | None:
        """The first epoch that is as good as `target`, from 1, and the seconds until its end."""
        found = next((n for n, value in enumerate(self.ndcg) if value >= target), None)
        return None if found is None else (found + 1, self.seconds[found])


def main() -> None:
    options = _parser().parse_args()
    console = Console(width=120)
    training.configure()
    for name in options.log:
        log = _movielens(console) if name == "movielens-100k" else grown()
        table = Table(title=f"{name}, preset {options.preset}, base of the first {options.share:.0%} of the time")
        for heading in ("run", "seeds", "best NDCG@10", f"epochs to {TARGET:.0%} of cold's best", "seconds to it"):
            table.add_column(heading, justify="left" if heading == "run" else "right")
        rows: dict[str, list[tuple[float, tuple[int, float] | None]]] = {}
        for seed in options.seeds:
            for run, row in compare(log, options, seed, console).items():
                rows.setdefault(run, []).append(row)
        for run, found in rows.items():
            reached = [when for _, when in found if when is not None]
            missed = "" if len(reached) == len(found) else f" ({len(found) - len(reached)} never)"
            table.add_row(
                run,
                str(len(found)),
                _spread([best for best, _ in found], 4),
                _spread([epochs for epochs, _ in reached], 1) + missed,
                _spread([seconds for _, seconds in reached], 1),
            )
        console.print(table)


def compare(
    log: Interactions, options: argparse.Namespace, seed: int, console: Console
) -> dict[str, tuple[float, tuple[int, float] | None]]:
    """Best NDCG@10 of each run, and when it was as good as the cold one nearly came to be."""
    changes = {"training": {"max_epochs": options.epochs, "patience": options.epochs}} if options.epochs else {}
    settings = config.load({"preset": options.preset, "seed": seed, **changes})
    with tempfile.TemporaryDirectory(prefix="pocketrec-bench-") as folder:
        earlier = before(log, options.share)
        _train(settings, earlier, Path(folder) / "base")
        runs = {"cold": _train(settings, log, Path(folder) / "cold")}
        for rate in options.rates:
            step = settings.training.learning_rate * rate
            slower = settings.model_copy(
                update={"training": settings.training.model_copy(update={"learning_rate": step})}
            )
            base = Path(folder) / "base"
            name = "warm" if rate == 1 else f"warm, learning rate times {rate:g}"
            runs[name] = _train(slower, log, Path(folder) / f"warm-{rate}", base)
    new = len(log.item_ids) - len(earlier.item_ids)
    console.print(f"seed {seed}: {len(earlier.item_ids):,} items in the base, {new:,} new")
    for name, course in runs.items():
        console.print(f"  {name}: " + " ".join(f"{value:.4f}" for value in course.ndcg))
    target = TARGET * max(runs["cold"].ndcg)
    return {name: (max(course.ndcg), course.reaches(target)) for name, course in runs.items()}


def before(log: Interactions, share: float) -> Interactions:
    """The interactions of the first `share` of them by time, with the items and users that are in these."""
    if log.timestamps is None:
        raise ValueError("a log with times is needed")
    rows = np.sort(np.argsort(log.timestamps, kind="stable")[: round(share * len(log))])
    users, user_codes = np.unique(log.users[rows], return_inverse=True)
    items, item_codes = np.unique(log.items[rows], return_inverse=True)
    table = log.item_table
    return replace(
        log,
        users=user_codes.astype(np.int32),
        items=item_codes.astype(np.int32),
        timestamps=log.timestamps[rows],
        ratings=None if log.ratings is None else log.ratings[rows],
        user_ids=tuple(log.user_ids[code] for code in users),
        item_ids=tuple(log.item_ids[code] for code in items),
        item_table=table
        and ItemTable(
            tuple(table.titles[code] for code in items),
            table.attribute_name,
            tuple(table.attributes[code] for code in items),
        ),
        row_features=pl.DataFrame(),
        user_features=pl.DataFrame(),
        item_features=pl.DataFrame(),
    )


def grown(users: int = 3000, items: int = 2000, seed: int = 0) -> Interactions:
    """Walks along a hidden circle of items, seven in ten of which are there from the beginning."""
    random = np.random.default_rng(seed)
    chance = 1 / (10 + np.arange(items)) ** 0.9
    out = np.where(random.random(items) < 0.7, 0.0, random.uniform(0.6, 1.0, items))  # when an item comes out
    follower = np.roll(np.arange(items), -1)[np.argsort(random.permutation(items))]
    rows = []
    for user in range(users):
        moment = float(random.random())
        there = np.flatnonzero(out <= moment)
        weights = chance[there] / chance[there].sum()
        seen: list[int] = []
        for step in range(int(random.integers(8, 20))):
            item = int(follower[seen[-1]]) if seen and random.random() < 0.6 else -1
            while item < 0 or item in seen or out[item] > moment:
                item = int(random.choice(there, p=weights))
            seen.append(item)
            rows.append((user, item, round(moment * 1e8) + step))
    columns = np.array(rows)
    return Interactions(
        users=columns[:, 0].astype(np.int32),
        items=columns[:, 1].astype(np.int32),
        timestamps=columns[:, 2],
        ratings=None,
        user_ids=tuple(f"u{user}" for user in range(users)),
        item_ids=tuple(f"item-{item:04d}" for item in range(items)),
        item_table=None,
        report=LoadReport("csv", {}, False, len(rows), len(rows), {}, (), users, items),
    )


def _train(settings: JobConfig, log: Interactions, work: Path, base: Path | None = None) -> Course:
    prepared = examples.prepare(settings, log)
    vocabulary = prepared.example_set.vocabulary
    settings = settings.model_copy(update={"features": prepared.example_set.features})
    encoder = model.build(settings, vocabulary, prepared.example_set.timelines.features)
    if base is not None:
        training.carry_over(encoder, vocabulary, training.read_base(base), settings.evaluation)
    course = Course()
    training.train(
        settings,
        encoder,
        prepared.example_set,
        checkpoints=work / "checkpoints",
        identity="benchmark",
        weights=training.WeightsFolder(work / "weights", settings, prepared.data_hash, vocabulary.item_ids),
        reporter=course,
    )
    return course


def _movielens(console: Console) -> Interactions:
    return datasets.load(builtin.fetch("movielens-100k", Path("pocketrec-demo/downloads"), report=console.print))


def _spread(values: list[float], digits: int) -> str:
    if not values:
        return "-"
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", nargs="+", choices=("movielens-100k", "grown"), default=["movielens-100k", "grown"])
    parser.add_argument("--preset", default="bow")
    parser.add_argument("--epochs", type=int, help="no early stopping, but so many epochs; by default as the preset")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--share", type=float, default=0.8)
    parser.add_argument("--rates", type=float, nargs="+", default=[1.0], help="factors of the learning rate when warm")
    return parser


if __name__ == "__main__":
    main()
