"""Convolutions over the history."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reco_core.model.context_encoders.positions import Drop


@keras.saving.register_keras_serializable("pocketrec")
class CnnEncoder(keras.layers.Layer):
    """A stack of causal Conv1D layers with ReLU, then the maximum over the real positions.

    Causal and stride 1: each output sees its own and earlier items only, so that pads at the end of a left-aligned
    history reach nothing that is read, and order is kept.
    """

    def __init__(self, filters: tuple[int, ...], kernel_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = tuple(filters)
        self.kernel_size = kernel_size
        self.convolutions = [
            keras.layers.Conv1D(width, kernel_size, padding="causal", activation="relu", name=f"convolution_{i}")
            for i, width in enumerate(self.filters)
        ]

    def build(self, input_shape: Any) -> None:
        """Create the kernels for [batch, length, dim]."""
        shape = tuple(input_shape)
        for layer in self.convolutions:
            layer.build(shape)
            shape = (*shape[:-1], layer.filters)
        super().build(input_shape)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """[batch, length, dim] -> [batch, width]."""
        return (input_shape[0], self.filters[-1])

    def call(self, embedded: Any, mask: Any, drop: Drop | None = None) -> Any:  # noqa: ARG002 - no place for dropout within
        """[batch, length, dim], [batch, length] -> [batch, filters of the last layer]."""
        hidden = embedded
        for layer in self.convolutions:
            hidden = layer(hidden)
        # ReLU leaves nothing below 0, so a masked 0 never wins over a real position
        return tf.reduce_max(hidden * mask[:, :, None], axis=1)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "filters": self.filters, "kernel_size": self.kernel_size}
