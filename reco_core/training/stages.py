"""Progress of a run that trains several models one after the other: one course from the first to the last."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reco_core.config import TrainingConfig
from reco_core.progress import Phase, Reporter

# A step of a model that is taught takes longer, since its teachers are asked as well; for the time left a guess.
_TAUGHT = 1.7


class _Stage:
    """Passes on what one model's training says, its progress as a part of the whole run's."""

    def __init__(self, reporter: Reporter, training: TrainingConfig, number: int) -> None:
        self._reporter = reporter
        self._lengths = [*[training.epochs_of_teachers] * training.teachers, training.max_epochs]  # in epochs
        self._number = number

    def phase(self, phase: Phase) -> None:
        """See `Reporter`."""
        self._reporter.phase(phase)

    def progress(self, done: int, total: int, unit: str, eta_seconds: float | None = None) -> None:
        """Counts the stages before as done, and those after as still to do."""
        own = self._lengths[self._number]
        steps = total // own  # of an epoch
        if eta_seconds is not None and total > done and self._number < len(self._lengths) - 1:
            later = sum(self._lengths[self._number + 1 : -1]) + _TAUGHT * self._lengths[-1]
            eta_seconds += eta_seconds / (total - done) * steps * later
        before = steps * sum(self._lengths[: self._number])
        self._reporter.progress(before + done, steps * sum(self._lengths), unit, eta_seconds)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """See `Reporter`."""
        self._reporter.epoch(epoch, metrics)

    def checkpoint(self, path: Path, epoch: int, step: int) -> None:
        """See `Reporter`."""
        self._reporter.checkpoint(path, epoch, step)

    def log(self, message: str) -> None:
        """See `Reporter`."""
        self._reporter.log(message)


class OfTeacher(_Stage):
    """Of teacher `number`, from 0: its epochs are lines for people, since the curve is that of the model that ships."""

    @property
    def _name(self) -> str:
        return f"teacher {self._number + 1} of {len(self._lengths) - 1}"

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """See `Reporter`."""
        self._reporter.log(f"{self._name}, epoch {epoch}: NDCG@10 {metrics['ndcg@10']:.4f} on validation")

    def log(self, message: str) -> None:
        """See `Reporter`."""
        self._reporter.log(f"{self._name}: {message}")


class AfterTeachers(_Stage):
    """Of the model that ships."""

    def __init__(self, reporter: Reporter, training: TrainingConfig) -> None:
        super().__init__(reporter, training, training.teachers)
