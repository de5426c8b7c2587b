"""What the trainer does for each type of job that runs the pipeline or a part of it.

Each gets its order (`job.json`), the attempt's folder, whom to report to, and an event that is set when it is to stop.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from reco_core.errors import CheckpointMismatch, ExamplesUnreadable
from reco_core.progress import JsonLinesReporter

if TYPE_CHECKING:
    from reco_core.config import JobConfig
    from reco_core.datasets.types import Interactions
    from reco_core.examples import Prepared

    Log = Callable[[], Interactions]  # reads the dataset

_ITEM_KEYS = ("id", "title", "attributes")


def train(order: Mapping[str, Any], folder: Path, reporter: JsonLinesReporter, stop: Event) -> None:
    """The whole pipeline: `outputs/bundle`, `bundle.zip`, and what stands beside it."""
    from reco_core import config, pipeline
    from reco_core.bundle import zip_bundle

    outputs = folder / "outputs"
    job_config, base = config.load_whole(order["config"]), order.get("base")
    log = cache(partial(_interactions, folder))  # read where it is needed, and once
    prepared = _prepared(order, folder, job_config, reporter, log)
    if job_config.examples.tfrecord is not None:
        _write_examples(job_config, log, outputs / "examples", reporter, stop)
    del log  # training needs the memory

    def attempt(resume_from: Path | None) -> None:
        pipeline.run(
            job_config,
            prepared,
            outputs / "bundle",
            work=outputs,
            resume_from=resume_from,
            base=None if base is None else _base_weights(order, folder),
            base_version=None if base is None else f"{base['model']}@{base['version']}",
            reporter=reporter,
            should_stop=stop.is_set,
        )

    checkpoint = folder / "inputs" / "checkpoint.npz"
    try:
        attempt(checkpoint if checkpoint.exists() else None)
    except CheckpointMismatch as error:
        # Written by another version of this software: an upgrade in mid-job must cost time, not the job. It has to go,
        # or it would stay the furthest one, and what this attempt keeps would be forgotten each time.
        reporter.emit("started_over", reason=error.message[:2000])
        attempt(None)
    zip_bundle(outputs / "bundle", outputs / "bundle.zip")
    reporter.result(outputs / "bundle")


def export(order: Mapping[str, Any], folder: Path, reporter: JsonLinesReporter, stop: Event) -> None:
    """A bundle of weights that another job has trained; the same files as `train` leaves, but for the curves."""
    from reco_core import config, pipeline
    from reco_core.bundle import zip_bundle

    if order["base"].get("new_items"):
        _add_items(order, folder, reporter, stop)
        return
    outputs = folder / "outputs"
    job_config = config.load_whole(order["config"])
    weights = _base_weights(order, folder)
    pipeline.export_again(
        weights,
        _prepared(order, folder, job_config, reporter, partial(_interactions, folder)),
        outputs / "bundle",
        work=outputs,
        changes=_picked(job_config, config.EXPORT_CHANGES),
        reporter=reporter,
        should_stop=stop.is_set,
    )
    # The version can be exported again in its turn: `best` is what its files are made of.
    (outputs / "weights").mkdir(exist_ok=True)
    shutil.copyfile(weights, outputs / "weights" / "best.npz")
    zip_bundle(outputs / "bundle", outputs / "bundle.zip")
    reporter.result(outputs / "bundle")


def _add_items(order: Mapping[str, Any], folder: Path, reporter: JsonLinesReporter, stop: Event) -> None:
    """The same with a longer item table; `outputs/weights/best.npz` knows the new items too."""
    from reco_core import config
    from reco_core.adding import add_items
    from reco_core.bundle import zip_bundle

    outputs, base = folder / "outputs", order["base"]
    job_config = config.load_whole(order["config"])
    table = folder / "inputs" / "new_items.jsonl"
    rows = ({**item["features"], **{key: item[key] for key in _ITEM_KEYS}} for item in base["new_items"])
    table.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    add_items(
        _base_weights(order, folder),
        folder / "inputs" / "base",
        table,
        outputs / "bundle",
        work=outputs,
        source=_prepared(order, folder, job_config, reporter, partial(_interactions, folder)),
        changes=_picked(job_config, config.EXPORT_CHANGES),
        skip_existing=base["skip_existing"],
        version=f"{base['model']}@{base['version']}",
        reporter=reporter,
        should_stop=stop.is_set,
    )
    zip_bundle(outputs / "bundle", outputs / "bundle.zip")
    reporter.result(outputs / "bundle")


def evaluate(order: Mapping[str, Any], folder: Path, reporter: JsonLinesReporter, stop: Event) -> None:
    """The report of a bundle on a dataset."""
    from reco_core import config
    from reco_core.evaluating import evaluate_again

    out = folder / "outputs" / "files"
    evaluate_again(
        folder / "inputs" / "base",
        _interactions(folder),
        out,
        changes=_picked(config.load_whole(order["config"]), config.EVALUATION_CHANGES),
        reporter=reporter,
        should_stop=stop.is_set,
    )
    reporter.result(out)


def examples(order: Mapping[str, Any], folder: Path, reporter: JsonLinesReporter, stop: Event) -> None:
    """TFRecords, vocabularies and their summary."""
    from reco_core import config

    reporter.phase("build_examples")
    out = folder / "outputs" / "files"
    _write_examples(config.load_whole(order["config"]), partial(_interactions, folder), out, reporter, stop)
    reporter.result(out)


def _base_weights(order: Mapping[str, Any], folder: Path) -> Path:
    return folder / "inputs" / "base" / "weights" / f"{order['base']['checkpoint']}.npz"


def _prepared(
    order: Mapping[str, Any], folder: Path, config: JobConfig, reporter: JsonLinesReporter, log: Log
) -> Prepared:
    """The examples that an earlier job has left; else they are built, and left for later ones.

    Raises:
        ExamplesUnreadable: those that were left are no good.
    """
    from reco_core.examples import prepare, restore_prepared, store_prepared

    reporter.phase("build_examples")
    kept = folder / "inputs" / "examples"
    if kept.is_dir():
        prepared = restore_prepared(kept)
        if prepared.data_hash != order["data_hash"]:
            raise ExamplesUnreadable("the kept examples are of another dataset; they are built anew")
        reporter.log("examples: reused")
        return prepared
    prepared = prepare(config, log())
    reporter.log("examples: built")
    # One that this release hashes in another way than the one that read it would never be found again.
    if prepared.data_hash == order.get("data_hash"):
        store_prepared(prepared, folder / "outputs" / "prepared")
        reporter.emit("examples", path=str(folder / "outputs" / "prepared"))
    return prepared


def _write_examples(config: JobConfig, log: Log, out: Path, reporter: JsonLinesReporter, stop: Event) -> None:
    from reco_core.examples import write_examples

    write_examples(config, log(), out, reporter, stop.is_set)


def _interactions(folder: Path) -> Interactions:
    from reco_core import datasets

    return datasets.restore(folder / "inputs" / "dataset")


def _picked(config: JobConfig, pointers: tuple[str, ...]) -> dict[str, Any]:
    """The fields at `pointers`, in a document of the same form: `("/a/b",)` of `{a: {b: 1, c: 2}}` is `{a: {b: 1}}`."""
    found: dict[str, Any] = {}
    document = config.model_dump(mode="json")
    for pointer in pointers:
        *above, name = pointer.removeprefix("/").split("/")
        source: Any = document
        target = found
        for key in above:
            source, target = source[key], target.setdefault(key, {})
        target[name] = source[name]
    return found


Run = Callable[[Mapping[str, Any], Path, JsonLinesReporter, Event], None]
JOBS: Mapping[str, Run] = {"train": train, "export": export, "evaluate": evaluate, "examples": examples}
STOPPABLE = frozenset({"train", "export", "evaluate"})
"""Those that see by themselves that they are to stop; there is nothing to save of the others."""
