"""Groups of features: side by side as one sequence, and encoded into one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from reco_core.config import FloatFeature
from reco_core.config.features import Feature
from reco_core.examples import FeatureTable
from reco_core.model.feature_inputs import CategoryInput, QuantityInput


class FeatureSequence(keras.layers.Layer):
    """The features of a group beside each other, position by position.

    Positions are those of the history (aligned features), of a list of values (flat ones) or of the user's values.
    """

    def __init__(
        self, features: Sequence[Feature], tables: Mapping[str, FeatureTable], seed: tuple[int, ...], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._tables = [tables[feature.name] for feature in features]
        self.parts = [
            QuantityInput(table, name=feature.name)
            if isinstance(feature, FloatFeature)
            else CategoryInput(table, feature.embedding_dim, (*seed, number), name=feature.name)
            for number, (feature, table) in enumerate(zip(features, self._tables, strict=True))
        ]
        self.width = sum(layer.width for layer in self.parts)
        first = self._tables[0]
        self._of_user = first.scope == "user"
        self._aligned = not self._of_user and first.layout == "aligned"
        self._length = max(table.length for table in self._tables)

    def positions(self, history_length: int) -> int:
        """Length of the sequence."""
        return history_length if self._aligned else self._length

    def build(self, input_shape: Any = None) -> None:
        """Create the embeddings."""
        for layer in self.parts:
            layer.build(None)
        super().build(input_shape)

    def call(self, inputs: Mapping[str, Any], history_mask: Any) -> tuple[Any, Any]:
        """The model's inputs by name and float32 [batch, L], ones at items -> the sequence and its mask.

        Returns:
            float32 [batch, positions, width], and float32 [batch, positions], ones where a feature has a value
            (of the aligned: where there is an item) and then zeros.
        """
        vectors, masks = [], []
        for table, layer in zip(self._tables, self.parts, strict=True):
            found, present = self._one(table, layer, inputs[table.name], history_mask)
            vectors.append(found)
            masks.append(present)
        sequence = vectors[0] if len(vectors) == 1 else tf.concat(vectors, axis=-1)
        if self._aligned:
            return sequence, history_mask
        mask = masks[0]
        for other in masks[1:]:
            mask = tf.maximum(mask, other)
        return sequence, mask

    def _one(self, table: FeatureTable, layer: Any, value: Any, history_mask: Any) -> tuple[Any, Any]:
        """One feature: [batch, positions, its width] and [batch, positions]."""
        if isinstance(layer, QuantityInput):
            found, present = layer(value), self._quantities_present(value, history_mask)
        else:
            found, present = layer(value)
        if self._aligned and table.length > 1:
            # genres of one item: 3 5 0 -> (row 3 + row 5) / 2
            total = tf.reduce_sum(found, axis=2)
            found = total / tf.maximum(tf.reduce_sum(present, axis=2)[..., None], 1.0)
        if self._of_user and table.length < self._length:
            # one value beside several: it goes with each of them, and alone makes a sequence of one
            found = tf.tile(found, [1, self._length, 1])
            present = tf.pad(present, [[0, 0], [0, self._length - 1]])
        return found, present

    def _quantities_present(self, value: Any, history_mask: Any) -> Any:
        if self._of_user:
            return tf.ones_like(value)
        if self._aligned:
            return history_mask
        # flat: one for each interaction
        count = tf.reduce_sum(history_mask, axis=1, keepdims=True)
        return tf.cast(tf.range(self._length, dtype=tf.float32)[None] < count, tf.float32)


class GroupEncoder(keras.layers.Layer):
    """A group's sequence and the encoder that makes one vector of it."""

    def __init__(self, sequence: FeatureSequence, encoder: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sequence = sequence
        self.encoder = encoder
        self.width = 0

    def build(self, input_shape: Any) -> None:
        """Create all weights for histories of `input_shape[1]` items."""
        self.sequence.build(None)
        shape = (None, self.sequence.positions(input_shape[1]), self.sequence.width)
        self.encoder.build(shape)
        self.width = self.encoder.compute_output_shape(shape)[-1]
        super().build(input_shape)

    def call(self, inputs: Mapping[str, Any], history_mask: Any, drop: Any) -> Any:
        """As `FeatureSequence.call`, and `drop`, which applies dropout to the sequence -> float32 [batch, width]."""
        sequence, mask = self.sequence(inputs, history_mask)
        return self.encoder(drop(sequence), mask)
