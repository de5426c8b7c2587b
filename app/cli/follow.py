"""Shows a run as it goes: phases, epochs, time left. The same display for a local run and for a job of the service."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from app.cli.output import error_console, human_seconds, say

PHASE_NAMES = {
    "validate": "check the data",
    "build_examples": "make examples",
    "train": "train",
    "export": "convert to .tflite",
    "evaluate": "evaluate the files",
    "verify": "verify the bundle",
    "publish": "publish",
}


class Display:
    """A context in which a run's events become lines on stderr, with a live bar below them in a terminal.

    Calls with what is known already are ignored, so that a caller may tell the same state again and again.

    Args:
        phases: those that the run will go through.
    """

    def __init__(self, phases: Sequence[str] = tuple(PHASE_NAMES)) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
        )
        self._phases = phases
        self._console = error_console()
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("waiting for a worker", total=None, note="")
        self._phase: str | None = None
        self._first: int | None = None
        self._phase_began = time.monotonic()
        self._best = 0.0
        self._left_out = 0
        self._took: dict[str, float] = {}
        self.phase_seconds: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_phase()
        self._bar.stop()
        took = self._took or self.phase_seconds
        if kind is None and took:
            spent = (f"{PHASE_NAMES.get(name, name)} {human_seconds(seconds)}" for name, seconds in took.items())
            say(f"time: {', '.join(spent)}")

    def phase(self, phase: str) -> None:
        """The run has come to `phase`."""
        if phase == self._phase:
            return
        self._close_phase()
        self._phase = phase
        self._phase_began = time.monotonic()
        title = PHASE_NAMES.get(phase, phase)
        say(f"[{self._number(phase)}] {title}", style="bold")
        self._bar.reset(self._task, description=title, total=None, note="")

    def progress(self, done: int, total: int, unit: str, eta_seconds: float | None) -> None:
        """`done` of `total` `unit`s of the phase; `eta_seconds` until its end, if known."""
        left = f", {human_seconds(eta_seconds)} left" if eta_seconds is not None else ""
        note = f"{done:,}/{total:,} {unit}{left}"
        self._bar.update(self._task, completed=done, total=total or None, note=note)

    def epoch(self, epoch: int, metrics: Mapping[str, Any], *, is_shown: bool = True) -> None:
        """Epoch `epoch` is complete. Of those that aren't shown it is only said how many they were."""
        ndcg = metrics.get("ndcg@10")
        best = isinstance(ndcg, float) and ndcg > self._best
        if isinstance(ndcg, float) and best:
            self._best = ndcg
        if not is_shown:
            self._left_out += 1
            return
        if self._left_out:
            say(f"    {self._left_out} earlier epochs left out; `pocketrec job events` lists all")
            self._left_out = 0
        parts = [f"    epoch {epoch:>3}"]
        if isinstance(metrics.get("loss"), float):
            parts.append(f"loss {metrics['loss']:.4f}")
        if isinstance(ndcg, float):
            parts.append(f"validation NDCG@10 {ndcg:.4f}{' *' if best else ''}")
        say("  ".join(parts))

    def took(self, phases: Mapping[str, float]) -> None:
        """How long the run has been in each phase, by its own clock, which the summary then says."""
        self._took = dict(phases)

    def log(self, message: str) -> None:
        """A line for people."""
        say(f"    {message}")

    def _number(self, phase: str) -> str:
        """Such as `2/6`: a job of the service begins with the second phase, since its dataset is validated already."""
        place = self._phases.index(phase) if phase in self._phases else 0
        if self._first is None:
            self._first = min(place, 1)
        return f"{place - self._first + 1}/{len(self._phases) - self._first}"

    def _close_phase(self) -> None:
        if self._phase is not None:
            spent = time.monotonic() - self._phase_began
            self.phase_seconds[self._phase] = self.phase_seconds.get(self._phase, 0.0) + spent
