"""Dropout whose random numbers cost next to nothing.

Drawn by Philox, as TensorFlow's stateless functions do, they took half of a transformer's training step: 10 ns each,
against .1 ns for the hash below, which XLA computes eight at a time in the loop that uses them. Dropout needs bits that
look random, not a generator that passes every test of one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

_WEYL = np.uint32(0x9E3779B9)  # 2 ** 32 over the golden ratio: counting in its steps visits all numbers
# of "lowbias32", found by search for multiplications and shifts after which each bit in changes each bit out evenly
_FIRST, _SECOND = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_BITS = 24  # compared with the rate


def dropout(value: Any, rate: float, seed: Any, number: Any) -> Any:
    """`value`, each element with the probability `rate` set to 0, the others divided by 1 - `rate`.

    The same seed, number and shape always choose the same elements.

    Args:
        value: float32 of any shape.
        seed: int32 scalar, the run's and the place's.
        number: int32 scalar, the step's.
    """
    stream = _mixed(tf.cast(seed, tf.uint32) * _WEYL + _mixed(tf.cast(number, tf.uint32) + np.uint32(1)))
    shape = tf.shape(value)
    static = value.shape.as_list()
    count = math.prod(static) if None not in static else tf.reduce_prod(shape)
    drawn = _mixed(tf.cast(tf.range(count), tf.uint32) * _WEYL + stream)
    kept = tf.cast(tf.bitwise.right_shift(drawn, np.uint32(32 - _BITS)), tf.int32) >= round(rate * 2**_BITS)
    return value * tf.reshape(tf.where(kept, 1.0 / (1.0 - rate), 0.0), shape)


def _mixed(numbers: Any) -> Any:
    """uint32 -> uint32 in which every bit depends on all."""
    numbers = tf.bitwise.bitwise_xor(numbers, tf.bitwise.right_shift(numbers, np.uint32(16))) * _FIRST
    numbers = tf.bitwise.bitwise_xor(numbers, tf.bitwise.right_shift(numbers, np.uint32(15))) * _SECOND
    return tf.bitwise.bitwise_xor(numbers, tf.bitwise.right_shift(numbers, np.uint32(16)))
