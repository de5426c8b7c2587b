"""What LSTM and GRU have in common."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reco_core.model.context_encoders.positions import Drop, last_position

# Measured at export: beyond about 50 steps the loop is smaller and faster than unrolled steps.
MOST_UNROLLED_STEPS = 50


class RecurrentEncoder(keras.layers.Layer):
    """A recurrent layer, read out after the last real item.

    It runs over the pads too and its output is taken where the history ends: the same numbers as masking gives, since
    what follows can't change what came before.
    """

    states = 1  # that the cell keeps from item to item

    def __init__(self, num_units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_units = num_units
        self.layer: Any = None

    def cell(self, unroll: bool) -> Any:
        """The Keras layer that runs over the history and gives the state after each item."""
        raise NotImplementedError

    def weighted(self, embedded: Any) -> Any:
        """[..., dim] -> the products with the input weights, which need no state: [..., gates * num_units]."""
        raise NotImplementedError

    def step(self, weighted: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """The states after one more item, the output first; each float32 [batch, num_units]."""
        raise NotImplementedError

    def build(self, input_shape: Any) -> None:
        """Create the weights for [batch, length, dim]; histories of up to 50 items are unrolled."""
        self.layer = self.cell(unroll=input_shape[1] is not None and input_shape[1] <= MOST_UNROLLED_STEPS)
        self.layer.build(input_shape)
        super().build(input_shape)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """[batch, length, dim] -> [batch, width]."""
        return (input_shape[0], self.num_units)

    def call(self, embedded: Any, mask: Any, drop: Drop | None = None) -> Any:  # noqa: ARG002 - no place for dropout within
        """[batch, length, dim], [batch, length] -> [batch, num_units]."""
        outputs = self.layer(embedded)
        return tf.reduce_sum(outputs * last_position(mask)[:, :, None], axis=1)

    def every_position(self, embedded: Any, seen: Any, drop: Drop | None = None) -> Any:  # noqa: ARG002 - as above
        """Several histories in each row -> the state after each of their items: [rows, columns, num_units].

        Args:
            embedded: float32 [rows, columns, dim].
            seen: bool [rows, columns, columns], which columns are the history of each; the whole history, since a
                state can't forget what went into it.
        """
        rows, columns, _ = embedded.shape
        weighted = tf.transpose(self.weighted(embedded), [1, 0, 2])  # [columns, rows, gates * num_units]
        before = np.eye(columns, k=-1, dtype=np.float32)
        # 1 where the column before is of the same history, so that the state goes on
        goes_on = tf.transpose(tf.reduce_sum(tf.cast(seen, tf.float32) * before, axis=2))[:, :, None]
        states = tuple(tf.zeros([rows, self.num_units]) for _ in range(self.states))

        def one(states: tuple[Any, ...], column: tuple[Any, Any]) -> tuple[Any, ...]:
            found, kept = column
            return self.step(found, tuple(state * kept for state in states))

        outputs = tf.scan(one, (weighted, goes_on), initializer=states)[0]
        return tf.transpose(outputs, [1, 0, 2])

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "num_units": self.num_units}
