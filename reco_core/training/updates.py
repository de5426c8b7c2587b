"""What turns gradients into steps: of all variables, or of the tables only the rows that took part."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reco_core.config import TrainingConfig
from reco_core.model import DualEncoder
from reco_core.training.optimizer import build_optimizer, learning_rates
from reco_core.training.row_updates import RowOptimizer, Rows


class Updates:
    """The optimizer of a run. With sampled softmax the item table and its biases are updated by rows."""

    def __init__(self, config: TrainingConfig, model: DualEncoder, steps_per_epoch: int) -> None:
        sampled = config.loss_for(model.label_encoder.items) == "sampled_softmax"
        tables = model.label_encoder.tables
        of_items = {id(table) for table in tables}
        encoder = [variable for variable in model.trainable_variables if id(variable) not in of_items]
        dense_tables = [] if sampled else tables
        self.dense = [*dense_tables, *encoder]
        self._clip = config.gradient_clip_norm
        # of gradients in several parts the norm must be taken over all
        of_tables = config.model_copy(update={"gradient_clip_norm": None})
        rate = config.learning_rate * config.encoder_learning_rate_factor
        of_encoder = of_tables.model_copy(update={"learning_rate": rate})
        self._encoder = build_optimizer(of_encoder, encoder, steps_per_epoch)
        self._tables = build_optimizer(of_tables, dense_tables, steps_per_epoch) if dense_tables else None
        self._count = len(dense_tables)
        self._rates = learning_rates(config, steps_per_epoch)
        self.rows = RowOptimizer(config, self._rates, [] if dense_tables else tables)

    @property
    def variables(self) -> list[Any]:
        """What a checkpoint holds."""
        of_tables = [] if self._tables is None else self._tables.variables
        return [*of_tables, *self._encoder.variables, *self.rows.variables]

    @property
    def learning_rate(self) -> Any:
        """Of the item table in the next step."""
        return self._rates(self._encoder.iterations)

    def apply(self, gradients: list[Any]) -> None:
        """Update all variables, in the order of `dense`."""
        self._apply(self._clipped(gradients))

    def settle(self) -> None:
        """Bring all rows up to the present step; call it before the model's tables are read."""
        self.rows.settle(tf.cast(self._encoder.iterations, tf.int32))

    def apply_with_rows(self, gradients: list[Any], rows: list[Rows], of_rows: list[Any]) -> list[Rows]:
        """Update `dense`, and give the rows as they are after the step."""
        clipped = self._clipped([*gradients, *of_rows])
        step = tf.cast(self._encoder.iterations, tf.int32)
        updated = self.rows.updated(rows, clipped[len(gradients) :], step)
        self._apply(clipped[: len(gradients)])
        return updated

    def _apply(self, gradients: list[Any]) -> None:
        if self._tables is not None:
            self._tables.apply(gradients[: self._count], self.dense[: self._count])
        self._encoder.apply(gradients[self._count :], self.dense[self._count :])

    def _clipped(self, gradients: list[Any]) -> list[Any]:
        if self._clip is None:
            return gradients
        clipped: list[Any] = tf.clip_by_global_norm(gradients, self._clip)[0]
        return clipped
