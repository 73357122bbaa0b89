"""
What an ONNX model says of itself, read from the protobuf: no library, nothing of it is run.

Field numbers are those of `onnx.proto
<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>`_.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from .onnx_file import fields

_MODEL_FIELDS = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26))
_GRAPH, _OPSET, _METADATA, _PRODUCER, _PRODUCER_VERSION = 7, 8, 14, 2, 3
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_DTYPES = {
    1: 'float32',
    2: 'uint8',
    3: 'int8',
    6: 'int32',
    7: 'int64',
    9: 'bool',
    10: 'float16',
    11: 'float64',
}


@dataclasses.dataclass(frozen=True)
class OnnxArray:
    """
    An input or output of a model.

    :param name: its name.
    :param dtype: numpy's name of its element type; empty where it is another, or not said.
    :param shape: length along each axis; None where it is open.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class OnnxHeader:
    """
    A model, without its numbers.

    :param producer: what exported it, with version.
    :param inputs: what it takes; what has a default in the model is not among them.
    :param outputs: what it gives.
    :param metadata: ``metadata_props``.
    :param operators: the types of its nodes, in their order.
    """

    producer: str
    inputs: tuple[OnnxArray, ...]
    outputs: tuple[OnnxArray, ...]
    metadata: Mapping[str, str]
    operators: tuple[str, ...]


def read_onnx_header(data: bytes) -> OnnxHeader:
    """
    Read inputs, outputs and metadata of a model.

    :param data: the ONNX file.
    :raises ValueError: it is not a whole model.
    """
    producer = {_PRODUCER: '', _PRODUCER_VERSION: ''}
    metadata: dict[str, str] = {}
    graph: tuple[int, int] | None = None
    opset = False
    for field, value in fields(data, 0, len(data)):
        if field not in _MODEL_FIELDS:
            raise ValueError(f'field {field} is none of a model')
        if not isinstance(value, tuple):
            continue
        if field == _GRAPH:
            graph = value
        elif field == _METADATA:
            entry = dict(_texts(data, value, (1, 2)))
            metadata[entry.get(1, '')] = entry.get(2, '')
        elif field in producer:
            producer[field] = _text(data, value)
        opset |= field == _OPSET
    if graph is None or not opset:
        raise ValueError(f'it has no {"operator set" if graph is not None else "graph"}')
    initialized, operators, arrays = _graph(data, graph)
    inputs = tuple(one for one in arrays[_GRAPH_INPUT] if one.name not in initialized)
    if not arrays[_GRAPH_OUTPUT]:
        raise ValueError('its graph has no outputs')
    return OnnxHeader(
        ' '.join(filter(None, producer.values())),
        inputs,
        tuple(arrays[_GRAPH_OUTPUT]),
        MappingProxyType(metadata),
        tuple(operators),
    )


def _graph(
    data: bytes, span: tuple[int, int]
) -> tuple[set[str], list[str], dict[int, list[OnnxArray]]]:
    """Return names of initializers, types of nodes, and inputs and outputs by field number."""
    initialized: set[str] = set()
    operators: list[str] = []
    arrays: dict[int, list[OnnxArray]] = {_GRAPH_INPUT: [], _GRAPH_OUTPUT: []}
    for field, value in fields(data, *span):
        if not isinstance(value, tuple):
            continue
        if field == _GRAPH_INITIALIZER:  # TensorProto.name
            initialized.update(text for _, text in _texts(data, value, (8,)))
        elif field == _GRAPH_NODE:  # NodeProto.op_type
            operators.extend(text for _, text in _texts(data, value, (4,)))
        elif field in arrays:
            arrays[field].append(_array(data, value))
    return initialized, operators, arrays


def _array(data: bytes, span: tuple[int, int]) -> OnnxArray:
    """Read a ValueInfoProto: name, type.tensor_type.elem_type, type.tensor_type.shape.dim."""
    name = next((text for _, text in _texts(data, span, (1,))), '')
    dtype, shape = '', []
    for tensor in _below(data, span, (2, 1)):
        for field, value in fields(data, *tensor):
            if field == 1 and isinstance(value, int):
                dtype = _DTYPES.get(value, '')
        for axis in _below(data, tensor, (2, 1)):
            lengths = [v for f, v in fields(data, *axis) if f == 1 and isinstance(v, int)]
            shape.append(lengths[0] if lengths and 0 < lengths[0] < 1 << 63 else None)
    return OnnxArray(name, dtype, tuple(shape))


def _below(data: bytes, span: tuple[int, int], path: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Return where the messages at a path of field numbers lie."""
    for field, value in fields(data, *span):
        if field == path[0] and isinstance(value, tuple):
            if len(path) == 1:
                yield value
            else:
                yield from _below(data, value, path[1:])


def _texts(
    data: bytes, span: tuple[int, int], wanted: tuple[int, ...]
) -> Iterator[tuple[int, str]]:
    for field, value in fields(data, *span):
        if field in wanted and isinstance(value, tuple):
            yield field, _text(data, value)


def _text(data: bytes, span: tuple[int, int]) -> str:
    try:
        return data[slice(*span)].decode()
    except UnicodeDecodeError as problem:
        raise ValueError('a text in it is not UTF-8') from problem
