"""What LSTM and GRU have in common."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reco_core.model.context_encoders.positions import Drop, last_position

# Measured at export: beyond about 50 steps the loop is smaller and faster than unrolled steps.
MOST_UNROLLED_STEPS = 50


class RecurrentEncoder(keras.layers.Layer):
    """A recurrent layer, read out after the last real item.

    It runs over the pads too and its output is taken where the history ends: the same numbers as masking gives, since
    what follows can't change what came before.
    """

    def __init__(self, num_units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_units = num_units
        self.layer: Any = None

    def cell(self, unroll: bool) -> Any:
        """The Keras layer that runs over the history and gives the state after each item."""
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

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "num_units": self.num_units}
