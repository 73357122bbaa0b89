"""
An ONNX model whose numbers are in a second file, made one file: a bundle has a hash of that.

``torch.onnx.export`` writes ``policy.onnx`` and ``policy.onnx.data`` by default, and so does what
calls it (rsl_rl, for one). The numbers go back into their tensors (``raw_data``), everything else
stays as it is, to the byte. Field numbers are those of `onnx.proto
<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>`_.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Mapping

from ..errors import ArtifactError
from ..regular_file import read_beside
from .onnx_file import DATA_LOCATION, EXTERNAL_DATA, PARTS, fields, spans

_MOST_BYTES = (1 << 31) - 1  # of a protobuf message
_RAW_DATA = 9
_BYTES = 2

Numbers = Callable[[Mapping[str, str]], bytes]
"""Gives the bytes of a tensor by the entries that say where they are."""


def in_one_file(model: bytes, file: pathlib.Path) -> bytes:
    """
    Return a model with all its numbers in it; one that has them already is given back as it is.

    :param model: the ONNX file.
    :param file: where it is. The other files are beside it: a path elsewhere, a link to elsewhere
        and a file that has a second name are refused.
    :raises ArtifactError: it is damaged, a file is missing or refused, or the whole is too large.
    """
    read = functools.cache(functools.partial(_read, file))

    def numbers(entries: Mapping[str, str]) -> bytes:
        location = entries.get('location', '')
        data = read(location)
        begin = _whole(entries.get('offset', '0'), file)
        length = _whole(entries.get('length', str(len(data) - begin)), file)
        if begin + length > len(data):
            raise ArtifactError(
                f'{file}: expects {length} bytes at {begin} of {location}, which has {len(data)}'
            )
        return data[begin : begin + length]

    try:
        whole = _rebuilt(model, 'model', (0, len(model)), numbers)
    except (ValueError, RecursionError) as problem:
        raise ArtifactError(f'{file}: not a whole ONNX model: {problem}') from problem
    if len(whole) > _MOST_BYTES:
        raise ArtifactError(
            f'{file}: is {len(whole)} bytes with all its numbers, expected at most {_MOST_BYTES}'
        )
    return whole


def _rebuilt(data: bytes, kind: str, where: tuple[int, int], numbers: Numbers) -> bytes:
    """Return a message with the numbers of every tensor in it."""
    kept: list[bytes] = []
    entries: dict[str, str] = {}
    elsewhere = False
    for field, value, (first, last) in spans(data, *where):
        if kind == 'tensor' and field == EXTERNAL_DATA and isinstance(value, tuple):
            entries.update([_entry(data, value)])
        elif kind == 'tensor' and field == DATA_LOCATION:
            elsewhere = bool(value)
        elif field in PARTS[kind] and isinstance(value, tuple):
            inner = _rebuilt(data, PARTS[kind][field], value, numbers)
            kept.append(_field(field, inner))
        else:
            kept.append(data[first:last])
    if elsewhere or entries:
        kept.append(_field(_RAW_DATA, numbers(entries)))
    return b''.join(kept)


def _entry(data: bytes, where: tuple[int, int]) -> tuple[str, str]:
    found = {
        field: data[slice(*value)].decode(errors='replace')
        for field, value in fields(data, *where)
        if isinstance(value, tuple)
    }
    return found.get(1, ''), found.get(2, '')


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _whole(text: str, file: pathlib.Path) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ArtifactError(f'{file}: expected where numbers begin and end, found {text[:40]!r}')
    return int(text)


def _read(file: pathlib.Path, location: str) -> bytes:
    """Read a file of numbers beside a model."""
    single = location == pathlib.PurePosixPath(location).name and location.isprintable()
    if not location or not single or location.startswith('.') or '\\' in location:
        raise ArtifactError(
            f'{file}: keeps numbers in {location[:200]!r}; expected the name of a file beside it'
        )
    other = file.with_name(location)
    if not other.exists():
        raise ArtifactError(
            f'{file}: keeps numbers in {location}, which is not beside it; put it there'
        )
    if other.is_file() and other.stat().st_nlink > 1:
        raise ArtifactError(
            f'{other}: has {other.stat().st_nlink} names (hard links), and others may be outside; '
            'put a copy there'
        )
    return read_beside(other, file, ArtifactError, _MOST_BYTES)
