"""Examples as the result of a job of their own: a folder of files with a summary."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from reco_core import datasets
from reco_core.config import JobConfig
from reco_core.datasets.types import Interactions
from reco_core.errors import OutputExists
from reco_core.examples.generation import generate
from reco_core.examples.tfrecord import write_tfrecords
from reco_core.progress import Reporter

FORMAT_VERSION = 1
SUMMARY = "summary.json"


def write_examples(
    config: JobConfig,
    interactions: Interactions,
    folder: Path,
    reporter: Reporter,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Write what the log gives to `folder`, in one atomic step.

    With `examples.tfrecord` that is TFRecord files and their vocabularies, see `write_tfrecords`; without, what
    training would work on: `vocabulary/items.txt`, line n of which is the raw id of index n, and counts. `summary.json`
    stands beside either; nothing in the folder depends on clock, host or run.

    Args:
        should_stop: asked several times a second while TFRecords are written.

    Returns:
        The summary: `{format_version, data_hash, seed, options, rows, items, users, dropped_users, examples, tfrecord,
        protocol, files: [{path, bytes}]}`, `examples` being counts by split.

    Raises:
        OutputExists: `folder` is there already and is not empty.
        ConfigInvalid, DatasetTooSmall: as `write_tfrecords` and `generate`.
        Interrupted: `should_stop` said so; nothing is left behind.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputExists(f"{folder} is there already and not empty; name another folder for the examples")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        summary = _write(config, interactions, partial, reporter, should_stop)
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)  # a million examples are not to fill the disk for nothing
        raise
    return summary


def _write(
    config: JobConfig, interactions: Interactions, folder: Path, reporter: Reporter, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    if config.examples.tfrecord is not None:
        records = write_tfrecords(config, interactions, folder, reporter, should_stop)
        found = {
            "users": records.pop("users"),
            "dropped_users": records.pop("dropped_users"),
            "examples": records.pop("examples"),
            "tfrecord": records,
            "protocol": None,
        }
    else:
        found = _vocabulary_and_counts(config, interactions, folder)
    summary = {
        "format_version": FORMAT_VERSION,
        "data_hash": datasets.content_hash(interactions),
        "seed": config.seed,
        "options": config.examples.model_dump(mode="json"),
        "rows": len(interactions),
        "items": len(interactions.item_ids),
        **found,
        "files": [
            {"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size}
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ],
    }
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / SUMMARY).write_text(text + "\n", encoding="utf-8", newline="\n")
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    return summary


def _vocabulary_and_counts(config: JobConfig, interactions: Interactions, folder: Path) -> dict[str, Any]:
    made = generate(config, interactions)
    (folder / "vocabulary").mkdir()
    _write_lines(folder / "vocabulary" / "items.txt", made.vocabulary.item_ids)
    for name, table in made.timelines.features.items():  # names are letters, digits and _
        if table.vocabulary is not None and name != "items":
            _write_lines(folder / "vocabulary" / f"{name}.txt", table.vocabulary)
    return {
        "users": made.timelines.users,
        "dropped_users": made.dropped_users,
        "examples": {"train": len(made.train), "validation": len(made.validation), "test": len(made.test)},
        "tfrecord": None,
        "protocol": made.protocol,
    }


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    # line n is the value of index n: neither ids nor values hold line breaks, see `datasets`
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
