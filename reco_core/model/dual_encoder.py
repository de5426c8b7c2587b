"""Context encoder and label encoder, compared by dot product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from reco_core.config import JobConfig
from reco_core.errors import ConfigInvalid, FieldError
from reco_core.examples import ItemAttribute, Vocabulary
from reco_core.model import context_encoders
from reco_core.model.label_encoder import LabelEncoder


class DualEncoder(keras.Model):
    """Scores all items for a history: `encode(history) . table[item] + bias[item]`."""

    def __init__(self, config: JobConfig, vocabulary: Vocabulary, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.history_length = config.examples.max_history_length
        model = config.model
        self.label_encoder = LabelEncoder(
            vocabulary.size,
            model.embedding_dim,
            item_attribute(config, vocabulary),
            model.item_bias,
            config.seed,
            name="label_encoder",
        )
        self.context_encoder = context_encoders.build(config.encoder, model.embedding_dim)
        self.hidden = [
            keras.layers.Dense(width, activation="relu", name=f"hidden_{i}")
            for i, width in enumerate(model.hidden_layers)
        ]
        # linear: a ReLU here kills whole models, see docs/decisions
        self.projection = keras.layers.Dense(model.embedding_dim, name="projection")

    def build(self, input_shape: Any = None) -> None:
        """Create all weights."""
        self.label_encoder.build()
        shape = (None, self.history_length, self.config.model.embedding_dim)
        self.context_encoder.build(shape)
        width = self.context_encoder.compute_output_shape(shape)[-1]
        for layer in [*self.hidden, self.projection]:
            layer.build((None, width))
            width = layer.units
        super().build(input_shape)

    def encode(self, embedded: Any, inputs: Mapping[str, Any], dropout_seed: Any = None) -> Any:
        """float32 [batch, length, dim] and the model's inputs -> float32 [batch, dim].

        Args:
            embedded: rows of the item table for `inputs["history"]`; what stands at padding plays no part.
            inputs: `history` int32 [batch, length], left-aligned, and the features by name.
            dropout_seed: two int32 scalars that differ from step to step, or None for no dropout.
        """
        mask = tf.cast(inputs["history"] > 0, tf.float32)
        hidden = self.context_encoder(self._drop(embedded, dropout_seed, 0), mask)
        for site, layer in enumerate(self.hidden, start=2):
            hidden = self._drop(layer(hidden), dropout_seed, site)
        return self._drop(self.projection(hidden), dropout_seed, 1)

    def scores(self, inputs: Mapping[str, Any], dropout_seed: Any = None, candidates: Any = None) -> Any:
        """`history` int32 [batch, length] and the features -> float32 [batch, items]; index i is in column i - 1.

        With `candidates`, int32 [n] item indices, only their scores, in their order: float32 [batch, n].
        """
        rows = self.label_encoder.rows()
        embedded = tf.gather(rows, tf.maximum(inputs["history"] - 1, 0))  # [batch, length, dim]
        context = self.encode(embedded, inputs, dropout_seed)
        biases = self.label_encoder.biases()
        if candidates is not None:
            rows, biases = tf.gather(rows, candidates - 1), tf.gather(biases, candidates - 1)
        return tf.matmul(context, rows, transpose_b=True) + biases

    def call(self, inputs: Any) -> Any:
        """Same as `scores` without dropout."""
        return self.scores(inputs)

    def _drop(self, value: Any, seed: Any, site: int) -> Any:
        rate = self.config.model.dropout
        if seed is None or rate == 0:
            return value
        seed = tf.stack([seed[0] + site, seed[1]])
        return tf.nn.experimental.stateless_dropout(value, rate, seed=seed, rng_alg="philox")


def item_attribute(config: JobConfig, vocabulary: Vocabulary) -> ItemAttribute | None:
    """The attribute that the config asks for.

    Raises:
        ConfigInvalid: it names an attribute that the item table lacks.
    """
    wanted, found = config.model.item_attribute, vocabulary.attribute
    if wanted is None or (wanted == "auto" and found is None):
        return None
    if found is None or wanted not in ("auto", found.name):
        has = f"it has {found.name!r}" if found else "it has no multi-valued attribute"
        detail = f"the item table lacks the attribute {wanted!r} ({has}); use that name, 'auto' or null"
        raise ConfigInvalid(detail, [FieldError("/model/item_attribute", "unknown_attribute", detail)])
    return found


def build(config: JobConfig, vocabulary: Vocabulary) -> DualEncoder:
    """An untrained model; the same config and vocabulary give the same weights.

    Raises:
        ConfigInvalid: the config asks for an item attribute that the data lack.
    """
    # Keras draws the seeds of its initializers from global state when a layer is constructed
    keras.utils.set_random_seed(config.seed)
    model = DualEncoder(config, vocabulary, name="dual_encoder")
    model.build()
    return model
