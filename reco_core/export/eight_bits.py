"""Stores the item table of a converted file as eight-bit codes, and leaves everything else as it was converted.

The converter itself can quantize all large matrices or none: with the encoder's in eight bits, whose kernels round
what goes through them too, ranks suffer as much as from the table, and the encoder is a twentieth of the file.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

_ALIGNMENT = 16  # of buffers in the schema of models
_FILE_IDENTIFIER = b"TFL3"
_OP = schema.BuiltinOperator
_STORED = {schema.TensorType.FLOAT16: np.float16, schema.TensorType.FLOAT32: np.float32}
_HYBRID_FULLY_CONNECTED = 9  # the version that reads `asymmetric_quantize_inputs`


def with_codes(content: bytes, codes: NDArray[np.int8], scale: float) -> bytes:
    """The same file with its constant `codes * scale` as int8: looked up as int8, multiplied by hybrid kernels.

    Tensors within the graphs lose their names.

    Args:
        content: a model in which that constant, float16 or float32, is read by GATHER and FULLY_CONNECTED only.
        codes: int8 [rows, columns].

    Raises:
        ValueError: the file isn't such a model.
    """
    model = schema.ModelT.InitFromPackedBuf(content)
    buffer = _buffer_of(model, codes, scale)
    for graph in model.subgraphs:
        for index, tensor in enumerate(graph.tensors):
            if tensor.buffer == buffer:
                _set_int8(tensor, scale)
                _read_int8(model, graph, index, scale)
        _forget_names(graph)
    model.buffers[buffer].data = codes.reshape(-1).view(np.uint8)
    return _packed(model)


def _forget_names(graph: Any) -> None:
    """Of tensors within, which nobody asks for by name: some kilobytes."""
    kept = {int(index) for index in [*graph.inputs, *graph.outputs]}
    for index, tensor in enumerate(graph.tensors):
        if index not in kept:
            tensor.name = None


def _buffer_of(model: Any, codes: NDArray[np.int8], scale: float) -> int:
    expected = codes.astype(np.float32) * np.float32(scale)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if data is None or tensor.type not in _STORED or list(tensor.shape) != list(codes.shape):
                continue
            found = np.asarray(data, np.uint8).view(_STORED[tensor.type]).reshape(codes.shape)
            if np.allclose(found, expected, rtol=1e-3, atol=1e-3 * scale):
                return int(tensor.buffer)
    raise ValueError("the converted file doesn't hold the item table as one constant")


def _read_int8(model: Any, graph: Any, table: int, scale: float) -> None:
    """Make the operations of a graph that read its tensor `table`, or a float32 copy of it, read int8."""
    copies = {table}
    operators = []
    for operator in graph.operators:
        inputs = [int(index) for index in operator.inputs]
        if table in inputs and _code(model, operator) == _OP.DEQUANTIZE:
            copies.add(int(operator.outputs[0]))
        elif copies.isdisjoint(inputs):
            operators.append(operator)
        elif _code(model, operator) == _OP.FULLY_CONNECTED and inputs[1] in copies and inputs[0] not in copies:
            operator.inputs = _replaced(inputs, 1, table)
            operator.builtinOptions.asymmetricQuantizeInputs = True
            _require_version(model, operator, _HYBRID_FULLY_CONNECTED)
            operators.append(operator)
        elif _code(model, operator) == _OP.GATHER and inputs[0] in copies and inputs[1] not in copies:
            (found,) = (int(index) for index in operator.outputs)
            gathered = _int8_like(graph, found, scale)
            operator.inputs, operator.outputs = _replaced(inputs, 0, table), np.array([gathered], np.int32)
            operators += [operator, _dequantize(model, gathered, found)]
        else:
            raise ValueError("the item table is read by another operation than GATHER and FULLY_CONNECTED")
    graph.operators = operators


def _replaced(indices: list[int], place: int, by: int) -> NDArray[np.int32]:
    return np.array([*indices[:place], by, *indices[place + 1 :]], np.int32)


def _set_int8(tensor: Any, scale: float) -> None:
    tensor.type = schema.TensorType.INT8
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.array([scale], np.float32)
    tensor.quantization.zeroPoint = np.zeros(1, np.int64)


def _int8_like(graph: Any, index: int, scale: float) -> int:
    """A further tensor of the graph, of the shape of tensor `index`."""
    like, tensor = graph.tensors[index], schema.TensorT()
    tensor.shape, tensor.shapeSignature, tensor.hasRank = like.shape, like.shapeSignature, like.hasRank
    tensor.buffer = 0  # the empty one
    _set_int8(tensor, scale)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _dequantize(model: Any, source: int, target: int) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex = _opcode(model, _OP.DEQUANTIZE, 2)
    operator.inputs, operator.outputs = np.array([source], np.int32), np.array([target], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    return operator


def _require_version(model: Any, operator: Any, version: int) -> None:
    operator.opcodeIndex = _opcode(model, _code(model, operator), version)


def _opcode(model: Any, code: int, version: int) -> int:
    """Number of the entry for a built-in operation of at least `version` in the model's list, added if need be."""
    for index, entry in enumerate(model.operatorCodes):
        if max(entry.builtinCode, entry.deprecatedBuiltinCode) == code and entry.version >= version:
            return index
    entry = schema.OperatorCodeT()
    entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), version
    model.operatorCodes.append(entry)
    return len(model.operatorCodes) - 1


def _code(model: Any, operator: Any) -> int:
    entry = model.operatorCodes[operator.opcodeIndex]
    return max(int(entry.builtinCode), int(entry.deprecatedBuiltinCode))


class _AlignedBuffer(schema.BufferT):
    """The generated class packs data wherever there is room."""

    def Pack(self, builder: Any) -> int:  # noqa: N802 - the generated name
        """Write it into `builder`."""
        data = None
        if self.data is not None:
            content = np.asarray(self.data, np.uint8).tobytes()
            builder.StartVector(1, len(content), _ALIGNMENT)
            builder.head = builder.Head() - len(content)
            builder.Bytes[builder.Head() : builder.Head() + len(content)] = content
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


def _packed(model: Any) -> bytes:
    for buffer in model.buffers:
        buffer.__class__ = _AlignedBuffer
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=_FILE_IDENTIFIER)
    return bytes(builder.Output())
