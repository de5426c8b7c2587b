"""Bag of words: the mean of the items."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reco_core.model.context_encoders.positions import Drop


@keras.saving.register_keras_serializable("pocketrec")
class BowEncoder(keras.layers.Layer):
    """Masked mean; order plays no part."""

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """[batch, length, dim] -> [batch, width]."""
        return (input_shape[0], input_shape[-1])

    def call(self, embedded: Any, mask: Any, drop: Drop | None = None) -> Any:  # noqa: ARG002 - no place for dropout within
        """[batch, length, dim], [batch, length] -> [batch, dim]."""
        # items 1 3 and a pad, embedded 2 4 0 -> (2 + 4) / 2 = 3
        total = tf.reduce_sum(embedded * mask[:, :, None], axis=1)
        return total / tf.maximum(tf.reduce_sum(mask, axis=1, keepdims=True), 1.0)

    def every_position(self, embedded: Any, seen: Any, drop: Drop | None = None) -> Any:  # noqa: ARG002 - as above
        """Several histories in each row -> the mean after each of their items: [rows, columns, dim].

        Args:
            embedded: float32 [rows, columns, dim].
            seen: bool [rows, columns, columns], which columns are the history of each.
        """
        counted = tf.cast(seen, tf.float32)
        return tf.matmul(counted, embedded) / tf.maximum(tf.reduce_sum(counted, axis=2, keepdims=True), 1.0)
