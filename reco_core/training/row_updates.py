"""Adam on tables of which a step needs few rows, at a cost that doesn't depend on how many rows there are.

Dense Adam moves every row at every step: one that takes no part keeps going, ever more slowly, where its momentum
leads. For rows that are rare these moves are most of what they learn (with the usual decays up to thirty times the
move of the step itself), so leaving them out, as "lazy" Adam does, is another and worse optimizer. Here they are made
up for when the row is next needed: the missed moves are a geometric series.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from reco_core.config import TrainingConfig
from reco_core.training.optimizer import WarmUpAndDecay

_MOMENTUM, _SQUARES = 0.9, 0.999
_EPSILON = 1e-7
_FIRST_ACCUMULATOR = 0.1  # of Adagrad, as Keras has it
_RATIO = _MOMENTUM / math.sqrt(_SQUARES)  # of one missed move to the one before it


class Rows(NamedTuple):
    """Some rows of a table and of what the optimizer keeps for it."""

    values: Any  # float32 [rows, ...]
    slots: tuple[Any, ...]


class RowOptimizer:
    """AdamW, Adam or Adagrad as `optimizer.build_optimizer` makes them, on rows of tables of equal length."""

    def __init__(self, config: TrainingConfig, rates: WarmUpAndDecay, tables: list[Any]) -> None:
        self._tables = [table.value for table in tables]
        self._rates = rates
        self._decay = config.weight_decay if config.optimizer == "adamw" else 0.0
        self._adagrad = config.optimizer == "adagrad"
        first = [_FIRST_ACCUMULATOR] if self._adagrad else [0.0, 0.0]
        self._slots = [
            tuple(tf.Variable(tf.fill(table.shape, value), trainable=False) for value in first)
            for table in self._tables
        ]
        # how many steps each row has been brought through
        length = self._tables[0].shape[0] if self._tables else 0
        self._done = tf.Variable(tf.zeros([length], tf.int32), trainable=False)

    @property
    def variables(self) -> list[Any]:
        """What a checkpoint holds."""
        return [slot for slots in self._slots for slot in slots] + ([self._done] if self._tables else [])

    def take(self, rows: Any) -> tuple[list[Rows], Any]:
        """Rows of each table, int32 [rows], and how many steps they have been brought through: int32 [rows]."""
        taken = [
            Rows(tf.gather(table, rows), tuple(tf.gather(slot, rows) for slot in slots))
            for table, slots in zip(self._tables, self._slots, strict=True)
        ]
        return taken, tf.gather(self._done, rows)

    def put(self, rows: Any, updated: list[Rows], step: Any) -> None:
        """Write rows back after step `step`, int32 [rows] without repetition; of `updated` as many are taken."""
        count = tf.shape(rows)[0]
        for table, slots, new in zip(self._tables, self._slots, updated, strict=True):
            for variable, values in zip((table, *slots), (new.values, *new.slots), strict=True):
                variable.scatter_update(tf.IndexedSlices(values[:count], rows))
        self._done.scatter_update(tf.IndexedSlices(tf.fill([count], step + 1), rows))

    def brought_up(self, taken: list[Rows], done: Any, step: Any) -> list[Rows]:
        """The rows as dense updates would have left them before step `step` (from 0)."""
        if self._adagrad:
            return taken  # no momentum: rows without a gradient stay as they are
        missed = tf.cast(step - done, tf.float32)
        # moves of the missed steps, in units of the last one made: r + r^2 + ... + r^missed
        moves = _RATIO * (1.0 - tf.exp(missed * math.log(_RATIO))) / (1.0 - _RATIO)
        # the rate of the steps that weigh most; those after them are as good as over when it has changed
        rate, size = self._rates(done), self._size(done)
        shrink = tf.exp(missed * tf.math.log1p(-self._decay * rate)) if self._decay else None
        return [self._brought_up(one, missed, moves * size, shrink) for one in taken]

    def settle(self, step: Any) -> None:
        """Bring all rows up to before step `step`, for whoever reads the tables."""
        if self._adagrad or not self._tables:
            return
        everything = [
            Rows(table.value(), tuple(slot.value() for slot in slots))
            for table, slots in zip(self._tables, self._slots, strict=True)
        ]
        for table, slots, new in zip(
            self._tables, self._slots, self.brought_up(everything, self._done.value(), step), strict=True
        ):
            table.assign(new.values)
            for slot, values in zip(slots, new.slots, strict=True):
                slot.assign(values)
        self._done.assign(tf.fill(self._done.shape, step))

    def updated(self, rows: list[Rows], gradients: list[Any], step: Any) -> list[Rows]:
        """The rows after step `step` (from 0)."""
        return [self._one(one, gradient, step) for one, gradient in zip(rows, gradients, strict=True)]

    def _brought_up(self, rows: Rows, missed: Any, moves: Any, shrink: Any) -> Rows:
        momentum, squares = rows.slots
        wide = rows.values.shape.rank > 1
        missed, moves = (missed[:, None], moves[:, None]) if wide else (missed, moves)
        values = rows.values
        if shrink is not None and wide:
            values = values * shrink[:, None]
        values -= moves * momentum / (tf.sqrt(squares) + _EPSILON)
        momentum *= tf.exp(missed * math.log(_MOMENTUM))
        squares *= tf.exp(missed * math.log(_SQUARES))
        return Rows(values, (momentum, squares))

    def _one(self, rows: Rows, gradient: Any, step: Any) -> Rows:
        rate = self._rates(step)
        values = rows.values
        if self._adagrad:
            (accumulator,) = rows.slots
            accumulator += tf.square(gradient)
            return Rows(values - rate * gradient / tf.sqrt(accumulator + _EPSILON), (accumulator,))
        if self._decay and values.shape.rank > 1:  # biases are not decayed
            values -= values * (self._decay * rate)
        momentum, squares = rows.slots
        momentum += (gradient - momentum) * (1.0 - _MOMENTUM)
        squares += (tf.square(gradient) - squares) * (1.0 - _SQUARES)
        return Rows(values - momentum * self._size(step) / (tf.sqrt(squares) + _EPSILON), (momentum, squares))

    def _size(self, step: Any) -> Any:
        """The rate of step `step` with Adam's corrections for its zero start."""
        done = tf.cast(step, tf.float32) + 1.0
        return self._rates(step) * tf.sqrt(1.0 - tf.pow(_SQUARES, done)) / (1.0 - tf.pow(_MOMENTUM, done))
