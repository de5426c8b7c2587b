"""A GRU over the history."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reco_core.model.context_encoders.recurrent import RecurrentEncoder


@keras.saving.register_keras_serializable("pocketrec")
class GruEncoder(RecurrentEncoder):
    """GRU, read out after the last real item; see `RecurrentEncoder`."""

    def cell(self, unroll: bool) -> Any:
        """The Keras layer that runs over the history."""
        return keras.layers.GRU(self.num_units, return_sequences=True, unroll=unroll, name="gru")

    def weighted(self, embedded: Any) -> Any:
        """[..., dim] -> [..., 3 * num_units]."""
        cell = self.layer.cell
        return tf.matmul(embedded, cell.kernel.value) + cell.bias.value[0]

    def step(self, weighted: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """The state after one more item (Cho et al. 2014, the reset gate behind the product as Keras has it)."""
        (state,) = states
        cell = self.layer.cell
        from_state = tf.matmul(state, cell.recurrent_kernel.value) + cell.bias.value[1]
        update, reset, candidate = tf.split(weighted, 3, axis=1)
        of_update, of_reset, of_candidate = tf.split(from_state, 3, axis=1)
        update, reset = tf.sigmoid(update + of_update), tf.sigmoid(reset + of_reset)
        candidate = tf.tanh(candidate + reset * of_candidate)
        return (update * state + (1.0 - update) * candidate,)
