"""A training step with sampled softmax: of the item table only the rows that it needs are read, learned and written.

What it costs doesn't depend on the vocabulary: the rows of the history, of the labels and of the negatives are taken
together into a small table of fixed size, the compiled program sees that one only, and its rows go back where they
came from.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from reco_core.config import JobConfig
from reco_core.model import DualEncoder
from reco_core.training.batches import Batch, TrainingExamples
from reco_core.training.losses import sampled_softmax
from reco_core.training.row_updates import Rows
from reco_core.training.sequences import SequenceExamples
from reco_core.training.shares import added, filled_up, shares_for, standing_for, values_of
from reco_core.training.updates import Updates

_NEGATIVES_SEED = 0x5EED  # apart from dropout's


class Small(NamedTuple):
    """The small table of a step, and the places in it of what the step looks at."""

    rows: Any  # int32 [capacity], the rows of the item table that it holds
    history: Any  # int32 [examples * length], or of sequences [examples]
    labels: Any  # int32 [examples]
    negatives: Any  # int32 [negatives]


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
        rows = data.order_shape[0]
        self._shares = shares_for(data.batch_size, rows)
        examples = data.batch_size // rows * (rows + -rows % self._shares)
        read = examples * (1 if isinstance(data, SequenceExamples) else model.history_length)
        self._capacity = min(self._items, read + examples + self._negatives)
        if self._shares == 1:
            self._whole = tf.function(self._in_one_piece, jit_compile=True, autograph=False)
        else:
            self._before = tf.function(self._brought_up, jit_compile=True, autograph=False)
            self._one_share = tf.function(self._gradients, jit_compile=True, autograph=False)
            self._last = tf.function(self._updated, jit_compile=True, autograph=False)

    def __call__(self, order: Any, number: Any) -> Any:
        """One step; see `CompiledSteps`."""
        order = filled_up(order, self._shares)
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
        total = tf.reduce_sum(batch.weights)
        small = Small(filled, history, labels, drawn)
        if self._shares == 1:
            loss, updated = self._whole(order, small, tables, done, number, total)
        else:
            tables = self._before(tables, done, number)
            loss, updated = self._last(self._side_by_side(order, small, tables, number, total), tables)
        self._row_updates.put(rows, updated, number)
        return loss

    def _in_one_piece(
        self, order: Any, small: Small, tables: list[Rows], done: Any, number: Any, total: Any
    ) -> tuple[Any, list[Rows]]:
        tables = self._brought_up(tables, done, number)
        values = [table.values for table in tables]
        found = self._gradients(order, small, values, values_of(self._updates.dense), number, total)
        return self._updated(found, tables)

    def _side_by_side(self, order: Any, small: Small, tables: list[Rows], number: Any, total: Any) -> list[Any]:
        values, dense = [table.values for table in tables], values_of(self._updates.dense)
        parts = zip(*(tf.split(whole, self._shares) for whole in (order, small.history, small.labels)), strict=True)
        calls = [
            (part, small._replace(history=history, labels=labels), values, dense, number * self._shares + i, total)
            for i, (part, history, labels) in enumerate(parts)
        ]
        return added(self._one_share, calls)

    def _brought_up(self, tables: list[Rows], done: Any, number: Any) -> list[Rows]:
        return self._row_updates.brought_up(tables, done, number)

    def _gradients(
        self, order: Any, small: Small, values: list[Any], dense: list[Any], number: Any, total: Any
    ) -> list[Any]:
        """Of a share's part of the loss, by the dense weights and by the small table; the loss is the first."""
        seed = (tf.constant(self._seed), number)
        encoder = self._model.label_encoder
        batch = self._data.gather(order)  # again: what needs no rows is made where it is used
        with tf.GradientTape() as tape, standing_for(self._updates.dense, dense):
            tape.watch([*dense, *values])
            rows = encoder.rows_of(small.rows, values[0], self._model.id_drop_seed(seed))
            biases = values[1] if encoder.item_bias else tf.zeros_like(rows[:, 0])
            embedded = tf.reshape(tf.gather(rows, small.history), [*batch.inputs["history"].shape, rows.shape[1]])
            contexts = encoded(self._model, embedded, batch, seed)
            loss = sampled_softmax(
                contexts,
                tf.gather(rows, small.labels),
                tf.gather(biases, small.labels),
                tf.gather(rows, small.negatives),
                tf.gather(biases, small.negatives),
                small.labels[:, None] == small.negatives[None, :],
                self._log_expected,
                tf.reshape(batch.weights, [-1]),
                total,
            )
        found = tape.gradient(loss, [*dense, *values])
        return [loss, *(tf.convert_to_tensor(gradient) for gradient in found)]

    def _updated(self, found: list[Any], tables: list[Rows]) -> tuple[Any, list[Rows]]:
        loss, *gradients = found
        count = len(self._updates.dense)
        return loss, self._updates.apply_with_rows(gradients[:count], tables, gradients[count:])


def encoded(model: DualEncoder, embedded: Any, batch: Batch, seed: Any) -> Any:
    """What the model makes of each example's history: float32 [examples, dim], whichever way they are laid out."""
    if batch.seen is None:
        return model.encode(embedded, batch.inputs, seed)
    return model.encode_sequences(embedded, batch.inputs, batch.seen, seed)
