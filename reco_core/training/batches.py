"""Training examples on the device: batches are gathered from the timelines inside the compiled step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from reco_core.config.training import automatic_batch_size
from reco_core.examples import ExampleSet
from reco_core.training.feature_windows import FeatureWindows


class Batch(NamedTuple):
    """Tensors of one step."""

    inputs: dict[str, Any]  # `history` int32 [batch, length], and the features by name
    labels: Any  # int32 [batch], indices from 1
    weights: Any  # float32 [batch], 0 where the last batch of an epoch has no more examples
    # of whole sequences [batch] is [rows, columns] and so is the history; bool [rows, columns, columns] tells which
    # columns are the history of each
    seen: Any = None


class TrainingExamples:
    """The timelines and, per training example, two positions in them: a batch costs no work outside the graph."""

    def __init__(self, example_set: ExampleSet, batch_size: int | None, history_length: int) -> None:
        timelines, train = example_set.timelines, example_set.train
        self.count = len(train)
        self.batch_size = min(batch_size or automatic_batch_size(self.count), self.count)
        self.steps = -(-self.count // self.batch_size)
        self._length = history_length
        self._items = tf.constant(timelines.items)
        self._features = [FeatureWindows(table) for table in timelines.features.values()]
        self._begin = tf.constant(timelines.offsets[train.users].astype(np.int32))
        self._labels = tf.constant(train.labels.astype(np.int32))
        self._users = tf.constant(train.users) if self._features else None

    @property
    def order_shape(self) -> tuple[int, ...]:
        """Shape of a step's part of `order`."""
        return (self.batch_size,)

    @property
    def examples_per_step(self) -> float:
        """Labels in a step, on average."""
        return self.count / self.steps

    def order(self, seed: int, epoch: int) -> NDArray[np.int32]:
        """int32 [steps, batch] rows of the training examples in this epoch's order; -1 fills the last batch."""
        rows = np.full(self.steps * self.batch_size, -1, np.int32)
        rows[: self.count] = np.random.default_rng([seed, epoch]).permutation(self.count)
        return rows.reshape(self.steps, self.batch_size)

    def gather(self, rows: Any) -> Batch:
        """int32 [batch] rows -> the batch, windows of the timelines and their labels."""
        weights = tf.cast(rows >= 0, tf.float32)
        rows = tf.maximum(rows, 0)
        labels = tf.gather(self._labels, rows)
        begin = tf.maximum(tf.gather(self._begin, rows), labels - self._length)
        positions = begin[:, None] + tf.range(self._length)  # [batch, length]
        inside = positions < labels[:, None]
        history = tf.where(inside, tf.gather(self._items, tf.minimum(positions, labels[:, None])), 0)
        inputs = {"history": history}
        if self._users is not None:
            users = tf.gather(self._users, rows)
            inputs |= {one.name: one.gather(users, positions, history, inside) for one in self._features}
        return Batch(inputs, tf.gather(self._items, labels), weights)
