"""The metadata as a FlatBuffer.

No maintained package ships code for this schema, so tables are built by field number: the numbers are positions in the
tables of `metadata_schema.fbs` (schema version 1.1.0, namespace tflite), which may only grow at their ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers

from reco_core.export.metadata.texts import FileKind, ModelText, SignatureText, TensorText

FILE_IDENTIFIER = b"M001"
_FIRST_PARSER, _PARSER_OF_VOCABULARIES = "1.0.0", "1.0.1"

# field numbers
_MODEL_FIELDS = 8
_MODEL_NAME, _MODEL_DESCRIPTION, _MODEL_VERSION, _MODEL_SUBGRAPHS, _MODEL_AUTHOR = 0, 1, 2, 3, 4
_MODEL_FILES, _MODEL_PARSER = 6, 7
_GRAPH_FIELDS = 7
_GRAPH_NAME, _GRAPH_DESCRIPTION, _GRAPH_INPUTS, _GRAPH_OUTPUTS = 0, 1, 2, 3
_TENSOR_FIELDS = 7
_TENSOR_NAME, _TENSOR_DESCRIPTION, _TENSOR_DIMENSIONS, _TENSOR_CONTENT, _TENSOR_STATS, _TENSOR_FILES = 0, 1, 2, 3, 5, 6
_CONTENT_FIELDS = 3
_CONTENT_TYPE, _CONTENT_PROPERTIES = 0, 1
_STATS_FIELDS = 2
_STATS_MAX, _STATS_MIN = 0, 1
_FILE_FIELDS = 4
_FILE_NAME, _FILE_DESCRIPTION, _FILE_TYPE = 0, 1, 2

_FEATURE_PROPERTIES = 1  # in the union ContentProperties: plain numbers, neither image nor boxes


def metadata_bytes(model: Any, text: ModelText) -> bytes:
    """The table ModelMetadata for `model`, a `schema.Model`.

    Subgraphs stand in the order of the file, up to the last one that a signature names; the bodies of loops follow
    those. Each lists all its inputs and outputs in the file's order.

    Raises:
        ValueError: `text` names a signature, a tensor or a file that isn't there, or has another number of dimensions.
    """
    return _Writer(text).write(model)


class _Writer:
    def __init__(self, text: ModelText) -> None:
        self._text = text
        self._builder = flatbuffers.Builder(4096)
        self._files = {file.name: file for file in text.files}
        # equal tables are written once; a FlatBuffer may refer to them any number of times
        self._file_tables: dict[tuple[str, FileKind], int] = {}
        self._stats_tables: dict[tuple[float, float], int] = {}

    def write(self, model: Any) -> bytes:
        text = self._text
        signatures = [model.SignatureDefs(number) for number in range(model.SignatureDefsLength())]
        by_graph = {signature.SubgraphIndex(): signature for signature in signatures}
        unknown = set(text.signatures) - {signature.SignatureKey().decode() for signature in signatures}
        if unknown:
            raise ValueError(f"the model has no signature {sorted(unknown)[0]!r}")
        self._content = self._content_table()
        graphs = [
            self._graph(model.Subgraphs(number), by_graph.get(number))
            for number in range(max(by_graph, default=-1) + 1)
        ]
        vocabularies = any(kind is FileKind.VOCABULARY for _, kind in self._file_tables)
        root = self._table(
            _MODEL_FIELDS,
            {
                _MODEL_NAME: self._string(text.name),
                _MODEL_DESCRIPTION: self._string(text.description),
                _MODEL_VERSION: self._string(text.version),
                _MODEL_SUBGRAPHS: self._vector(graphs),
                _MODEL_AUTHOR: self._string(text.author),
                _MODEL_FILES: self._vector([self._file(name, None) for name in self._unreferenced()]),
                _MODEL_PARSER: self._string(_PARSER_OF_VOCABULARIES if vocabularies else _FIRST_PARSER),
            },
        )
        self._builder.Finish(root, file_identifier=FILE_IDENTIFIER)
        return bytes(self._builder.Output())

    def _unreferenced(self) -> list[str]:
        """Files of no tensor: the model's own."""
        referenced = {name for name, _ in self._file_tables}
        return [name for name in self._files if name not in referenced]

    def _graph(self, graph: Any, signature: Any) -> int:
        if signature is None:
            return self._table(_GRAPH_FIELDS, {_GRAPH_NAME: self._string((graph.Name() or b"").decode())})
        key = signature.SignatureKey().decode()
        text = self._text.signatures.get(key, SignatureText(""))
        inputs = _tensor_names(signature.InputsLength(), signature.Inputs)
        outputs = _tensor_names(signature.OutputsLength(), signature.Outputs)
        for names, texts in ((inputs, text.inputs), (outputs, text.outputs)):
            unknown = set(texts) - set(names.values())
            if unknown:
                raise ValueError(f"signature {key!r} has no tensor {sorted(unknown)[0]!r}")
        return self._table(
            _GRAPH_FIELDS,
            {
                _GRAPH_NAME: self._string(key),
                _GRAPH_DESCRIPTION: self._string(text.description),
                _GRAPH_INPUTS: self._tensors(graph, graph.InputsAsNumpy(), inputs, text.inputs),
                _GRAPH_OUTPUTS: self._tensors(graph, graph.OutputsAsNumpy(), outputs, text.outputs),
            },
        )

    def _tensors(
        self, graph: Any, indices: Sequence[int], names: Mapping[int, str], texts: Mapping[str, TensorText]
    ) -> int:
        tables = []
        for index in map(int, indices):
            tensor = graph.Tensors(index)
            name = names.get(index) or tensor.Name().decode()
            text = texts.get(name)
            if text is not None and len(text.dimensions) != tensor.ShapeLength():
                raise ValueError(f"tensor {name!r} has {tensor.ShapeLength()} dimensions, not {len(text.dimensions)}")
            tables.append(self._tensor(name, text))
        return self._vector(tables)

    def _tensor(self, name: str, text: TensorText | None) -> int:
        fields = {_TENSOR_NAME: self._string(name), _TENSOR_CONTENT: self._content}
        if text is not None:
            fields[_TENSOR_DESCRIPTION] = self._string(text.description)
            fields[_TENSOR_DIMENSIONS] = self._vector([self._string(dimension) for dimension in text.dimensions])
            if text.bounds is not None:
                fields[_TENSOR_STATS] = self._stats(text.bounds)
            if text.file is not None:
                fields[_TENSOR_FILES] = self._vector([self._file(text.file, text.kind)])
        return self._table(_TENSOR_FIELDS, fields)

    def _file(self, name: str, kind: FileKind | None) -> int:
        if name not in self._files:
            raise ValueError(f"a tensor refers to the file {name!r}, which isn't among the model's")
        if kind is None:
            return self._file_table(name, 0)
        if (name, kind) not in self._file_tables:
            self._file_tables[name, kind] = self._file_table(name, int(kind))
        return self._file_tables[name, kind]

    def _file_table(self, name: str, kind: int) -> int:
        offsets = {
            _FILE_NAME: self._string(name),
            _FILE_DESCRIPTION: self._string(self._files[name].description),
        }
        return self._table(_FILE_FIELDS, offsets, {_FILE_TYPE: kind})

    def _stats(self, bounds: tuple[float, float]) -> int:
        if bounds not in self._stats_tables:
            offsets = {_STATS_MAX: self._float(bounds[1]), _STATS_MIN: self._float(bounds[0])}
            self._stats_tables[bounds] = self._table(_STATS_FIELDS, offsets)
        return self._stats_tables[bounds]

    def _content_table(self) -> int:
        properties = self._table(0, {})
        return self._table(_CONTENT_FIELDS, {_CONTENT_PROPERTIES: properties}, {_CONTENT_TYPE: _FEATURE_PROPERTIES})

    def _string(self, text: str) -> int:
        return int(self._builder.CreateSharedString(text)) if text else 0

    def _vector(self, offsets: Sequence[int]) -> int:
        """A vector of what lies at `offsets`; none where there are none."""
        if not offsets:
            return 0
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def _float(self, value: float) -> int:
        self._builder.StartVector(4, 1, 4)
        self._builder.PrependFloat32(value)
        return int(self._builder.EndVector())

    def _table(self, fields: int, offsets: Mapping[int, int], bytes_: Mapping[int, int] | None = None) -> int:
        """A table of `fields` fields, given by number; offsets of 0 are left out."""
        self._builder.StartObject(fields)
        for number, offset in offsets.items():
            self._builder.PrependUOffsetTRelativeSlot(number, offset, 0)
        for number, value in (bytes_ or {}).items():
            self._builder.PrependInt8Slot(number, value, 0)
        return int(self._builder.EndObject())


def _tensor_names(length: int, at: Any) -> dict[int, str]:
    """Tensor index -> name in the signature."""
    return {at(number).TensorIndex(): at(number).Name().decode() for number in range(length)}
