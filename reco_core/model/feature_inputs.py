"""From a feature's input to vectors, and which of them stand for something."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reco_core.examples import FeatureTable

# The bits of infinity and of its negative as int32. What lies beyond them is NaN, of which there are many.
_INFINITY, _NEGATIVE_INFINITY = 0x7F800000, -0x800000


class CategoryInput(keras.layers.Layer):
    """INT and STRING: an embedding of each index; 0 is no value and counts for nothing."""

    def __init__(self, table: FeatureTable, dim: int, seed: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = dim
        self._rows = table.table_rows
        self._oov = table.oov
        self._seed = seed
        self.embeddings: Any = None

    def build(self, input_shape: Any = None) -> None:
        """Create the table."""
        rows = np.random.default_rng(self._seed).normal(scale=self.width**-0.5, size=(self._rows, self.width))
        rows[0] = 0
        rows[self._oov] = 0  # means nothing until training meets a value that is out of the vocabulary
        self.embeddings = self.add_weight(name="embeddings", shape=rows.shape, initializer="zeros")
        self.embeddings.assign(rows.astype(np.float32))
        super().build(input_shape)

    def call(self, indices: Any) -> tuple[Any, Any]:
        """int32 [...] -> float32 [..., width], zeros at index 0; and float32 [...], whether the index isn't 0.

        An index outside the table counts as out of the vocabulary.
        """
        inside = tf.logical_and(indices >= 0, indices < self._rows)
        indices = tf.where(inside, indices, self._oov)
        present = tf.cast(indices > 0, tf.float32)
        return tf.gather(self.embeddings.value, indices) * present[..., None], present


class QuantityInput(keras.layers.Layer):
    """FLOAT: (value - mean) / deviation, 0 where the value is missing: any NaN, and infinity."""

    def __init__(self, table: FeatureTable, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = 1
        self._mean = _bits(table.mean)
        self._scale = _bits(1.0 / table.deviation)

    def call(self, values: Any) -> Any:
        """float32 [...] -> float32 [..., 1]."""
        # compared by their bits, as integers, so that no converter can take a number for a quantity and round it
        bits = tf.bitcast(values, tf.int32)
        positive = tf.logical_and(bits >= 0, bits < _INFINITY)
        known = tf.logical_or(positive, bits < _NEGATIVE_INFINITY)
        # The constants come by way of integers chosen at run time: the float16 variant rounds those that are floats,
        # and the mean of years, not to speak of timestamps, doesn't survive it.
        mean = tf.bitcast(tf.where(known, self._mean, 0), tf.float32)
        scale = tf.bitcast(tf.where(known, self._scale, 0), tf.float32)
        standard = tf.bitcast((values - mean) * scale, tf.int32)
        return tf.bitcast(tf.where(known, standard, 0), tf.float32)[..., None]


def _bits(value: float) -> int:
    return int(np.float32(value).view(np.int32))
