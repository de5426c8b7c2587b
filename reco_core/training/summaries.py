"""Training as TensorBoard draws it: event files, written with what TensorFlow has on board.

`train` gets loss, learning rate and examples per second for each call of the compiled loop (some four a second),
`validation` the metrics of each epoch; both run over the number of steps done. Everything drawn is also in the
checkpoints, so that a run that goes on, perhaps on another machine, writes the files anew from the beginning: no step
is there twice, and none is missing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


class Point(NamedTuple):
    """One call of the compiled loop."""

    wall_time: float  # seconds since 1970
    step: int  # steps done after it
    loss: float  # mean over its steps
    learning_rate: float  # of the step after it
    examples_per_second: float  # NaN for the first call of a process, which compiles


class Summaries:
    """Two event files, and the points drawn in the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._points: list[Point] = []
        self._train: Any = None
        self._validation: Any = None

    def begin(self, points: NDArray[np.float64], history: Sequence[Mapping[str, float]], steps_per_epoch: int) -> None:
        """Write both files anew, with what a run that goes on has behind it: `points` are those of `points()`."""
        self._train, self._validation = (_EventFile(self._folder / name) for name in ("train", "validation"))
        self._points = []
        for row in points.tolist():
            self.call(Point(row[0], int(row[1]), *row[2:]))
        for number, metrics in enumerate(history, start=1):
            step = number * steps_per_epoch
            times = [point.wall_time for point in self._points if point.step <= step]
            self.epoch(step, metrics, times[-1] if times else time.time())

    def call(self, point: Point) -> None:
        """One call of the compiled loop is done."""
        self._points.append(point)
        values = {"loss": point.loss, "learning_rate": point.learning_rate}
        if np.isfinite(point.examples_per_second):
            values["examples_per_second"] = point.examples_per_second
        self._train.scalars(point.step, point.wall_time, values)

    def epoch(self, step: int, metrics: Mapping[str, float], wall_time: float | None = None) -> None:
        """An epoch is complete after `step` steps."""
        self._validation.scalars(step, wall_time or time.time(), metrics)

    def points(self) -> NDArray[np.float64]:
        """float64 [calls, 5], for a checkpoint."""
        return np.array(self._points, np.float64).reshape(-1, len(Point._fields))

    def close(self) -> None:
        """Close the files."""
        for file in (self._train, self._validation):
            if file is not None:
                file.close()


class _EventFile:
    """A folder with one event file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        # the name that TensorBoard looks for; files are read in the order of their names
        self._writer = tf.io.TFRecordWriter(str(folder / f"events.out.tfevents.{time.time_ns() // 1000}.pocketrec"))
        self._write(tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2"))

    def scalars(self, step: int, wall_time: float, values: Mapping[str, float]) -> None:
        """Add a value to each of the curves."""
        # what `tf.summary.scalar` writes; that function needs the package tensorboard
        metadata = tf.compat.v1.SummaryMetadata(
            plugin_data={"plugin_name": "scalars"},
            data_class=tf.compat.v1.SummaryMetadata.DESCRIPTOR.fields_by_name["data_class"]
            .enum_type.values_by_name["DATA_CLASS_SCALAR"]
            .number,
        )
        summary = tf.compat.v1.Summary(
            value=[
                {"tag": tag, "metadata": metadata, "tensor": tf.make_tensor_proto(value, tf.float32)}
                for tag, value in values.items()
            ]
        )
        self._write(tf.compat.v1.Event(wall_time=wall_time, step=step, summary=summary))
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _write(self, event: Any) -> None:
        self._writer.write(event.SerializeToString())
