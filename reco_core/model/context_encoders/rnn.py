"""An LSTM over the history."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

# Measured at export: beyond about 50 steps the loop is smaller and faster than unrolled steps.
MOST_UNROLLED_STEPS = 50


@keras.saving.register_keras_serializable("pocketrec")
class RnnEncoder(keras.layers.Layer):
    """LSTM, read out after the last real item.

    The LSTM runs over the pads too and its output is taken where the history ends: the same numbers as masking gives,
    since what follows can't change what came before.
    """

    def __init__(self, num_units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_units = num_units
        self.lstm: Any = None

    def build(self, input_shape: Any) -> None:
        """Create the cell for [batch, length, dim]; histories of up to 50 items are unrolled."""
        unroll = input_shape[1] is not None and input_shape[1] <= MOST_UNROLLED_STEPS
        self.lstm = keras.layers.LSTM(self.num_units, return_sequences=True, unroll=unroll, name="lstm")
        self.lstm.build(input_shape)
        super().build(input_shape)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """[batch, length, dim] -> [batch, width]."""
        return (input_shape[0], self.num_units)

    def call(self, embedded: Any, mask: Any) -> Any:
        """[batch, length, dim], [batch, length] -> [batch, num_units]."""
        outputs = self.lstm(embedded)
        # mask 1 1 0 -> last real position 1 -> its output, by a product with [0 1 0]
        is_last = mask - tf.pad(mask[:, 1:], [[0, 0], [0, 1]])
        return tf.reduce_sum(outputs * is_last[:, :, None], axis=1)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "num_units": self.num_units}
