"""Context encoder, encoders of the feature groups, and label encoder, compared by dot product."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from reco_core.config import ActivityGroup, GlobalGroup, JobConfig
from reco_core.errors import ConfigInvalid, FieldError
from reco_core.examples import FeatureTable, ItemAttribute, Vocabulary
from reco_core.model import context_encoders
from reco_core.model.context_encoders.positions import Drop
from reco_core.model.dropout import dropout
from reco_core.model.feature_groups import FeatureSequence, GroupEncoder
from reco_core.model.label_encoder import LabelEncoder

# No layer's dropout has a seed of the groups' before there are so many hidden layers.
_GROUP_SITES = 100
_ID_SITE = _GROUP_SITES - 1
_SPREAD = 0.05
_TEMPERATURE = 10.0  # that cosines, at most 1, begin to be multiplied with
_ENCODER_SITES = 1000  # within the context encoder


class DualEncoder(keras.Model):
    """Scores all items for a history and features: `encode(inputs) . table[item] + bias[item]`."""

    def __init__(
        self, config: JobConfig, vocabulary: Vocabulary, features: Mapping[str, FeatureTable], **kwargs: Any
    ) -> None:
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
            model.id_dropout,
            # where states begin at an item's row, that item's own score would be far above all others
            None if config.projects else _SPREAD,
            model.similarity == "cosine",
            name="label_encoder",
        )
        self.context_encoder = context_encoders.build(config.encoder, model.embedding_dim)
        self.hidden = [
            keras.layers.Dense(width, activation="relu", name=f"hidden_{i}")
            for i, width in enumerate(model.hidden_layers)
        ]
        # linear: a ReLU here kills whole models, see docs/decisions
        self.projection = keras.layers.Dense(model.embedding_dim, name="projection") if config.projects else None
        self.log_temperature: Any = None
        # after all other layers, whose weights must not depend on whether there are features
        groups = config.features
        self.beside_items = (
            FeatureSequence(groups.history, features, (config.seed, 3, 0), name="history_features")
            if groups.history
            else None
        )
        every_group: list[ActivityGroup | GlobalGroup] = [*groups.activity_groups, *groups.global_groups]
        self.groups = [
            _group_encoder(group, features, (config.seed, 3, number), f"group_{number}")
            for number, group in enumerate(every_group, start=1)
        ]
        self._tables = tuple(features[feature.name] for feature in groups.every())

    @property
    def features(self) -> dict[str, FeatureTable]:
        """What the model reads besides the history, by name of the input."""
        return {table.name: table for table in self._tables}

    def input_specs(self) -> dict[str, Any]:
        """Shapes and types of `scores`'s inputs, by name."""
        specs = {"history": tf.TensorSpec([None, self.history_length], tf.int32)}
        for name, table in self.features.items():
            dtype = tf.float32 if table.is_float else tf.int32
            specs[name] = tf.TensorSpec([None, *table.window_shape(self.history_length)], dtype)
        return specs

    def build(self, input_shape: Any = None) -> None:
        """Create all weights."""
        self.label_encoder.build()
        width = self.config.model.embedding_dim
        if self.beside_items is not None:
            self.beside_items.build(None)
            width += self.beside_items.width
        shape = (None, self.history_length, width)
        self.context_encoder.build(shape)
        width = self.context_encoder.compute_output_shape(shape)[-1]
        for group in self.groups:
            group.build((None, self.history_length))
            width += group.width
        for layer in [*self.hidden, *([self.projection] if self.projection else [])]:
            layer.build((None, width))
            width = layer.units
        if self.config.model.similarity == "cosine":
            first = keras.initializers.Constant(math.log(_TEMPERATURE))
            self.log_temperature = self.add_weight(name="log_temperature", shape=(), initializer=first)
        super().build(input_shape)

    def encode(self, embedded: Any, inputs: Mapping[str, Any], dropout_seed: Any = None) -> Any:
        """float32 [batch, length, dim] and the model's inputs -> float32 [batch, dim].

        Args:
            embedded: rows of the item table for `inputs["history"]`; what stands at padding plays no part.
            inputs: `history` int32 [batch, length], left-aligned, and the features by name.
            dropout_seed: two int32 scalars that differ from step to step, or None for no dropout.
        """
        mask = tf.cast(inputs["history"] > 0, tf.float32)
        if self.beside_items is not None:
            embedded = tf.concat([embedded, self.beside_items(inputs, mask)[0]], axis=-1)
        hidden = self.context_encoder(self._drop(embedded, dropout_seed, 0), mask, drop=self._within(dropout_seed))
        if self.groups:
            encoded = [
                group(inputs, mask, drop=partial(self._drop, seed=dropout_seed, site=site))
                for site, group in enumerate(self.groups, start=_GROUP_SITES)
            ]
            hidden = tf.concat([hidden, *encoded], axis=-1)
        return self._project(hidden, dropout_seed)

    def encode_sequences(self, embedded: Any, inputs: Mapping[str, Any], seen: Any, dropout_seed: Any = None) -> Any:
        """Several histories in each row -> what `encode` gives for each of their beginnings: [rows * columns, dim].

        Args:
            embedded: float32 [rows, columns, dim], rows of the item table for `inputs["history"]`.
            inputs: `history` int32 [rows, columns], and the features beside items by name; there can be no others.
            seen: bool [rows, columns, columns], which columns are the history of each.
            dropout_seed: as in `encode`.
        """
        if self.beside_items is not None:
            mask = tf.cast(inputs["history"] > 0, tf.float32)
            embedded = tf.concat([embedded, self.beside_items(inputs, mask)[0]], axis=-1)
        embedded = self._drop(embedded, dropout_seed, 0)
        hidden = self.context_encoder.every_position(embedded, seen, drop=self._within(dropout_seed))
        return self._project(tf.reshape(hidden, [-1, hidden.shape[-1]]), dropout_seed)

    def _project(self, hidden: Any, dropout_seed: Any) -> Any:
        for site, layer in enumerate(self.hidden, start=2):
            hidden = self._drop(layer(hidden), dropout_seed, site)
        if self.projection is not None:
            hidden = self._drop(self.projection(hidden), dropout_seed, 1)
        if self.log_temperature is None:
            return hidden
        return tf.math.l2_normalize(hidden, axis=1) * tf.exp(self.log_temperature.value)

    def _within(self, dropout_seed: Any) -> Drop | None:
        if dropout_seed is None or self.config.model.dropout == 0:
            return None
        return lambda value, site: self._drop(value, dropout_seed, _ENCODER_SITES + site)

    def scores(self, inputs: Mapping[str, Any], dropout_seed: Any = None, candidates: Any = None) -> Any:
        """`history` int32 [batch, length] and the features -> float32 [batch, items]; index i is in column i - 1.

        With `candidates`, int32 [n] item indices, only their scores, in their order: float32 [batch, n].
        """
        rows = self.label_encoder.rows(self.id_drop_seed(dropout_seed))
        embedded = tf.gather(rows, tf.maximum(inputs["history"] - 1, 0))  # [batch, length, dim]
        context = self.encode(embedded, inputs, dropout_seed)
        biases = self.label_encoder.biases()
        if candidates is not None:
            rows, biases = tf.gather(rows, candidates - 1), tf.gather(biases, candidates - 1)
        return tf.matmul(context, rows, transpose_b=True) + biases

    def id_drop_seed(self, dropout_seed: Any) -> Any:
        """What `label_encoder.rows` draws with in the step of this `dropout_seed`; None for None."""
        return None if dropout_seed is None else tf.stack([dropout_seed[0] + _ID_SITE, dropout_seed[1]])

    def call(self, inputs: Any) -> Any:
        """Same as `scores` without dropout."""
        return self.scores(inputs)

    def _drop(self, value: Any, seed: Any, site: int) -> Any:
        rate = self.config.model.dropout
        if seed is None or rate == 0:
            return value
        return dropout(value, rate, seed[0] + site, seed[1])


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


def _group_encoder(
    group: ActivityGroup | GlobalGroup, features: Mapping[str, FeatureTable], seed: tuple[int, ...], name: str
) -> GroupEncoder:
    sequence = FeatureSequence(group.features, features, seed, name=f"{name}_features")
    encoder = context_encoders.build(group.encoder, sequence.width, f"{name}_encoder")
    return GroupEncoder(sequence, encoder, name=name)


_NONE: Mapping[str, FeatureTable] = MappingProxyType({})


def build(config: JobConfig, vocabulary: Vocabulary, features: Mapping[str, FeatureTable] = _NONE) -> DualEncoder:
    """An untrained model; the same config, vocabulary and features give the same weights.

    Args:
        features: those of `config.features`, which is resolved, by name, as in `Timelines.features`.

    Raises:
        ConfigInvalid: the config asks for an item attribute that the data lack.
    """
    # Keras draws the seeds of its initializers from global state when a layer is constructed
    keras.utils.set_random_seed(config.seed)
    model = DualEncoder(config, vocabulary, features, name="dual_encoder")
    model.build()
    return model
