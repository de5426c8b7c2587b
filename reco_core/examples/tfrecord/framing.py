"""TFRecord's frame: length, its checksum, the record, its checksum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reco_core.examples.tfrecord.crc32c import STEP, crc32c, masked

_HEAD = 12  # uint64 length, uint32 checksum of its bytes
_FOOT = 4  # uint32 checksum of the record


def frame(records: NDArray[np.uint8], lengths: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The bytes of a file with these records.

    Args:
        records: all records, one after the other.
        lengths: [records] bytes of each, the sum of which is `len(records)`.

    Returns:
        uint8 [bytes].
    """
    if not len(lengths):
        return np.empty(0, np.uint8)
    # rows of equal width, the records at their ends: then all checksums are worked out column by column
    longest = -(-int(lengths.max()) // STEP) * STEP
    width = _HEAD + longest + _FOOT
    rows = np.zeros((len(lengths), width), np.uint8)
    columns = np.arange(width)
    begins = width - _FOOT - lengths
    inside = columns >= begins[:, None]
    inside[:, -_FOOT:] = False
    rows[inside] = records
    body = np.ascontiguousarray(rows[:, _HEAD:-_FOOT])
    rows[:, -_FOOT:] = _little_endian(masked(crc32c(body, lengths)))
    heads = np.empty((len(lengths), _HEAD), np.uint8)
    heads[:, :8] = lengths.astype("<u8").view(np.uint8).reshape(-1, 8)
    eights = np.full(len(lengths), 8, np.int64)
    heads[:, 8:] = _little_endian(masked(crc32c(np.ascontiguousarray(heads[:, :8]), eights)))
    cells = (np.arange(len(lengths)) * width + begins - _HEAD)[:, None] + np.arange(_HEAD)
    rows.reshape(-1)[cells] = heads
    framed: NDArray[np.uint8] = rows[columns >= (begins - _HEAD)[:, None]]
    return framed


def _little_endian(numbers: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return numbers.astype("<u4").view(np.uint8).reshape(-1, 4)
