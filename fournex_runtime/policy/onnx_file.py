"""
Whether an ONNX file is complete in itself, a model rather than a compiled program, and a function.

A tensor of an ONNX model can keep its numbers in another file, by a path of any kind, and ONNX
Runtime opens it even when the model is given as bytes. Such numbers are under no hash of the
bundle. A node ``EPContext`` holds, or names a file with, what an execution provider compiled
before (TensorRT's engines, for one): code that no check here can read. A node that draws random
numbers draws others each time. All are looked for in the protobuf itself; field numbers are those
of `onnx.proto <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>`_.
"""

from __future__ import annotations

from collections.abc import Iterator

PARTS: dict[str, dict[int, str]] = {
    'model': {7: 'graph', 20: 'training', 25: 'function'},
    'training': {1: 'graph', 2: 'graph'},
    'function': {7: 'node', 11: 'attribute'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'sparse': {1: 'tensor', 2: 'tensor'},
    'tensor': {},
}
"""Which fields of a message hold messages that a tensor can be in."""
EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of a tensor: where its numbers are, and whether they are elsewhere."""
_OP_TYPE = 4
_COMPILED = b'EPContext'
_RANDOM = (
    (b'RandomNormal', b'RandomNormalLike', b'RandomUniform', b'RandomUniformLike')
    + (b'Bernoulli', b'Multinomial')
)  # fmt: skip
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_OTHER_FILES = (
    'keeps numbers in other files, which no hash covers (torch.onnx.export does so by default). '
    "Make one file of it: fournex import does, or in Python onnx.save(onnx.load(file), 'one.onnx')"
)
_PROGRAM = (
    'has a node EPContext, a program that was compiled for one provider and one machine; give '
    'the model that it was compiled from'
)
_DRAWS = (
    'draws random numbers itself (node {}), which nobody could repeat; have it take them as an '
    'input, which the contract fills with a term noise'
)


def refusal(data: bytes) -> str:
    """
    Return why a model must not be loaded, in words that follow its name; empty when it may.

    :param data: the ONNX file.
    :raises ValueError: it is not a protobuf message.
    """
    waiting = [('model', 0, len(data))]
    while waiting:
        kind, begin, end = waiting.pop()
        for field, value in fields(data, begin, end):
            if isinstance(value, int):
                if kind == 'tensor' and field == DATA_LOCATION and value:
                    return _OTHER_FILES
                continue
            if kind == 'tensor' and field == EXTERNAL_DATA:
                return _OTHER_FILES
            if kind == 'node' and field == _OP_TYPE:
                name = data[slice(*value)]
                if name == _COMPILED:
                    return _PROGRAM
                if name in _RANDOM:
                    return _DRAWS.format(name.decode())
            if field in PARTS[kind]:
                waiting.append((PARTS[kind][field], *value))
    return ''


def fields(data: bytes, begin: int, end: int) -> Iterator[tuple[int, int | tuple[int, int]]]:
    """
    Return the fields of a protobuf message: number, and its whole number or where its bytes lie.

    Numbers of fixed size are passed over.

    :param data: the file that the message is in.
    :param begin: where it begins.
    :param end: where it ends.
    :raises ValueError: it is not a protobuf message.
    """
    for field, value, _ in spans(data, begin, end):
        if value is not None:
            yield field, value


def spans(
    data: bytes, begin: int, end: int
) -> Iterator[tuple[int, int | tuple[int, int] | None, tuple[int, int]]]:
    """
    Return the fields of a protobuf message as :func:`fields` does, and where each lies as a whole.

    The value is None where it is a number of fixed size.

    :raises ValueError: it is not a protobuf message.
    """
    position = begin
    while position < end:
        first = position
        tag, position = _varint(data, position, end)
        field, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            number, position = _varint(data, position, end)
            yield field, number, (first, position)
            continue
        if wire == _BYTES:
            length, position = _varint(data, position, end)
        elif wire in _FIXED_SIZES:
            length = _FIXED_SIZES[wire]
        else:
            raise ValueError(f'unknown wire type {wire}')
        if position + length > end:
            raise ValueError('it is cut off')
        inside = (position, position + length) if wire == _BYTES else None
        position += length
        yield field, inside, (first, position)


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise ValueError('it is cut off')
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError('a number is too long')
