"""The examples of a step divided among the cores: each core computes the gradient of its share, then they are added.

A program can also have each of its operations worked on by all cores. Of a step's hundreds of operations most are so
small that the cores would wait for each other longer than they work; here they wait twice a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

_LEAST = 64  # examples for which a share is worth the call of a program


def shares_for(examples: int, rows: int) -> int:
    """Into how many shares a step of so many examples in so many rows is divided: one for each core, or fewer."""
    cores = tf.config.threading.get_inter_op_parallelism_threads() or 1
    shares = max(1, min(cores, rows, examples // _LEAST))
    # 5 rows, 4 cores -> 3 shares of 2 rows: as soon done as 4 of 2, with a row of padding instead of three
    return math.ceil(rows / math.ceil(rows / shares))


def filled_up(order: Any, shares: int) -> Any:
    """A step's part of `order`, int32 [rows, ...], with padding behind it so that all shares have as many rows."""
    missing = -order.shape[0] % shares
    return tf.pad(order, [[0, missing], *[[0, 0]] * (len(order.shape) - 1)], constant_values=-1)


def values_of(variables: Sequence[Any]) -> list[Any]:
    """What variables hold now, as tensors: a program that reads no variable can run beside others."""
    return [tf.convert_to_tensor(variable.value) for variable in variables]


@contextmanager
def standing_for(variables: Sequence[Any], values: Sequence[Any]) -> Iterator[None]:
    """Within it, layers compute with `values` where they would read their variables."""
    with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
        yield


def added(gradients: Callable[..., list[Any]], shares: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What `gradients` gives for each share, added in the order of the shares; they run side by side."""
    found = [gradients(*share) for share in shares]
    return [tf.add_n(list(parts)) for parts in zip(*found, strict=True)]
