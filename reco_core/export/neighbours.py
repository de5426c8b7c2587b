"""The neighbour head as built-in operations: two whole-number tables, gathered, and one scatter."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from reco_core.model import NeighbourHead

_MOST_INT16 = 2**15 - 1


class NeighbourTable(tf.Module):
    """What `NeighbourHead.add_to` computes, for a history of a fixed length and a batch of one.

    The tables stay whole numbers in every variant: converters quantize floating-point constants only.
    """

    def __init__(self, head: NeighbourHead, history_length: int) -> None:
        super().__init__(name="neighbours")
        width = tf.int16 if head.items <= _MOST_INT16 else tf.int32
        self._followers = tf.constant(head.followers, width)
        self._codes = tf.constant(head.codes)
        # the root goes to the codes, since the scale itself may be too small a number for float16
        self._root = tf.constant(np.sqrt(head.scale), tf.float32)
        self._decays = tf.constant(np.power(head.decay, np.arange(history_length)), tf.float32)
        self._size = head.items + 1

    def scores(self, history: Any) -> Any:
        """int32 [1, L] item indices, left-aligned -> float32 [1, V + 1] what is added, padding first."""
        # 7 5 0 0 -> ages 1 0 0 0; what stands at padding has codes of 0
        count = tf.reduce_sum(tf.cast(history > 0, tf.int32), axis=1, keepdims=True)
        ages = tf.maximum(count - 1 - tf.range(history.shape[1]), 0)
        roots = tf.cast(tf.gather(self._codes, history), tf.float32) * self._root  # [1, L, F]
        added = tf.square(roots) * tf.gather(self._decays, ages)[:, :, None]
        items = tf.cast(tf.gather(self._followers, history), tf.int32)
        # of an item that comes twice the values are summed
        return tf.scatter_nd(tf.reshape(items, [-1, 1]), tf.reshape(added, [-1]), [self._size])[None]
