"""Positions of left-aligned histories, and of several histories in one row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

# (value, site) -> value with dropout; every place in an encoder has a site of its own, from 0
Drop = Callable[[Any, int], Any]


def last_position(mask: Any) -> Any:
    """float32 [batch, length], ones and then zeros -> 1 at the last real position, 0 elsewhere."""
    # mask 1 1 0 -> [0 1 0]
    return mask - tf.pad(mask[:, 1:], [[0, 0], [0, 1]])
