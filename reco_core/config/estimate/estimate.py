"""The estimate as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reco_core.config.estimate.files import bundle_bytes, variant_bytes
from reco_core.config.estimate.fitting import Budget, fitted
from reco_core.config.estimate.memory import memory_bytes
from reco_core.config.estimate.parameters import parameters
from reco_core.config.estimate.seconds import epoch_seconds, epoch_steps, phase_seconds
from reco_core.config.estimate.workload import Workload
from reco_core.config.export import VariantName
from reco_core.config.job import JobConfig

_LONGEST = 1.5  # by which a phase may take longer than expected before "at most" is wrong
# Without a better figure than these the best epoch on MovieLens-100K lies here, whatever `max_epochs` is; see
# docs/decisions/0006-estimates.md.
_BEST_EPOCH = {"bow": 8, "cnn": 6, "rnn": 20, "gru": 20, "transformer": 20}  # the last two not measured yet


@dataclass(frozen=True)
class Seconds:
    """Time: what is expected, and what it may come to when all epochs run."""

    expected: float
    at_most: float

    def as_dict(self) -> dict[str, float]:
        """JSON form, to a tenth of a second."""
        return {"expected": round(self.expected, 1), "at_most": round(self.at_most, 1)}


@dataclass(frozen=True)
class Estimate:
    """What a job will come to. Counts are exact where `Workload.exact`; the rest lies within a factor of two."""

    work: Workload
    parameters: int
    batch_size: int
    steps_per_epoch: int
    epochs: int  # expected
    max_epochs: int
    variants: Mapping[VariantName, int]  # bytes
    bundle_bytes: int
    memory_bytes: int
    phases: Mapping[str, Seconds]
    epoch_seconds: float
    machine_factor: float  # of the machine, by which all seconds are multiplied
    budget: Budget | None = None  # what `export.max_bytes` made of the config; everything else is of that

    @property
    def total(self) -> Seconds:
        """All phases."""
        return Seconds(
            sum(phase.expected for phase in self.phases.values()), sum(phase.at_most for phase in self.phases.values())
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON form: finite numbers only."""
        work = self.work
        return {
            "exact": work.exact,
            "examples": {"train": work.train, "validation": work.validation, "test": work.test},
            "users": {"used": work.users, "left_out": work.dropped_users},
            "vocabulary": work.vocabulary,
            "parameters": self.parameters,
            "budget": None if self.budget is None else self.budget.as_dict(),
            "bytes": {**self.variants, "bundle": self.bundle_bytes},
            "memory_bytes": self.memory_bytes,
            "batch_size": self.batch_size,
            "steps_per_epoch": self.steps_per_epoch,
            "epochs": {"expected": self.epochs, "at_most": self.max_epochs},
            "seconds": {
                "total": self.total.as_dict(),
                "per_epoch": round(self.epoch_seconds, 3),
                "phases": {name: phase.as_dict() for name, phase in self.phases.items()},
                "machine_factor": round(self.machine_factor, 3),
            },
        }


def estimate(config: JobConfig, work: Workload, machine_factor: float = 1.0, *, trained: bool = False) -> Estimate:
    """What a job with this config and workload will come to, the config made to fit its size budget.

    Args:
        machine_factor: how many times as long as on the machine measured everything takes on the one at hand.
        trained: whether there are weights already, whose dimensions a budget can't change.
    """
    config, budget = fitted(config.for_items(work.vocabulary), work, trained=trained)
    batch = min(config.training.batch_size or work.batch_size, work.train)
    epochs = expected_epochs(config, -(-work.train // batch))
    most = config.training.max_epochs
    of_teacher = expected_epochs(config, -(-work.train // batch), config.training.epochs_of_teachers)
    expected = phase_seconds(config, work, batch, epochs, of_teacher)
    at_most = phase_seconds(config, work, batch, most, config.training.epochs_of_teachers)
    files = variant_bytes(config, work)
    return Estimate(
        work=work,
        parameters=parameters(config, work),
        batch_size=batch,
        steps_per_epoch=epoch_steps(config, work, batch),
        epochs=epochs,
        max_epochs=most,
        variants=files,
        bundle_bytes=bundle_bytes(config, work, files),
        memory_bytes=memory_bytes(config, work, batch),
        phases={
            name: Seconds(expected[name] * machine_factor, at_most[name] * machine_factor * _LONGEST)
            for name in expected
        },
        epoch_seconds=epoch_seconds(config, work, batch) * machine_factor,
        machine_factor=machine_factor,
        budget=budget,
    )


def expected_epochs(config: JobConfig, steps_of_a_pass: int, at_most: int | None = None) -> int:
    """Epochs until early stopping, as on MovieLens-100K; all of them where `patience` can't end it before.

    `at_most` stands for `max_epochs`.
    """
    training = config.training
    passes = _BEST_EPOCH[config.encoder.type]
    best = (
        passes if training.steps_per_epoch is None else math.ceil(passes * steps_of_a_pass / training.steps_per_epoch)
    )
    return min(at_most or training.max_epochs, best + training.patience)
