"""An LSTM over the history."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reco_core.model.context_encoders.recurrent import RecurrentEncoder


@keras.saving.register_keras_serializable("pocketrec")
class RnnEncoder(RecurrentEncoder):
    """LSTM, read out after the last real item; see `RecurrentEncoder`."""

    states = 2

    def cell(self, unroll: bool) -> Any:
        """The Keras layer that runs over the history."""
        return keras.layers.LSTM(self.num_units, return_sequences=True, unroll=unroll, name="lstm")

    def weighted(self, embedded: Any) -> Any:
        """[..., dim] -> [..., 4 * num_units]."""
        cell = self.layer.cell
        return tf.matmul(embedded, cell.kernel.value) + cell.bias.value

    def step(self, weighted: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """Output and memory after one more item (Hochreiter and Schmidhuber 1997, with a forget gate)."""
        output, memory = states
        gates = weighted + tf.matmul(output, self.layer.cell.recurrent_kernel.value)
        let_in, keep, candidate, let_out = tf.split(gates, 4, axis=1)
        memory = tf.sigmoid(keep) * memory + tf.sigmoid(let_in) * tf.tanh(candidate)
        return tf.sigmoid(let_out) * tf.tanh(memory), memory
