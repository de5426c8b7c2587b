"""An independent reader: frames by `struct`, checksums bit by bit, messages by protobuf's own library."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Example = dict[str, list[Any]]
_REPEATED, _OPTIONAL = 3, 1
_BYTES, _FLOAT, _INT64, _STRING, _MESSAGE = 12, 2, 3, 9, 11


@cache
def crc_table() -> list[int]:
    table = []
    for register in range(256):
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
        table.append(register)
    return table


def plain_crc32c(data: bytes) -> int:
    register = 0xFFFFFFFF
    for byte in data:
        register = crc_table()[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    crc = plain_crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def records_of(path: Path) -> list[bytes]:
    """The records of a TFRecord file, every checksum checked."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        length, check = struct.unpack_from("<QI", data, at)
        assert check == masked_crc32c(data[at : at + 8])
        record = data[at + 12 : at + 12 + length]
        assert len(record) == length
        assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked_crc32c(record)
        found.append(record)
        at += 16 + length
    return found


@cache
def example_class() -> Any:
    """tf.Example, from a description of tensorflow/core/example/{example,feature}.proto."""
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="t", syntax="proto3")

    def message(name: str, *fields: tuple[str, int, int, int, str]) -> Any:
        found = file.message_type.add(name=name)
        for title, number, label, kind, type_name in fields:
            found.field.add(name=title, number=number, label=label, type=kind, type_name=type_name or None)
        return found

    message("BytesList", ("value", 1, _REPEATED, _BYTES, ""))
    message("FloatList", ("value", 1, _REPEATED, _FLOAT, ""))
    message("Int64List", ("value", 1, _REPEATED, _INT64, ""))
    kinds = [(f"{name}_list", n, _OPTIONAL, _MESSAGE, f".t.{name.title()}List") for n, name in enumerate_kinds()]
    feature = message("Feature", *kinds)
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    features = message("Features", ("feature", 1, _REPEATED, _MESSAGE, ".t.Features.FeatureEntry"))
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_OPTIONAL, type=_STRING)
    entry.field.add(name="value", number=2, label=_OPTIONAL, type=_MESSAGE, type_name=".t.Feature")
    message("Example", ("features", 1, _OPTIONAL, _MESSAGE, ".t.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))


def enumerate_kinds() -> list[tuple[int, str]]:
    return list(enumerate(("bytes", "float", "int64"), start=1))


def parsed(record: bytes) -> Example:
    message = example_class().FromString(record)
    # the canonical form of a message has no other: minimal varints, packed numbers, keys once
    again = message.SerializeToString(deterministic=True)
    assert again == record
    found = {}
    for key, feature in message.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = list(getattr(feature, kind).value)
        found[key] = [value.decode() for value in values] if kind == "bytes_list" else values
    return found


def examples_of(path: Path) -> list[Example]:
    return [parsed(record) for record in records_of(path)]


@pytest.fixture
def read_examples() -> Callable[[Path], list[Example]]:
    """The function `examples_of`: file -> examples as {feature: values}."""
    return examples_of


@pytest.fixture
def crc() -> Callable[[bytes], int]:
    """The function `plain_crc32c`."""
    return plain_crc32c


@pytest.fixture
def masked_crc() -> Callable[[bytes], int]:
    """The function `masked_crc32c`."""
    return masked_crc32c
