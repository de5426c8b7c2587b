"""The item table in a file's graph: rows for the history, products for the scores."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from reco_core.export.row_codes import MOST, RowCodes
from reco_core.model import DualEncoder


class ItemTable(Protocol):
    """What the signatures need of it. One constant serves both."""

    def rows(self, indices: Any) -> Any:
        """int32 [1, L] item indices -> float32 [1, L, dim]; 0 gives zeros."""

    def scores(self, context: Any, added: Any = None) -> Any:
        """float32 [1, dim], and [1, V + 1] to be added, padding first -> float32 [1, V] in index order."""


def rows_and_biases(model: DualEncoder) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """float32 [V + 1, dim] and [V + 1]: attributes are folded in, and row 0, of zeros, stands for padding."""
    rows, biases = model.label_encoder.rows().numpy(), model.label_encoder.biases().numpy()
    return np.pad(rows, [(1, 0), (0, 0)]), np.pad(biases, (1, 0))


class FloatTable(tf.Module):
    """Rows and biases as they are; a converter may halve them."""

    def __init__(self, rows: NDArray[np.float32], biases: NDArray[np.float32]) -> None:
        """Of float32 [V + 1, dim] and [V + 1]."""
        super().__init__(name="items")
        self.table = tf.Variable(rows, trainable=False, name="table")
        self.bias = tf.Variable(biases[1:], trainable=False, name="bias")

    def rows(self, indices: Any) -> Any:
        """As `ItemTable` says."""
        return tf.gather(self.table, indices)

    def scores(self, context: Any, added: Any = None) -> Any:
        """As `ItemTable` says."""
        # the whole table, so that gather and product share one constant; padding's column is cut off
        products = tf.matmul(context, self.table, transpose_b=True)  # [1, V + 1]
        if added is not None:
            products = products + added
        return products[:, 1:] + self.bias


class CodedTable(tf.Module):
    """Codes of eight bits, which a file keeps as they are: a byte each, bias and scale of a row as columns of it.

    Until it is written they are float32, and between -1 and 1, so that float16 can hold them too.
    """

    def __init__(self, coded: RowCodes) -> None:
        super().__init__(name="items")
        self.codes = coded.codes
        self.scale = 1 / MOST  # the constant is `codes * scale`
        self.table = tf.Variable(coded.codes * np.float32(self.scale), trainable=False, name="table")
        self._dim = coded.codes.shape[1] - 2
        self._largest = np.float32(coded.largest)
        self._constant = np.float32(coded.constant)

    def rows(self, indices: Any) -> Any:
        """As `ItemTable` says."""
        found = tf.gather(self.table, indices)  # [1, L, dim + 2]
        return found[:, :, : self._dim] * (found[:, :, self._dim + 1 :] * self._largest)

    def scores(self, context: Any, added: Any = None) -> Any:
        """As `ItemTable` says."""
        known = tf.concat([context, tf.fill([1, 1], self._constant)], axis=1)  # [1, dim + 1]
        coarse = _on_grid(known)
        # Three products with the table at once: of the context on the grid to which the kernel would round it, of what
        # is then missing, on a grid 255 times as fine, and of what picks the scales' column.
        picking = np.zeros((1, self._dim + 2), np.float32)
        picking[0, -1] = self._largest
        left = tf.concat([tf.pad(tf.concat([coarse, known - coarse], axis=0), [[0, 0], [0, 1]]), picking], axis=0)
        products = tf.matmul(left, self.table, transpose_b=True)  # [3, V + 1]
        scores = (products[0:1] + products[1:2]) * products[2:3]
        if added is not None:
            scores = scores + added
        return scores[:, 1:]


def _on_grid(vector: Any) -> Any:
    """float32 [1, n] with a number above 0 -> the same shape, rounded as a product with eight-bit weights rounds it.

    The kernel puts 255 steps between the smallest number, or 0, and the largest, and 0 is on its grid. What is on this
    grid already it takes as it is.
    """
    # -1 .. 4.1: a step is .02, and both ends are rounded alike, to -50 and 205
    smallest = tf.minimum(tf.reduce_min(vector, axis=1, keepdims=True), 0.0)
    step = _by_255(tf.reduce_max(vector, axis=1, keepdims=True) - smallest)
    return tf.round(vector / step) * step


def _by_255(value: Any) -> Any:
    """A 255th. Converters multiply by 1 / 255, which as float16 is off by a 20th of a step at the far end."""
    # 1 / 255 = 1 / 256 + 1 / 256 ** 2 + 1 / 256 ** 3 + ..., and float16 holds powers of two
    first = value * 2.0**-8
    second = first * 2.0**-8
    return first + (second + second * 2.0**-8)
