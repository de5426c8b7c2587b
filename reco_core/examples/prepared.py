"""Examples that are made once and trained on many times: stage 2's result as files, found again by what it is made of.

A folder holds one `.npy` file per column, a Parquet file per list of texts, and `meta.json`, which is written last and
names the size and checksum of every other file. Columns are mapped into memory when read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reco_core import datasets
from reco_core.config import JobConfig
from reco_core.config.estimate import Workload
from reco_core.config.estimate.workload import Lengths
from reco_core.config.example_key import FORMAT_VERSION
from reco_core.config.example_key import cache_key as cache_key
from reco_core.datasets.types import Interactions
from reco_core.errors import ExamplesUnreadable
from reco_core.examples import columns
from reco_core.examples.generation import generate
from reco_core.examples.types import ExampleSet
from reco_core.examples.workload import measured_workload


@dataclass(frozen=True)
class Prepared:
    """What training needs of a log: its examples, its identity and how much work they are."""

    example_set: ExampleSet
    data_hash: str  # of the dataset, as `datasets.content_hash` gives it
    workload: Workload


def prepare(config: JobConfig, interactions: Interactions) -> Prepared:
    """Stage 2 on a log, with all that later stages ask the log itself for.

    Raises:
        DatasetTooSmall, ConfigInvalid: as `generate`.
    """
    example_set = generate(config, interactions)
    return Prepared(
        example_set=example_set,
        data_hash=datasets.content_hash(interactions),
        workload=measured_workload(config, interactions, example_set),
    )


def store_prepared(prepared: Prepared, folder: Path) -> None:
    """Write the files; the folder is made. One without meta.json is one whose writing was cut short."""
    meta = {"data_hash": prepared.data_hash, "workload": asdict(prepared.workload)}
    columns.write(folder, FORMAT_VERSION, meta, prepared.example_set)


def restore_prepared(folder: Path) -> Prepared:
    """The inverse of `store_prepared`; columns are mapped into memory, not read.

    Raises:
        ExamplesUnreadable: the folder is incomplete, damaged, or of another version.
    """
    meta, example_set = columns.read(folder, FORMAT_VERSION)
    try:
        return Prepared(example_set, str(meta["data_hash"]), _workload(meta["workload"]))
    except (KeyError, TypeError) as error:
        raise ExamplesUnreadable(f"{folder}: meta.json lacks {error}; make the examples again") from None


def _workload(document: Mapping[str, Any]) -> Workload:
    return Workload(**{**document, "lengths": tuple(Lengths(**entry) for entry in document["lengths"])})
