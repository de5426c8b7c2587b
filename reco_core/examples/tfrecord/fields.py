"""tf.Example messages, by hand: https://protobuf.dev/programming-guides/encoding and tensorflow/core/example/*.proto.

    Example      { Features features = 1 }
    Features     { map<string, Feature> feature = 1 }      an entry is { string key = 1; Feature value = 2 }
    Feature      { BytesList = 1 | FloatList = 2 | Int64List = 3 }
    BytesList    { repeated bytes value = 1 }              FloatList, Int64List: the same, packed

Around the values stand only field numbers and lengths, each message's before its content. The lengths depend on the
example; everything else is constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reco_core.examples.tfrecord.pool import Piece, Runs, offsets_of, ranges, varints

_FIRST, _SECOND, _THIRD = b"\x0a", b"\x12", b"\x1a"  # field numbers 1, 2 and 3 of wire type 2: a length follows
_KINDS = {"bytes": (_FIRST,), "float": (_FIRST, _SECOND), "int64": (_FIRST, _THIRD)}
EXAMPLE = (_FIRST,)


@dataclass(frozen=True)
class Window:
    """The examples of a block: the context is `[begins, ends)` of the timelines, the label stands at `ends`."""

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)


@dataclass(frozen=True)
class Field:
    """A feature of the examples: its name, its kind, which bytes of the pool its values are, and how many at most."""

    key: str
    kind: Literal["bytes", "float", "int64"]
    content: Callable[[Window], Sequence[Piece]]
    most_bytes: int

    @property
    def layers(self) -> tuple[bytes, ...]:
        """What stands before the length of each message around the values, from the inside out."""
        key = self.key.encode()
        return (*_KINDS[self.kind], _FIRST + bytes([len(key)]) + key + _SECOND, _FIRST)


def headers(content: NDArray[np.int64], layers: Sequence[bytes]) -> tuple[Runs, NDArray[np.int64]]:
    """What stands before contents of these lengths in nested messages, and the lengths with it.

    Args:
        content: [examples] bytes.
        layers: what stands before the length of each message, from the inside out.
    """
    pool: list[NDArray[np.uint8]] = []
    size = 0
    pieces: list[Piece] = []
    whole = content.astype(np.int64)
    for layer in layers:
        numbers = varints(whole)
        constant = np.full(len(whole), len(layer), np.int64)
        # outer messages come first
        pieces[:0] = [
            Piece(np.full(len(whole), size, np.int64), constant),
            Piece(size + len(layer) + numbers.offsets[:-1], numbers.lengths),
        ]
        pool += [np.frombuffer(layer, np.uint8), numbers.data]
        size += len(layer) + len(numbers.data)
        whole = whole + constant + numbers.lengths
    data = ranges(np.concatenate(pool), side_by_side(pieces, "begins"), side_by_side(pieces, "lengths"))
    return Runs(data, offsets_of(whole - content)), whole


def side_by_side(pieces: Sequence[Piece], name: Literal["begins", "lengths"]) -> NDArray[np.int64]:
    """[examples, pieces]."""
    return np.stack([getattr(piece, name) for piece in pieces], axis=1)
