"""A run that trains several models one after the other: its stages, and its progress as one course through them all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reco_core.config import TrainingConfig
from reco_core.progress import Phase, Reporter

# A step of a model that is taught takes longer, since its teachers are asked as well; for the time left a guess.
_TAUGHT = 1.7


class Stage:
    """Model `number` of a run, from 0: the teachers come first. As a reporter it passes on what its training says."""

    def __init__(self, reporter: Reporter, training: TrainingConfig, teachers: int, number: int) -> None:
        self._reporter = reporter
        self._lengths = [*[training.epochs_of_teachers] * teachers, training.max_epochs]  # in epochs
        self._number = number
        self.teacher = f"teacher {number + 1} of {teachers}" if number < teachers else ""

    @property
    def later_epochs(self) -> float:
        """How many epochs of this model those after it take as long as, if early stopping ends none of them."""
        # the first model is the only one that nobody teaches
        return sum(self._lengths[self._number + 1 :]) * (1.0 if self._number else _TAUGHT)

    def phase(self, phase: Phase) -> None:
        """See `Reporter`."""
        self._reporter.phase(phase)

    def progress(self, done: int, total: int, unit: str, eta_seconds: float | None = None) -> None:
        """Counts the stages before as done, and those after as still to do; the time left is that of all."""
        steps = total // self._lengths[self._number]  # of an epoch
        before = steps * sum(self._lengths[: self._number])
        self._reporter.progress(before + done, steps * sum(self._lengths), unit, eta_seconds)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """A teacher's are lines for people, since the curve is that of the model that ships."""
        if self.teacher:
            self._reporter.log(f"{self.teacher}, epoch {epoch}: NDCG@10 {metrics['ndcg@10']:.4f} on validation")
        else:
            self._reporter.epoch(epoch, metrics)

    def checkpoint(self, path: Path, epoch: int, step: int) -> None:
        """See `Reporter`."""
        self._reporter.checkpoint(path, epoch, step)

    def log(self, message: str) -> None:
        """See `Reporter`."""
        self._reporter.log(f"{self.teacher}: {message}" if self.teacher else message)
