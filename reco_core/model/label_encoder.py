"""The item table: one row per item, used for the history and for the labels alike."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from reco_core.examples import ItemAttribute


class LabelEncoder(keras.layers.Layer):
    """Item representation = id embedding + mean of its attribute embeddings; and a bias per item."""

    def __init__(
        self,
        items: int,
        dim: int,
        attribute: ItemAttribute | None,
        item_bias: bool,
        seed: int,
        id_dropout: float = 0.0,
        spread: float | None = None,
        unit_rows: bool = False,
        **kwargs: Any,
    ) -> None:
        """Create no weights yet.

        Args:
            spread: the standard deviation that embeddings begin with; None: such that rows have length 1.
            unit_rows: whether rows are scaled to length 1.
        """
        super().__init__(**kwargs)
        self.items = items
        self.dim = dim
        self.spread = dim**-0.5 if spread is None else spread
        self.item_bias = item_bias
        self.id_dropout = id_dropout
        self.unit_rows = unit_rows
        self._seed = seed
        self._attribute = attribute
        self.embeddings: Any = None
        self.attribute_embeddings: Any = None
        self.bias: Any = None

    def build(self, input_shape: Any = None) -> None:
        """Create the tables."""
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.items, self.dim),
            initializer=keras.initializers.RandomNormal(stddev=self.spread, seed=self._seed),
        )
        if self._attribute is not None:
            self.attribute_embeddings = self.add_weight(
                name="attribute_embeddings",
                shape=(len(self._attribute.values), self.dim),
                initializer=keras.initializers.RandomNormal(stddev=self.spread, seed=self._seed + 1),
            )
        if self.item_bias:
            self.bias = self.add_weight(name="bias", shape=(self.items,), initializer="zeros")
        super().build(input_shape)

    @property
    def attribute_values(self) -> tuple[str, ...]:
        """What the rows of `attribute_embeddings` stand for, "<pad>" first; empty where there is no attribute."""
        return () if self._attribute is None else self._attribute.values

    def rows(self, id_drop_seed: Any = None) -> Any:
        """float32 [items, dim]: index i stands in row i - 1. Padding has no row, so nothing of it can be learned.

        With `id_drop_seed`, int32 [2] that differs from step to step, `id_dropout` of the items are without their id
        embedding, in the history and as labels alike: as items are that are added after training.
        """
        rows = self.embeddings.value
        if self._attribute is None:
            return self._scaled(rows)
        if id_drop_seed is not None and self.id_dropout:
            drawn = tf.random.stateless_uniform([self.items, 1], id_drop_seed, alg="philox")
            # not scaled up, unlike dropout of units: in the file an item has all of its id embedding or nothing of it
            rows = rows * tf.cast(drawn >= self.id_dropout, rows.dtype)
        return self._scaled(rows + self._attribute_means(self._attribute))

    @property
    def tables(self) -> list[Any]:
        """The variables with a row for each item: `embeddings`, and `bias` where there is one."""
        return [self.embeddings, *([self.bias] if self.item_bias else [])]

    def rows_of(self, items: Any, embeddings: Any, id_drop_seed: Any = None) -> Any:
        """As `rows`, of some items only: float32 [n, dim].

        Args:
            items: int32 [n], rows of the table (item index - 1).
            embeddings: float32 [n, dim], what `embeddings` holds there.
            id_drop_seed: as in `rows`.
        """
        if self._attribute is None:
            return self._scaled(embeddings)
        if id_drop_seed is not None and self.id_dropout:
            drawn = tf.random.stateless_uniform([items.shape[0], 1], id_drop_seed, alg="philox")
            embeddings = embeddings * tf.cast(drawn >= self.id_dropout, embeddings.dtype)
        return self._scaled(embeddings + self._attribute_means_of(items, self._attribute))

    def attribute_rows(self) -> Any:
        """float32 [items, dim]: the part of each row that its attributes make; zeros where there are none."""
        return tf.zeros([self.items, self.dim]) if self._attribute is None else self._attribute_means(self._attribute)

    def biases(self) -> Any:
        """float32 [items]; zeros where the config has no item bias."""
        return self.bias.value if self.item_bias else tf.zeros([self.items])

    def _scaled(self, rows: Any) -> Any:
        return tf.math.l2_normalize(rows, axis=1) if self.unit_rows else rows

    def _attribute_means(self, attribute: ItemAttribute) -> Any:
        counts = np.diff(attribute.offsets)[1:]
        rows = np.repeat(np.arange(self.items), counts)
        # genres of item 0: Action, Crime -> (embedding of Action + embedding of Crime) / 2
        gathered = tf.gather(self.attribute_embeddings.value, attribute.indices)
        weights = (1.0 / np.maximum(counts, 1)).astype(np.float32)
        return tf.math.unsorted_segment_sum(gathered, rows, self.items) * weights[:, None]

    def _attribute_means_of(self, items: Any, attribute: ItemAttribute) -> Any:
        # value 0 is padding, whose embedding is left out
        values = tf.gather(tf.constant(_side_by_side(attribute)), items)  # [n, most values of an item]
        present = tf.cast(values > 0, tf.float32)[:, :, None]
        total = tf.reduce_sum(tf.gather(self.attribute_embeddings.value, values) * present, axis=1)
        return total / tf.maximum(tf.reduce_sum(present, axis=1), 1.0)


def _side_by_side(attribute: ItemAttribute) -> NDArray[np.int32]:
    """The values of each item in a row of its own, filled up with 0: int32 [items, most values of an item]."""
    counts = np.diff(attribute.offsets)[1:]
    filled = np.arange(max(1, counts.max(initial=0))) < counts[:, None]
    table = np.zeros(filled.shape, np.int32)
    table[filled] = attribute.indices
    return table
