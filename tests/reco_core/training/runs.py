"""What tests of whole trainings have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reco_core.errors import Interrupted
from reco_core.progress import SilentReporter


class Recorder(SilentReporter):
    """Remembers epochs and checkpoints."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, dict[str, float]]] = []
        self.checkpoints: list[tuple[Path, int, int]] = []
        self.shares: list[tuple[int, int]] = []
        self.etas: list[float | None] = []

    def epoch(self, epoch, metrics) -> None:
        self.epochs.append((epoch, dict(metrics)))

    def checkpoint(self, path, epoch, step) -> None:
        assert path.exists()
        self.checkpoints.append((path, epoch, step))

    def progress(self, done, total, unit, eta_seconds=None) -> None:
        self.shares.append((done, total))
        self.etas.append(eta_seconds)


def stop_after(calls: int) -> Callable[[], bool]:
    """True from the `calls`th time on that it is asked."""
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked >= calls

    return should_stop


def weights(found) -> list[bytes]:
    return [array.tobytes() for array in found.model.get_weights()]


def interrupted(train, calls: int, **options) -> tuple[Path, int, int]:
    recorder = Recorder()
    with pytest.raises(Interrupted):
        train(one_step=True, reporter=recorder, should_stop=stop_after(calls), **options)
    return recorder.checkpoints[-1]
