"""The vectorised checksum beside RFC 3720's test vectors and a plain one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reco_core.examples.tfrecord.crc32c import crc32c, masked


def right_aligned(records: list[bytes], more: int = 0) -> tuple[np.ndarray, np.ndarray]:
    width = -(-max(map(len, records)) // 4) * 4 + 4 * more
    matrix = np.zeros((len(records), width), np.uint8)
    for row, record in zip(matrix, records, strict=True):
        row[width - len(record) :] = np.frombuffer(record, np.uint8)
    return matrix, np.array([len(record) for record in records])


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"a", 0xC1D04330),
        (b"", 0),
    ],
)
def test_known_checksums(record, expected):
    matrix, lengths = right_aligned([record], more=1)
    assert crc32c(matrix, lengths).tolist() == [expected]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20), st.integers(0, 2))
def test_records_of_all_lengths_at_once(crc, records, more):
    matrix, lengths = right_aligned(records, more)
    before = matrix.copy()
    assert crc32c(matrix, lengths).tolist() == [crc(record) for record in records]
    assert np.array_equal(matrix, before)


def test_the_masked_form(masked_crc, crc):
    records = [b"", b"a", b"123456789", bytes(32)]
    numbers = np.array([crc(record) for record in records], np.uint32)
    assert masked(numbers).tolist() == [masked_crc(record) for record in records]
