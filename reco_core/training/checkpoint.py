"""Checkpoints: one file each, complete enough to resume exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reco_core.errors import CheckpointMismatch
from reco_core.training.files import UNREADABLE, Arrays, read_header, write_arrays

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
class Before:
    """What the models have left that a run trained before the one at hand: its teachers."""

    teachers: tuple[Arrays, ...] = ()  # each one's weights at its best epoch
    steps: int = 0  # of all of them together


NOTHING_BEFORE = Before()


def no_points() -> NDArray[np.float64]:
    """What there is to draw before the first step."""
    return np.zeros((0, 5))


@dataclass(frozen=True)
class Checkpoint:
    """Everything a fresh process needs to go on as if nothing had happened."""

    identity: str  # hash of config, data and architecture: what this checkpoint belongs to
    progress: Progress
    model: Arrays
    optimizer: Arrays
    best: Arrays = field(default=())  # the model's arrays at `best_epoch`
    # of the epochs whose weights are kept: the folder that they lie in may be gone with the machine
    kept: Mapping[int, Arrays] = field(default_factory=dict)
    points: NDArray[np.float64] = field(default_factory=no_points)  # [calls, 5], see `summaries.Point`
    before: Before = NOTHING_BEFORE

    def require(self, shapes: Mapping[str, Sequence[tuple[int, ...]]]) -> None:
        """Check the shapes of the `model` and `optimizer` arrays.

        Raises:
            CheckpointMismatch: there are other arrays, so it belongs to another architecture.
        """
        for group, expected in shapes.items():
            found = [array.shape for array in getattr(self, group)]
            if found != list(expected):
                raise CheckpointMismatch(
                    f"the checkpoint's {group} arrays have shapes {found}, expected {list(expected)}"
                )


def write_checkpoint(folder: Path, checkpoint: Checkpoint, place: tuple[int, int] | None = None) -> Path:
    """Write into `folder` and return the path; a reader sees the whole file or none.

    `place` is its name's epoch and step, by default those of its progress.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress = checkpoint.progress
    suffix = "-final" if progress.finished else ""
    epoch, step = place or (progress.epoch, progress.step)
    path = folder / f"checkpoint-{epoch:05d}-{step:07d}{suffix}.npz"
    teachers = {f"teacher-{number:02d}": arrays for number, arrays in enumerate(checkpoint.before.teachers)}
    kept = {f"kept-{epoch:05d}": arrays for epoch, arrays in checkpoint.kept.items()}
    groups = {"model": checkpoint.model, "optimizer": checkpoint.optimizer, "best": checkpoint.best}
    groups |= kept | teachers
    header = {
        "identity": checkpoint.identity,
        "progress": asdict(progress),
        "kept": list(checkpoint.kept),
        "teachers": list(teachers),
        "steps_before": checkpoint.before.steps,
    }
    write_arrays(
        path,
        header,
        {"points": checkpoint.points}
        | {f"{group}/{i:04d}": array for group, arrays in groups.items() for i, array in enumerate(arrays)},
    )
    for old in _by_age(folder)[:-_KEPT]:
        old.unlink()
    return path


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint written last, if there is one."""
    return next(reversed(_by_age(folder)), None)


def _by_age(folder: Path) -> list[Path]:
    # not by name: an earlier run in the same folder may have come further than this one
    return sorted(folder.glob("checkpoint-*.npz"), key=lambda path: (path.stat().st_mtime_ns, path.name))


def read_checkpoint(path: Path, identity: str) -> Checkpoint:
    """Read and check a checkpoint.

    Args:
        identity: what the run at hand is.

    Raises:
        CheckpointMismatch: the file is damaged, or belongs to another config or dataset.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            header = read_header(file)
            if header["identity"] != identity:
                raise CheckpointMismatch(
                    f"{path.name} belongs to another config, dataset or version; start without it, "
                    "or restore what it was made with"
                )
            progress = Progress(**{**header["progress"], "history": tuple(header["progress"]["history"])})
            kept = {int(epoch): f"kept-{epoch:05d}" for epoch in header["kept"]}
            groups = {
                group: tuple(file[name] for name in sorted(file.files) if name.startswith(f"{group}/"))
                for group in ("model", "optimizer", "best", *kept.values(), *header["teachers"])
            }
            before = Before(tuple(groups[name] for name in header["teachers"]), header["steps_before"])
            points = file["points"]
    except UNREADABLE as error:
        raise CheckpointMismatch(f"{path.name} is not a readable checkpoint ({error}); start without it") from None
    return Checkpoint(
        identity,
        progress,
        groups["model"],
        groups["optimizer"],
        groups["best"],
        {epoch: groups[group] for epoch, group in kept.items()},
        points,
        before,
    )
