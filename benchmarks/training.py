"""Speed of the training step: how much of it is arithmetic that the model needs, and whether it grows with the items.

    python benchmarks/training.py [--data LOG] [--steps 60] [--items 10000 100000 1000000]

First table: examples a second, and the floating-point operations that the model needs for them as a share of what a
large product of matrices reaches on the same cores in the same run (median of ten, half of them before the steps and
half after). Counted is what any implementation has to do: the
encoder's products, attention over items that are there, the dot products with the items that the loss looks at, each
once forward and twice backward; not counted are padding, dropout, exponentials, the optimizer, and reading the batch.

Second table: a step of sampled softmax with ever more items, and the peak memory of a process that trains with them.

Without --data the log is made up: users and items as many as in Amazon Beauty, timelines as long.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from reco_core.config import Gru, JobConfig, Rnn, Transformer, load
from reco_core.config.estimate.parameters import dense_matrices, encoder_matrices
from reco_core.datasets.types import Interactions, LoadReport

USERS, ITEMS, MEAN_LENGTH = 22_363, 12_101, 8.9
_RUNS: tuple[tuple[str, str, int], ...] = (
    ("bow", "full_softmax", 512),
    ("transformer", "full_softmax", 512),
    ("bow", "sampled_softmax", 8192),
    ("gru", "sampled_softmax", 2048),
    ("rnn", "sampled_softmax", 2048),
    ("transformer", "sampled_softmax", 2048),
    ("transformer", "sampled_softmax", 512),
    ("attention only", "sampled_softmax", 2048),
)
_ENCODERS: dict[str, dict[str, Any]] = {"attention only": {"type": "transformer", "smoothing": 0}}


def main() -> None:
    options = _parser().parse_args()
    if options.one:
        print(json.dumps(_one(json.loads(options.one))))
        return
    console = Console()
    runs = [
        {"encoder": encoder, "loss": loss, "batch": batch, "data": options.data, "steps": options.steps}
        for encoder, loss, batch in _RUNS
    ]
    table = Table(title="Steps of training: GFLOP/s that the model needs, beside a product of 2,048 x 2,048 matrices")
    for name in ("encoder", "loss", "a step", "examples/s", "GFLOP/s", "product", "share"):
        table.add_column(name, no_wrap=True)
    for run in runs:
        found = _fresh(run)
        share = found["flops"] / found["peak"]
        table.add_row(
            run["encoder"],
            run["loss"].removesuffix("_softmax"),
            f"{found['positions']:,}",
            f"{found['rate']:,.0f}",
            f"{found['flops'] / 1e9:.1f}",
            f"{found['peak'] / 1e9:.1f}",
            f"{share:.0%}",
        )
    console.print(table)
    flat = Table("items", "ms a step", "peak memory, GB", title="bow, sampled softmax, 512 negatives, 2,048 positions")
    for items in options.items:
        found = _fresh(
            {"encoder": "bow", "loss": "sampled_softmax", "batch": 2048, "items": items, "steps": options.steps}
        )
        flat.add_row(f"{items:,}", f"{found['step'] * 1e3:.1f}", f"{found['memory'] / 1e9:.2f}")
    console.print(flat)


def made_up(users: int = USERS, items: int = ITEMS, seed: int = 0) -> Interactions:
    """A log with short timelines and a long tail of items."""
    random = np.random.default_rng(seed)
    lengths = 5 + random.geometric(1 / (MEAN_LENGTH - 4), users) - 1
    rows = int(lengths.sum())
    rank = np.minimum(items * random.random(rows) ** 3, items - 1).astype(np.int32)
    chosen = random.permutation(items).astype(np.int32)[rank]
    return Interactions(
        users=np.repeat(np.arange(users, dtype=np.int32), lengths),
        items=chosen,
        timestamps=None,
        ratings=None,
        user_ids=tuple(map(str, range(users))),
        item_ids=tuple(map(str, range(items))),
        item_table=None,
        report=LoadReport("made up", {}, False, rows, rows, {}, (), users, items),
    )


def _one(run: dict[str, Any]) -> dict[str, float]:
    """A run in a process of its own."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from reco_core import datasets, examples, model, training
    from reco_core.training.layouts import training_examples
    from reco_core.training.steps import CompiledSteps
    from reco_core.training.updates import Updates

    training.configure()
    config = load(
        {
            "encoder": _ENCODERS.get(run["encoder"], {"type": run["encoder"]}),
            "examples": {"max_history_length": 50},
            "model": {"dropout": 0.2, "item_attribute": None},
            "training": {"loss": run["loss"], "batch_size": run["batch"]},
        }
    )
    if run.get("data"):
        interactions = datasets.load(Path(run["data"]))
    else:
        items = run.get("items", ITEMS)
        interactions = made_up(max(USERS, items // 4), items)
    example_set = examples.generate(config, interactions)
    dual_encoder = model.build(config, example_set.vocabulary, example_set.timelines.features)
    data = training_examples(config, example_set)
    steps = CompiledSteps(config, dual_encoder, Updates(config.training, dual_encoder, data.steps), data)
    order = tf.constant(data.order(0, 0))
    square = tf.constant(np.random.default_rng(0).random((2048, 2048), np.float32))
    products = [_seconds(lambda: tf.matmul(square, square).numpy()) for _ in range(6)][1:]
    done = passes = 0
    while passes * data.steps + done < run["steps"] + 1:
        done += len(steps.run(order, passes * data.steps, done, data.steps))
        if done == data.steps:
            done, passes = 0, passes + 1
    rate = steps.examples_per_second or 0.0
    # before and after the steps, since what a shared machine gives changes within the minute
    products += [_seconds(lambda: tf.matmul(square, square).numpy()) for _ in range(5)]
    return {
        "positions": data.batch_size,
        "rate": rate,
        "step": data.examples_per_step / rate,
        "flops": rate * _needed(config, example_set.vocabulary.size, _mean_context(data)),
        "peak": 2 * 2048**3 / median(products),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _needed(config: JobConfig, items: int, context: float) -> float:
    """Floating-point operations of an example."""
    dim = config.model.embedding_dim
    weights = sum(matrix.weights for matrix in (*encoder_matrices(config), *dense_matrices(config)))
    candidates = items if config.training.loss == "full_softmax" else config.training.negatives + 1
    products = weights + candidates * dim
    if isinstance(config.encoder, Transformer):
        # with the keys, and of the values; a sum by age
        products += (3 if config.encoder.smoothing else 2) * config.encoder.blocks * context * dim
    elif not isinstance(config.encoder, Gru | Rnn):
        products += context * dim / 2  # a sum over the history: an addition each
    return 6 * products


def _mean_context(data: Any) -> float:
    """Items in the history of an example, on average."""
    found = data.gather(data.order(0, 0)[0])
    counted = np.asarray(found.seen).sum(axis=2)[np.asarray(found.weights) > 0]
    return float(counted.mean())


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _fresh(run: dict[str, Any]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--one", json.dumps(run)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a log, as `pocketrec train --data` takes it")
    parser.add_argument("--steps", type=int, default=60, help="steps that are timed")
    parser.add_argument("--items", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
