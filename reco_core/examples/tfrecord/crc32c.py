"""CRC-32C (Castagnoli, RFC 3720) of many records at once, and the masked form that TFRecord files use."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78  # bits reversed
_ONES = 0xFFFFFFFF
_MASK_DELTA = 0xA282EAD8  # TFRecord: rotated right by 15 bits, plus this
STEP = 4  # bytes that a table lookup takes in


def crc32c(records: NDArray[np.uint8], lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The checksums of right-aligned records.

    Args:
        records: [records, width], each record at the end of its row and zeros before it; width a multiple of 4.
            The first bytes of the records are changed while this runs, and then put back.
        lengths: [records] bytes of each.
    """
    # A register of zeros stays zero over zeros. So it starts with zeros, whatever the length, and what the real start,
    # all ones, would do to the first four bytes is done to them beforehand.
    cells = _first_bytes(records, lengths)
    flat = records.reshape(-1)
    flat[cells] ^= 0xFF
    words = records.view("<u4").T.copy(order="C")
    flat[cells] ^= 0xFF
    low, high = _tables()
    register: NDArray[np.uint32] = np.zeros(len(records), np.uint32)
    for word in words:
        register ^= word
        register = low[register & np.uint32(0xFFFF)] ^ high[register >> np.uint32(16)]
    # ones that a record of less than four bytes has no bytes for are shifted out of the register unchanged
    short = np.minimum(lengths, STEP).astype(np.uint64)
    left = (np.uint64(_ONES) >> (8 * short)).astype(np.uint32)
    return register ^ left ^ np.uint32(_ONES)


def masked(checksums: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The form in which TFRecord files hold checksums."""
    turned = (checksums >> np.uint32(15)) | (checksums << np.uint32(17))
    return turned + np.uint32(_MASK_DELTA)


def _first_bytes(records: NDArray[np.uint8], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places, in the flat array, of each record's first four bytes, or of all it has."""
    width = records.shape[1]
    ends = np.arange(1, len(records) + 1) * width
    cells = (ends - lengths)[:, None] + np.arange(STEP)
    first: NDArray[np.int64] = cells[cells < ends[:, None]]
    return first


@cache
def _tables() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """What the low and the high half of a register become after four bytes: uint32 [65536] each."""
    by_distance = [_after_one_byte()]
    for _ in range(STEP - 1):
        before = by_distance[-1]
        by_distance.append(by_distance[0][before & 0xFF] ^ (before >> 8))
    halves = np.arange(1 << 16)
    first, second = halves & 0xFF, halves >> 8
    return by_distance[3][first] ^ by_distance[2][second], by_distance[1][first] ^ by_distance[0][second]


def _after_one_byte() -> NDArray[np.uint32]:
    register: NDArray[np.uint32] = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        register = (register >> np.uint32(1)) ^ (register & np.uint32(1)) * np.uint32(_POLYNOMIAL)
    return register
