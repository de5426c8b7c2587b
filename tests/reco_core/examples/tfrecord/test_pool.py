"""Byte strings as ranges, varints, and headers around contents: each beside a plain loop, or protobuf's own encoder."""

from __future__ import annotations

import numpy as np
from google.protobuf.internal import encoder
from hypothesis import given
from hypothesis import strategies as st

from reco_core.examples.tfrecord import pool
from reco_core.examples.tfrecord.fields import Field, headers
from reco_core.examples.tfrecord.framing import frame

int64s = st.integers(-(2**63), 2**63 - 1)


def varint(number: int) -> bytes:
    out: list[bytes] = []
    encoder._EncodeSignedVarint(out.append, number)
    return b"".join(out)


@given(st.lists(st.one_of(int64s, st.integers(0, 300)), max_size=30))
def test_varints_are_protobufs(numbers):
    runs = pool.varints(np.array(numbers, np.int64))
    assert runs.data.tobytes() == b"".join(map(varint, numbers))
    assert runs.lengths.tolist() == [len(varint(number)) for number in numbers]


@given(st.binary(min_size=1, max_size=50), st.lists(st.tuples(st.integers(0, 49), st.integers(0, 10)), max_size=20))
def test_ranges_are_slices(data, pairs):
    pairs = [(min(begin, len(data)), length) for begin, length in pairs]
    pairs = [(begin, min(length, len(data) - begin)) for begin, length in pairs]
    begins, lengths = np.array(pairs, np.int64).reshape(-1, 2).T
    found = pool.ranges(np.frombuffer(data, np.uint8), begins, lengths)
    assert found.tobytes() == b"".join(data[begin : begin + length] for begin, length in pairs)


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=8), st.data())
def test_a_stream_holds_each_interactions_string(strings, data):
    codes = np.array(data.draw(st.lists(st.integers(0, len(strings) - 1), min_size=1, max_size=30)), np.int32)
    builder = pool.PoolBuilder()
    builder.add(np.ones(3, np.uint8))
    stream = builder.add_stream(pool.texts(strings), codes)
    floats = builder.add_floats(codes.astype(np.float32) / 2)
    whole = builder.build()
    begin = data.draw(st.integers(0, len(codes)))
    end = data.draw(st.integers(begin, len(codes)))
    window = np.array([begin]), np.array([end])
    piece, quarter = stream.piece(*window), floats.piece(*window)
    assert pool.ranges(whole, piece.begins, piece.lengths).tobytes() == b"".join(strings[c] for c in codes[begin:end])
    taken = pool.ranges(whole, quarter.begins, quarter.lengths).view("<f4")
    assert taken.tolist() == (codes[begin:end] / 2).tolist()


def test_many_interactions_are_filled_in_steps(monkeypatch):
    monkeypatch.setattr(pool, "_AT_ONCE", 7)
    codes = np.random.default_rng(0).integers(0, 3, 100).astype(np.int32)
    strings = [b"", b"ab", b"cde"]
    builder = pool.PoolBuilder()
    stream = builder.add_stream(pool.texts(strings), codes)
    entries = builder.bounds(np.array([0, 2, 1]), np.array([1, 1, 3]), codes)
    assert builder.build()[: stream.offsets[-1]].tobytes() == b"".join(strings[code] for code in codes)
    assert np.array_equal(np.diff(entries.at), np.array([0, 2, 1])[codes])
    assert entries.bounds[-1] == stream.offsets[-1]


def test_offsets_beyond_four_bytes_are_kept_in_eight():
    lengths = np.full(5, 2**29)
    assert pool.compact_offsets(lengths[:3]).dtype == np.int32
    found = pool.compact_offsets(lengths)
    assert found.dtype == np.int64
    assert found[-1] == 5 * 2**29


@given(st.lists(st.integers(0, 2**22), min_size=1, max_size=10), st.sampled_from(["bytes", "float", "int64"]))
def test_headers_nest_messages(lengths, kind):
    found, whole = headers(np.array(lengths), Field("näme", kind, lambda _: [], 0).layers)
    tag = {"bytes": b"\x0a", "float": b"\x12", "int64": b"\x1a"}[kind]
    for number, length in enumerate(lengths):
        head = b"\x0a" + varint(length) if kind != "bytes" else b""
        head = tag + varint(length + len(head)) + head
        head = b"\x0a" + varint(len("näme".encode())) + "näme".encode() + b"\x12" + varint(length + len(head)) + head
        head = b"\x0a" + varint(length + len(head)) + head
        assert found.data[found.offsets[number] : found.offsets[number + 1]].tobytes() == head
        assert whole[number] == length + len(head)


@given(st.lists(st.binary(max_size=30), max_size=12))
def test_frames_hold_length_and_checksums(records):
    lengths = np.array([len(record) for record in records], np.int64)
    framed = frame(np.frombuffer(b"".join(records), np.uint8), lengths).tobytes()
    at = 0
    for record in records:
        assert framed[at : at + 8] == len(record).to_bytes(8, "little")
        assert framed[at + 12 : at + 12 + len(record)] == record
        at += 16 + len(record)
    assert at == len(framed)
