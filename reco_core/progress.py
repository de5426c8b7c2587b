"""Progress of a pipeline run: what the stages report, and its form as JSON lines between processes.

A run is watched through its standard output: one JSON object a line, each with an `event` key.

| event | further keys |
|---|---|
| phase | phase |
| progress | done, total, unit, eta_seconds |
| epoch | epoch, metrics |
| checkpoint | path, epoch, step |
| log | message |
| result | path |
| error | code, message, errors |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO

from reco_core.errors import PocketRecError

Phase = Literal["validate", "build_examples", "train", "export", "evaluate", "verify", "publish"]
PHASES: tuple[Phase, ...] = ("validate", "build_examples", "train", "export", "evaluate", "verify", "publish")


class Reporter(Protocol):
    """Receives what a run has to say. Implementations must not raise on a well-formed call."""

    def phase(self, phase: Phase) -> None: ...

    def progress(self, done: int, total: int, unit: str, eta_seconds: float | None = None) -> None: ...

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None: ...

    def checkpoint(self, path: Path, epoch: int, step: int) -> None: ...

    def log(self, message: str) -> None: ...


class SilentReporter:
    """Says nothing; the default of the stages."""

    def phase(self, phase: Phase) -> None:
        """See `Reporter`."""

    def progress(self, done: int, total: int, unit: str, eta_seconds: float | None = None) -> None:
        """See `Reporter`."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """See `Reporter`."""

    def checkpoint(self, path: Path, epoch: int, step: int) -> None:
        """See `Reporter`."""

    def log(self, message: str) -> None:
        """See `Reporter`."""


class JsonLinesReporter:
    """Writes one JSON object a line to `stream` and flushes, so that a reader sees each event at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def emit(self, event: str, **fields: Any) -> None:
        """Write one event. A broken pipe propagates: a run whose reader is gone has no reason to go on."""
        self._stream.write(json.dumps({"event": event, **fields}, allow_nan=False) + "\n")
        self._stream.flush()

    def phase(self, phase: Phase) -> None:
        """A new phase begins."""
        self.emit("phase", phase=phase)

    def progress(self, done: int, total: int, unit: str, eta_seconds: float | None = None) -> None:
        """`done` of `total` `unit`s of the present phase; `eta_seconds` until its end, if known."""
        eta = None if eta_seconds is None else round(eta_seconds, 1)
        self.emit("progress", done=done, total=total, unit=unit, eta_seconds=eta)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Epoch `epoch` (from 1) is complete with these metrics (`loss`, `ndcg@10`, ...)."""
        self.emit("epoch", epoch=epoch, metrics=dict(metrics))

    def checkpoint(self, path: Path, epoch: int, step: int) -> None:
        """A complete checkpoint lies at `path`: `epoch` epochs and `step` steps of the next one are done."""
        self.emit("checkpoint", path=str(path), epoch=epoch, step=step)

    def log(self, message: str) -> None:
        """A line for people."""
        self.emit("log", message=message)

    def result(self, path: Path) -> None:
        """The run succeeded; its bundle lies in the folder `path`."""
        self.emit("result", path=str(path))

    def error(self, error: PocketRecError) -> None:
        """The run failed with a typed error."""
        self.emit("error", **error.as_dict())
