"""Bytes as ranges of a pool: many short byte strings put together without a loop over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_VARINT = 10  # bytes of a 64-bit varint
_AT_ONCE = 1 << 17  # interactions; what a step needs in between stays in the cache


@dataclass(frozen=True)
class Runs:
    """Byte strings one after the other: number i is `data[offsets[i]:offsets[i + 1]]`."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]  # [strings + 1]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[strings] bytes of each."""
        return np.diff(self.offsets)

    @classmethod
    def of_lengths(cls, data: NDArray[np.uint8], lengths: NDArray[np.int64]) -> Runs:
        """From the length of each string."""
        return cls(data, offsets_of(lengths))

    def take(self, which: NDArray[np.int32] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """The strings of these numbers, one after the other."""
        begins = self.offsets[which]
        return ranges(self.data, begins, self.offsets[which + 1] - begins)


def offsets_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """0 and the running sums: [n + 1]."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def ranges(data: NDArray[Any], begins: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[Any]:
    """`data[b:b + n]` of every pair, one after the other. Both arrays may have any shape; rows come first."""
    begins, lengths = begins.reshape(-1), lengths.reshape(-1)
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    cells = np.repeat(begins - (ends - lengths), lengths)
    cells += np.arange(total)
    return data.take(cells)


def encoded_bytes(text: str) -> bytes:
    """An element of a BytesList: field 1, the length, the bytes."""
    content = text.encode()
    return b"\x0a" + varints(np.array([len(content)])).data.tobytes() + content


def texts(strings: list[bytes]) -> Runs:
    """Given byte strings."""
    lengths = np.fromiter(map(len, strings), np.int64, len(strings))
    return Runs.of_lengths(np.frombuffer(b"".join(strings), np.uint8), lengths)


def varints(values: NDArray[np.int64]) -> Runs:
    """Each number as protobuf writes an int64: seven bits a byte, the lowest first; ten bytes for negative ones."""
    bits = values.astype(np.int64).view(np.uint64)
    lengths = np.ones(len(bits), np.int64)
    for more in range(1, _MOST_VARINT):
        longer = bits >> np.uint64(7 * more) != 0
        if not longer.any():
            break
        lengths += longer
    columns = np.arange(int(lengths.max(initial=1)))
    digits = ((bits[:, None] >> (7 * columns.astype(np.uint64))) & np.uint64(0x7F)).astype(np.uint8)
    digits[columns < (lengths - 1)[:, None]] |= 0x80
    return Runs.of_lengths(digits[columns < lengths[:, None]], lengths)


@dataclass(frozen=True)
class Piece:
    """For each example a range of the pool."""

    begins: NDArray[np.int64]  # [examples]
    lengths: NDArray[np.int64]  # [examples]


@dataclass(frozen=True)
class Stream:
    """A feature's values of all interactions in the pool, in the order of the timelines."""

    base: int
    offsets: NDArray[np.int32] | NDArray[np.int64] | None  # [interactions + 1]; None: `width` bytes each
    width: int = 0

    def piece(self, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> Piece:
        """The values of the interactions from `begins` to before `ends`."""
        if self.offsets is None:
            return Piece(self.base + self.width * begins, self.width * (ends - begins))
        first = self.offsets[begins].astype(np.int64)
        return Piece(self.base + first, self.offsets[ends] - first)


@dataclass(frozen=True)
class Entries:
    """Where the parts of a stream's values begin: interaction i has the parts `at[i]` to before `at[i + 1]`."""

    at: NDArray[np.int32] | NDArray[np.int64]  # [interactions + 1]
    bounds: NDArray[np.int32] | NDArray[np.int64]  # [parts + 1] bytes since the stream's begin


class PoolBuilder:
    """Collects what goes into a pool, which is then written once, in place: nothing is held twice."""

    def __init__(self) -> None:
        self._fill: list[tuple[int, int, Callable[[NDArray[np.uint8]], None]]] = []
        self._size = 0

    def add(self, data: NDArray[np.uint8]) -> int:
        """Given bytes; where they begin."""
        return self.reserve(len(data), lambda out: np.copyto(out, data))

    def add_floats(self, values: NDArray[np.float32]) -> Stream:
        """Numbers of four bytes, one an interaction."""
        data = values.astype("<f4", copy=False)
        return Stream(self.reserve(4 * len(data), lambda out: np.copyto(out.view("<f4"), data)), None, 4)

    def add_stream(self, runs: Runs, codes: NDArray[np.int32]) -> Stream:
        """For each interaction the byte string of its item."""
        offsets = compact_offsets(runs.lengths, codes)

        def fill(out: NDArray[np.uint8]) -> None:
            for part in _parts(len(codes)):
                out[offsets[part.start] : offsets[part.stop]] = runs.take(codes[part])

        return Stream(self.reserve(int(offsets[-1]), fill), offsets)

    @staticmethod
    def bounds(counts: NDArray[np.int64], sizes: NDArray[np.int64], codes: NDArray[np.int32]) -> Entries:
        """Where the parts of each interaction's string begin.

        Args:
            counts: [items] parts of each item's string.
            sizes: [parts of all items] bytes of each part.
        """
        at = compact_offsets(counts, codes)
        begins = offsets_of(counts)
        of_all = np.empty(int(at[-1]), np.int32)
        for part in _parts(len(codes)):
            which = codes[part]
            of_all[at[part.start] : at[part.stop]] = ranges(sizes, begins[which], counts[which])
        return Entries(at, compact_offsets(of_all))

    def reserve(self, size: int, fill: Callable[[NDArray[np.uint8]], None] = lambda _: None) -> int:
        """Room for `size` bytes that `fill` will write; where it begins."""
        begin = self._size
        # floats are written as such, and so begin at a multiple of four
        self._size += -(-size // 4) * 4
        self._fill.append((begin, size, fill))
        return begin

    def build(self) -> NDArray[np.uint8]:
        """The pool."""
        pool = np.zeros(self._size, np.uint8)
        for begin, size, fill in self._fill:
            fill(pool[begin : begin + size])
        self._fill.clear()
        return pool


def compact_offsets(
    lengths: NDArray[Any], which: NDArray[np.int32] | None = None
) -> NDArray[np.int32] | NDArray[np.int64]:
    """0 and the running sums of `lengths[which]`, in four bytes each where the last one fits."""
    count = len(lengths) if which is None else len(which)
    total = int(lengths.sum(dtype=np.int64))
    if which is not None:
        total = int(np.bincount(which, minlength=len(lengths)).astype(np.int64) @ lengths.astype(np.int64))
    offsets: NDArray[Any] = np.zeros(count + 1, np.int32 if total < 2**31 else np.int64)
    for part in _parts(count):
        chosen = lengths[part] if which is None else lengths[which[part]]
        np.cumsum(chosen, out=offsets[part.start + 1 : part.stop + 1])
        offsets[part.start + 1 : part.stop + 1] += offsets[part.start]
    return offsets


def _parts(count: int) -> list[slice]:
    return [slice(begin, min(begin + _AT_ONCE, count)) for begin in range(0, count, _AT_ONCE)]
