"""Causal self-attention over the history.

Vaswani et al. 2017, "Attention Is All You Need"; for recommendation Kang and McAuley 2018, "Self-Attentive Sequential
Recommendation". Positions are relative (Shaw et al. 2018; the scalar form of Raffel et al. 2020): each head adds a
learned number for how many interactions lie between the one that asks and the one that is asked, so that the newest
items are known as such whatever the length of the history.

Beside attention, which chooses by content, a block mixes by age alone: a learned average over the history, and what an
item has beside that average, each dimension with a gain of its own. Shin et al. 2024, "An Attentive Inductive Bias for
Sequential Recommendation beyond the Self-Attention", take the lowest frequencies of a Fourier transform for the
average, which can't be causal; here it is a softmax over ages.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reco_core.model.context_encoders.positions import Drop, last_position

_UNSEEN = -3e4  # added to what may not be looked at: its exponential is 0, and float16 can hold it
_EPSILON = 1e-6
_SLOWEST, _FASTEST = 0.05, 0.3  # how fast weights fall with age at the beginning
_SITES = 3  # places with dropout in a block


@keras.saving.register_keras_serializable("pocketrec")
class TransformerEncoder(keras.layers.Layer):
    """Blocks of attention and a feed-forward network, each added to its input, then a last normalisation.

    Normalisation stands before each part ("pre-norm"), which trains without a warm-up of thousands of steps. Of each
    position the first `dim` numbers are the item's embedding; what follows are features beside it.
    """

    def __init__(
        self, dim: int, blocks: int, heads: int, feed_forward_ratio: int, smoothing: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.dim = dim
        self.smoothing = smoothing
        self.width = heads * -(-dim // heads)
        self.blocks = blocks
        self.heads = heads
        self.feed_forward_ratio = feed_forward_ratio
        self.length = 0
        self.entry: Any = None
        self.last_gain: Any = None
        self._blocks: list[_Block] = []

    def build(self, input_shape: Any) -> None:
        """Create the weights for [batch, length, numbers]; longer histories can't be read later, shorter ones can."""
        _, self.length, numbers = input_shape
        if numbers > self.dim:
            self.entry = self.add_weight(
                name="entry", shape=(numbers - self.dim, self.width), initializer="glorot_uniform"
            )
        for number in range(self.blocks):
            block = _Block(self.heads, self.feed_forward_ratio, self.smoothing, name=f"block_{number}")
            block.build((None, self.length, self.width))
            setattr(self, f"block_{number}", block)
            self._blocks = [*self._blocks, block]
        self.last_gain = self.add_weight(name="last_gain", shape=(self.width,), initializer="ones")
        super().build(input_shape)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """[batch, length, numbers] -> [batch, width]: the least multiple of the heads that holds an embedding."""
        return (input_shape[0], self.width)

    def call(self, embedded: Any, mask: Any, drop: Drop | None = None) -> Any:
        """[batch, length, dim], [batch, length] -> [batch, width], the state of the last real position."""
        hidden = self._enter(embedded)
        length = int(hidden.shape[1])
        real = (mask > 0)[:, None, :]
        count = tf.reduce_sum(mask, axis=1)
        newest = tf.cast(tf.maximum(count, 1.0), tf.int32) - 1  # [batch]
        # Bounded by the longest history, which changes nothing that is read: a table of all pairs of columns would
        # otherwise be a constant of the exported file, of 320 kB at 200 items.
        column = tf.minimum(tf.range(length), tf.reduce_max(newest))
        seen = (tf.range(length)[None, :] <= tf.range(length)[:, None])[None] & real
        for number, block in enumerate(self._blocks[:-1]):
            hidden = block.transformed(hidden, hidden, seen, block.by_age(column, length), _at(drop, number))
        # of the last block only one position is wanted
        last = self._blocks[-1]
        asking = tf.reduce_sum(hidden * last_position(mask)[:, :, None], axis=1, keepdims=True)  # [batch, 1, width]
        ages = tf.transpose(last.by_age(newest, length), [1, 0, 2])[:, :, None]  # [batch, ..., 1, length]
        hidden = last.transformed(asking, hidden, real, ages, _at(drop, self.blocks - 1))
        # an empty history has nothing to be read
        return self._leave(hidden)[:, 0] * tf.minimum(count, 1.0)[:, None]

    def every_position(self, embedded: Any, seen: Any, drop: Drop | None = None) -> Any:
        """Several histories in each row -> the state after each of their items: [rows, columns, width].

        Args:
            embedded: float32 [rows, columns, dim].
            seen: bool [rows, columns, columns], which columns are the history of each: itself and those before it, at
                most as many as the length that it was built for.
        """
        hidden = self._enter(embedded)
        columns = int(hidden.shape[1])
        for number, block in enumerate(self._blocks):
            hidden = block.transformed(
                hidden, hidden, seen, block.by_age(np.arange(columns), columns), _at(drop, number)
            )
        return self._leave(hidden)

    def _enter(self, embedded: Any) -> Any:
        # the item's own embedding goes straight in, features beside it are added to it
        hidden = embedded[..., : self.dim]
        if self.width > self.dim:
            hidden = tf.pad(hidden, [[0, 0], [0, 0], [0, self.width - self.dim]])
        return hidden if self.entry is None else hidden + tf.matmul(embedded[..., self.dim :], self.entry.value)

    def _leave(self, hidden: Any) -> Any:
        return _normalised(hidden) * self.last_gain.value

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "dim": self.dim,
            "blocks": self.blocks,
            "heads": self.heads,
            "feed_forward_ratio": self.feed_forward_ratio,
            "smoothing": self.smoothing,
        }


class _Block(keras.layers.Layer):
    """x + mixed(norm(x)), then x + feed_forward(norm(x)); mixed is attention and, with smoothing, what goes by age."""

    def __init__(self, heads: int, feed_forward_ratio: int, smoothing: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.smoothing = smoothing
        self.feed_forward_ratio = feed_forward_ratio

    def build(self, input_shape: Any) -> None:
        _, length, width = input_shape
        inner = self.feed_forward_ratio * width

        def matrix(name: str, rows: int, columns: int) -> Any:
            return self.add_weight(name=name, shape=(rows, columns), initializer="glorot_uniform")

        self.attention_gain = self.add_weight(name="attention_gain", shape=(width,), initializer="ones")
        self.query, self.key, self.value = (matrix(name, width, width) for name in ("query", "key", "value"))
        self.output_matrix = matrix("output", width, width)
        self.recency_bias = self.add_weight(name="recency_bias", shape=(self.heads, length), initializer="zeros")
        if self.smoothing:
            self.smoothing_bias = self.add_weight(
                name="smoothing_bias",
                shape=(self.heads, length),
                initializer=keras.initializers.Constant(self._fading()),
            )
            self.detail_gain = self.add_weight(name="detail_gain", shape=(width,), initializer="ones")
        self.feed_forward_gain = self.add_weight(name="feed_forward_gain", shape=(width,), initializer="ones")
        self.expand, self.contract = matrix("expand", width, inner), matrix("contract", inner, width)
        self.expand_bias = self.add_weight(name="expand_bias", shape=(inner,), initializer="zeros")
        self.contract_bias = self.add_weight(name="contract_bias", shape=(width,), initializer="zeros")
        super().build(input_shape)

    def by_age(self, asking: Any, length: int) -> Any:
        """The numbers that are added where a column asks another: float32 [heads, len(asking), length].

        With smoothing, as many behind these: what the average over ages goes by.

        Args:
            asking: int32, the columns that ask.
            length: columns that are asked, from 0.
        """
        # column 2 asks columns 0 1 2 -> the numbers for 2, 1 and 0 interactions between
        between = tf.convert_to_tensor(asking, tf.int32)[:, None] - tf.range(length)[None, :]
        between = tf.clip_by_value(between, 0, self.recency_bias.shape[1] - 1)
        numbers = self.recency_bias.value
        if self.smoothing:
            numbers = tf.concat([numbers, self.smoothing_bias.value], axis=0)
        return tf.gather(numbers, between, axis=1)

    def transformed(self, asking: Any, hidden: Any, seen: Any, ages: Any, drop: Drop | None) -> Any:
        """float32 [batch, asking, width], [batch, length, width], bool [batch, asking, length] -> as `asking`.

        `ages` are the numbers of `by_age`: [.., asking, length], or with the batch before that.
        """
        gain = self.attention_gain.value
        own, normalised = _normalised(asking) * gain, _normalised(hidden) * gain
        mixed = self._attended(own, normalised, seen, ages[..., : self.heads, :, :], drop)
        if self.smoothing:
            average = self._averaged(normalised, seen, ages[..., self.heads :, :, :])
            detail = (own - average) * self.detail_gain.value
            mixed = (1.0 - self.smoothing) * mixed + self.smoothing * (average + detail)
        asking += _drop(drop, mixed, 1)
        inner = _normalised(asking) * self.feed_forward_gain.value
        inner = tf.nn.relu(self._product(inner, self.expand) + self.expand_bias.value)
        return asking + _drop(drop, self._product(inner, self.contract) + self.contract_bias.value, 2)

    def _attended(self, asking: Any, hidden: Any, seen: Any, recency: Any, drop: Drop | None) -> Any:
        queries = self._heads(self._product(asking, self.query))  # [batch, heads, asking, width / heads]
        keys, values = self._heads(self._product(hidden, self.key)), self._heads(self._product(hidden, self.value))
        scores = tf.matmul(queries, keys, transpose_b=True) * self._each_width() ** -0.5 + recency
        attention = tf.nn.softmax(tf.where(seen[:, None], scores, _UNSEEN))
        found = tf.matmul(_drop(drop, attention, 0), values)
        return self._product(self._together(found, asking), self.output_matrix)

    def _averaged(self, hidden: Any, seen: Any, numbers: Any) -> Any:
        """A mean over the history; each part of the dimensions has its own weights by age."""
        weights = tf.nn.softmax(tf.where(seen[:, None], numbers, _UNSEEN))
        return self._together(tf.matmul(weights, self._heads(hidden)), seen)

    def _fading(self) -> Any:
        """What `smoothing_bias` begins with: means over about 20 items, 3 items and, for further heads, in between."""
        slopes = np.geomspace(_SLOWEST, _FASTEST, self.heads)  # a single head has the slowest
        return -slopes[:, None] * np.arange(self.recency_bias.shape[1])[None, :]

    def _each_width(self) -> int:
        """Of a head."""
        return int(self.query.shape[1]) // self.heads

    def _heads(self, hidden: Any) -> Any:
        """[batch, positions, width] -> [batch, heads, positions, width / heads]."""
        split = tf.reshape(hidden, [tf.shape(hidden)[0], hidden.shape[1], self.heads, self._each_width()])
        return tf.transpose(split, [0, 2, 1, 3])

    def _together(self, apart: Any, like: Any) -> Any:
        """The reverse of `_heads`, for as many positions as `like` has."""
        turned = tf.transpose(apart, [0, 2, 1, 3])
        return tf.reshape(turned, [tf.shape(like)[0], like.shape[1], self.query.shape[1]])

    def _product(self, hidden: Any, matrix: Any) -> Any:
        """[batch, positions, rows] x [rows, columns], as one product of matrices."""
        rows, columns = matrix.shape
        found = tf.matmul(tf.reshape(hidden, [-1, rows]), matrix.value)
        return tf.reshape(found, [tf.shape(hidden)[0], hidden.shape[1], columns])


def _normalised(hidden: Any) -> Any:
    """Root mean square 1 over the last axis (Zhang and Sennrich 2019)."""
    return hidden * tf.math.rsqrt(tf.reduce_mean(tf.square(hidden), axis=-1, keepdims=True) + _EPSILON)


def _drop(drop: Drop | None, value: Any, site: int) -> Any:
    return value if drop is None else drop(value, site)


def _at(drop: Drop | None, block: int) -> Drop | None:
    """Dropout with the sites of a block."""
    if drop is None:
        return None
    return lambda value, site: drop(value, _SITES * block + site)
