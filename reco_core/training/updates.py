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
        tables = model.label_encoder.tables if sampled else []
        by_rows = {id(table) for table in tables}
        self.dense = [variable for variable in model.trainable_variables if id(variable) not in by_rows]
        self._clip = config.gradient_clip_norm
        # of gradients in two parts the norm must be taken over both
        without_clip = config.model_copy(update={"gradient_clip_norm": None})
        self._optimizer = build_optimizer(without_clip, self.dense, steps_per_epoch)
        self.rows = RowOptimizer(config, learning_rates(config, steps_per_epoch), tables)

    @property
    def variables(self) -> list[Any]:
        """What a checkpoint holds."""
        return [*self._optimizer.variables, *self.rows.variables]

    @property
    def learning_rate(self) -> Any:
        """Of the next step."""
        return self._optimizer.learning_rate

    def apply(self, gradients: list[Any]) -> None:
        """Update all variables, in the order of `dense`."""
        self._optimizer.apply(self._clipped(gradients), self.dense)

    def settle(self) -> None:
        """Bring all rows up to the present step; call it before the model's tables are read."""
        self.rows.settle(tf.cast(self._optimizer.iterations, tf.int32))

    def apply_with_rows(self, gradients: list[Any], rows: list[Rows], of_rows: list[Any]) -> list[Rows]:
        """Update `dense`, and give the rows as they are after the step."""
        clipped = self._clipped([*gradients, *of_rows])
        step = tf.cast(self._optimizer.iterations, tf.int32)
        updated = self.rows.updated(rows, clipped[len(gradients) :], step)
        self._optimizer.apply(clipped[: len(gradients)], self.dense)
        return updated

    def _clipped(self, gradients: list[Any]) -> list[Any]:
        if self._clip is None:
            return gradients
        clipped: list[Any] = tf.clip_by_global_norm(gradients, self._clip)[0]
        return clipped
