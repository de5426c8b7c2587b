"""A block of examples as tf.Example messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reco_core.examples.tfrecord.fields import EXAMPLE, Field, Window, headers, side_by_side
from reco_core.examples.tfrecord.pool import Piece, PoolBuilder, Runs, ranges

BLOCK = 4096  # examples at most; of the usual few hundred bytes each, which then fit into the cache
_BLOCK_BYTES = 1 << 23  # of a block's messages at most; what is worked out beside them takes some fifteen times as much
_MOST_HEADER = 64 + 4 * 5  # names of features are shorter than 50 letters; four lengths of at most five bytes


class Serializer:
    """Writes examples from a pool, a scratch in which takes the headers of a block.

    Attributes:
        block: how many examples it takes at once, so that memory doesn't grow with their length.
    """

    def __init__(self, pool: PoolBuilder, fields: Sequence[Field]) -> None:
        self._fields = fields
        largest = sum(field.most_bytes + _MOST_HEADER for field in fields) + _MOST_HEADER
        self.block = max(1, min(BLOCK, _BLOCK_BYTES // largest))
        self._scratch = pool.reserve(self.block * (len(fields) + 1) * _MOST_HEADER)
        self._pool = pool.build()

    def messages(self, window: Window) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """At most `block` examples: their bytes one after the other, and how many each has."""
        pieces: list[Piece] = []
        total = np.zeros(len(window), np.int64)
        free = self._scratch
        for field in self._fields:
            content = field.content(window)
            inner = np.sum([piece.lengths for piece in content], axis=0)
            head, whole = headers(inner, field.layers)
            pieces += [self._put(head, free), *content]
            free += len(head.data)
            total += whole
        head, whole = headers(total, EXAMPLE)
        pieces.insert(0, self._put(head, free))
        return ranges(self._pool, side_by_side(pieces, "begins"), side_by_side(pieces, "lengths")), whole

    def _put(self, head: Runs, at: int) -> Piece:
        self._pool[at : at + len(head.data)] = head.data
        return Piece(at + head.offsets[:-1], head.lengths)
