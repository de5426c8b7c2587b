"""A training step with sampled softmax: of the item table only the rows that it needs are read, learned and written.

What it costs doesn't depend on the vocabulary: the rows of the history, of the labels and of the negatives are taken
together into a small table of fixed size, the compiled program sees that one only, and its rows go back where they
came from.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from reco_core.config import JobConfig
from reco_core.model import DualEncoder
from reco_core.training.batches import Batch, TrainingExamples
from reco_core.training.losses import sampled_softmax
from reco_core.training.row_updates import Rows
from reco_core.training.sequences import SequenceExamples
from reco_core.training.updates import Updates

_NEGATIVES_SEED = 0x5EED  # apart from dropout's


class SampledStep:
    """`step(order, number)` -> the loss; updates the model."""

    def __init__(
        self, config: JobConfig, model: DualEncoder, updates: Updates, data: TrainingExamples | SequenceExamples
    ) -> None:
        self._model = model
        self._updates = updates
        self._row_updates = updates.rows
        self._data = data
        self._seed = config.seed % 2**31
        self._items = model.label_encoder.items
        self._negatives = config.training.negatives
        self._log_expected = math.log(self._negatives / self._items)
        read = data.batch_size * (1 if isinstance(data, SequenceExamples) else model.history_length)
        self._capacity = min(self._items, read + data.batch_size + self._negatives)
        self._compiled = tf.function(self._learn, jit_compile=True)

    def __call__(self, order: Any, number: Any) -> Any:
        """One step; see `CompiledSteps`."""
        batch = self._data.gather(order)
        negatives = tf.random.stateless_uniform(
            [self._negatives],
            tf.stack([self._seed ^ _NEGATIVES_SEED, number]),
            minval=0,
            maxval=self._items,
            dtype=tf.int32,
            alg="philox",
        )
        wanted = [batch.inputs["history"], batch.labels]
        # what stands at padding plays no part, but needs a row
        flat = [tf.reshape(tf.maximum(indices - 1, 0), [-1]) for indices in wanted]
        rows, places = tf.unique(tf.concat([*flat, negatives], axis=0))
        filled = tf.pad(rows, [[0, self._capacity - tf.shape(rows)[0]]])
        filled = tf.ensure_shape(filled, [self._capacity])
        sizes = [*(one.shape[0] for one in flat), self._negatives]
        history, labels, drawn = tf.split(places, sizes)
        tables, done = self._row_updates.take(filled)
        loss, updated = self._compiled(order, filled, tables, done, history, labels, drawn, number)
        self._row_updates.put(rows, updated, number)
        return loss

    def _learn(
        self,
        order: Any,
        taken: Any,
        tables: list[Rows],
        done: Any,
        history: Any,
        labels: Any,
        negatives: Any,
        number: Any,
    ) -> tuple[Any, list[Rows]]:
        """The compiled part: places are those in the small table.

        Args:
            taken: int32 [capacity], the rows of the item table that the small one holds.
            done: int32 [capacity], how many steps they have been brought through.
        """
        seed = (tf.constant(self._seed), number)
        encoder, dense = self._model.label_encoder, self._updates.dense
        batch = self._data.gather(order)  # again: what needs no rows is made where it is used
        tables = self._row_updates.brought_up(tables, done, number)
        values = [table.values for table in tables]
        with tf.GradientTape() as tape:
            tape.watch(values)
            rows = encoder.rows_of(taken, values[0], self._model.id_drop_seed(seed))
            biases = values[1] if encoder.item_bias else tf.zeros_like(rows[:, 0])
            embedded = tf.reshape(tf.gather(rows, history), [*batch.inputs["history"].shape, rows.shape[1]])
            contexts = encoded(self._model, embedded, batch, seed)
            loss = sampled_softmax(
                contexts,
                tf.gather(rows, labels),
                tf.gather(biases, labels),
                tf.gather(rows, negatives),
                tf.gather(biases, negatives),
                labels[:, None] == negatives[None, :],
                self._log_expected,
                tf.reshape(batch.weights, [-1]),
            )
        found = tape.gradient(loss, [*dense, *values])
        gradients = [tf.convert_to_tensor(gradient) for gradient in found]
        updated = self._updates.apply_with_rows(gradients[: len(dense)], tables, gradients[len(dense) :])
        return loss, updated


def encoded(model: DualEncoder, embedded: Any, batch: Batch, seed: Any) -> Any:
    """What the model makes of each example's history: float32 [examples, dim], whichever way they are laid out."""
    if batch.seen is None:
        return model.encode(embedded, batch.inputs, seed)
    return model.encode_sequences(embedded, batch.inputs, batch.seen, seed)
