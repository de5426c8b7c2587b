"""Checkpoints: arrays without pickle in one file, replaced atomically, complete enough to resume exactly."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from reco_core.errors import CheckpointMismatch

Arrays = tuple[NDArray[Any], ...]
# what NumPy and the header's own parsing raise for files that are empty, cut off, altered or something else
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile)
_KEPT = 3  # whoever reads an announced checkpoint may lag behind a little


@dataclass(frozen=True)
class Progress:
    """Where training stands: `epoch` epochs are complete, and `step` steps of the next."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0  # of the steps of the unfinished epoch
    best_epoch: int = 0
    best_value: float = -1.0
    finished: bool = False
    history: tuple[Mapping[str, float], ...] = ()  # one per complete epoch


@dataclass(frozen=True)
class Checkpoint:
    """Everything a fresh process needs to go on as if nothing had happened."""

    identity: str  # hash of config, data and architecture: what this checkpoint belongs to
    progress: Progress
    model: Arrays
    optimizer: Arrays
    best: Arrays = field(default=())  # the model's arrays at `best_epoch`


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write into `folder` and return the path; a reader sees the whole file or none."""
    folder.mkdir(parents=True, exist_ok=True)
    progress = checkpoint.progress
    suffix = "-final" if progress.finished else ""
    path = folder / f"checkpoint-{progress.epoch:05d}-{progress.step:07d}{suffix}.npz"
    header = json.dumps({"identity": checkpoint.identity, "progress": asdict(progress)}).encode()
    arrays = {"header": np.frombuffer(header, np.uint8)}
    for group in ("model", "optimizer", "best"):
        arrays |= {f"{group}/{i:04d}": array for i, array in enumerate(getattr(checkpoint, group))}
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folder(folder)
    for old in _by_age(folder)[:-_KEPT]:
        old.unlink()
    return path


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint written last, if there is one."""
    return next(reversed(_by_age(folder)), None)


def _by_age(folder: Path) -> list[Path]:
    # not by name: an earlier run in the same folder may have come further than this one
    return sorted(folder.glob("checkpoint-*.npz"), key=lambda path: (path.stat().st_mtime_ns, path.name))


def read_checkpoint(path: Path, identity: str, shapes: Mapping[str, Sequence[tuple[int, ...]]]) -> Checkpoint:
    """Read and check a checkpoint.

    Args:
        identity: what the run at hand is.
        shapes: of the `model` and `optimizer` arrays that it needs.

    Raises:
        CheckpointMismatch: the file is damaged, or belongs to another config, dataset or architecture.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            found_identity = header["identity"]
            progress = Progress(**{**header["progress"], "history": tuple(header["progress"]["history"])})
            groups = {
                group: tuple(file[name] for name in sorted(file.files) if name.startswith(f"{group}/"))
                for group in ("model", "optimizer", "best")
            }
    except _UNREADABLE as error:
        raise CheckpointMismatch(f"{path.name} is not a readable checkpoint ({error}); start without it") from None
    if found_identity != identity:
        raise CheckpointMismatch(
            f"{path.name} belongs to another config, dataset or version; start without it, "
            "or restore what it was made with"
        )
    for group, expected in shapes.items():
        found = [array.shape for array in groups[group]]
        if found != list(expected):
            raise CheckpointMismatch(f"{path.name}: {group} arrays have shapes {found}, expected {list(expected)}")
    return Checkpoint(identity, progress, groups["model"], groups["optimizer"], groups["best"])


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
