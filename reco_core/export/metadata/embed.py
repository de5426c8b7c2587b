"""Puts metadata into a model file without touching what is there.

A FlatBuffer's references only point forward, and FlatBuffers are built from their end. So the old file stays as it
is, byte for byte, and a new root goes before it: a table Model that refers to the old operator codes, subgraphs,
signatures and buffers, and to one buffer more. Unpacking and packing again with the generated classes would copy all
weights as Python objects and lose their alignment.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from reco_core import stored_zip
from reco_core.export.metadata.tables import metadata_bytes
from reco_core.export.metadata.texts import AssociatedFile, ModelText

METADATA_NAME = "TFLITE_METADATA"  # by which readers find the buffer
_FILE_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # of buffers in the schema of models; positions in the old file keep theirs
# Fields of the table Model by number. All but the version are references.
_MODEL_FIELDS = 8
_VERSION, _BUFFERS, _METADATA = 0, 4, 6
_LENGTH = 4  # bytes of a vector's length


def add_metadata(content: bytes, text: ModelText, max_bytes: int | None = None) -> bytes:
    """A model file that computes what `content` does, says what `text` says and holds its files.

    The associated files stand in a zip after the model, stored, with fixed times: `zipfile` opens the whole file, and
    runtimes read only the model at its start. The same arguments give the same bytes.

    Args:
        max_bytes: a budget. Where `content` keeps to it and the result wouldn't, `content` is returned: what a file
            says of itself must not cost a better model its place.

    Raises:
        ValueError: `content` isn't a plain model file, has metadata already, or `text` doesn't fit it.
    """
    if not schema.Model.ModelBufferHasIdentifier(content, 0):
        raise ValueError("not a TensorFlow Lite model file")
    model = schema.Model.GetRootAs(content)
    _require_plain(model)
    described = _with_zip(_with_buffer(content, model, metadata_bytes(model, text)), text.files)
    return content if max_bytes is not None and len(content) <= max_bytes < len(described) else described


def _require_plain(model: Any) -> None:
    names = [model.Metadata(number).Name() for number in range(model.MetadataLength())]
    if METADATA_NAME.encode() in names:
        raise ValueError("the model has metadata already")
    if _field_count(model) > _MODEL_FIELDS:
        raise ValueError("the model's root has fields of a later schema, which would be lost")
    buffers = (model.Buffers(number) for number in range(model.BuffersLength()))
    if any(buffer.Offset() > 1 for buffer in buffers):  # by position in the file, as in those over 2 GB
        raise ValueError("the model keeps weights outside of its FlatBuffer")


def _with_buffer(content: bytes, model: Any, metadata: bytes) -> bytes:
    """`content` behind a new root, which has `metadata` as its last buffer."""
    old = content + bytes(-len(content) % _ALIGNMENT)
    builder = flatbuffers.Builder(len(old) + len(metadata) + 4 * model.BuffersLength() + 1024)
    start = builder.CreateByteVector(old) - _LENGTH  # offsets count from the end of the file to be

    def place(position: int) -> int:
        return int(start - position)

    builder.StartVector(1, len(metadata), _ALIGNMENT)
    for byte in reversed(metadata):
        builder.PrependByte(byte)
    data = builder.EndVector()
    schema.BufferStart(builder)
    schema.BufferAddData(builder, data)
    buffer = schema.BufferEnd(builder)
    buffers = _extended(builder, model, _BUFFERS, place, buffer)

    name = builder.CreateString(METADATA_NAME)
    schema.MetadataStart(builder)
    schema.MetadataAddName(builder, name)
    schema.MetadataAddBuffer(builder, model.BuffersLength())
    entry = schema.MetadataEnd(builder)
    entries = _extended(builder, model, _METADATA, place, entry)

    builder.StartObject(_MODEL_FIELDS)
    builder.PrependUint32Slot(_VERSION, model.Version(), 0)
    for number in range(1, _MODEL_FIELDS):
        position = _reference(model, number)
        if number in (_BUFFERS, _METADATA):
            builder.PrependUOffsetTRelativeSlot(number, buffers if number == _BUFFERS else entries, 0)
        elif position:
            builder.PrependUOffsetTRelativeSlot(number, place(position), 0)
    builder.Finish(builder.EndObject(), file_identifier=_FILE_IDENTIFIER)
    return bytes(builder.Output())


def _extended(builder: Any, model: Any, number: int, place: Callable[[int], int], last: int) -> int:
    """A vector of what the model's vector of tables in field `number` refers to, and of `last`."""
    begin = _reference(model, number)
    length = _unsigned(model, begin) if begin else 0
    positions = (begin + _LENGTH + 4 * index for index in range(length))
    offsets = [*(place(position + _unsigned(model, position)) for position in positions), last]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _reference(model: Any, number: int) -> int:
    """Position that a field of the table Model refers to; 0: the field isn't there."""
    table = model._tab
    offset = table.Offset(4 + 2 * number)
    return int(table.Indirect(table.Pos + offset)) if offset else 0


def _field_count(model: Any) -> int:
    """Fields that the table Model has room for, from the size of its vtable."""
    table = model._tab
    vtable = table.Pos - table.Get(flatbuffers.number_types.SOffsetTFlags, table.Pos)
    return (int(table.Get(flatbuffers.number_types.VOffsetTFlags, vtable)) - 4) // 2


def _unsigned(model: Any, position: int) -> int:
    return int(model._tab.Get(flatbuffers.number_types.Uint32Flags, position))


def _with_zip(content: bytes, files: tuple[AssociatedFile, ...]) -> bytes:
    if not files:
        return content
    whole = io.BytesIO()
    whole.write(content)
    # "a" on something that is no zip appends one, with positions that count from the start of the file
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.writestr(stored_zip.entry(file.name), file.content())
    return whole.getvalue()
