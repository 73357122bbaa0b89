"""
Where the numbers of a message lie in its bytes.

In CDR (OMG DDS-XTypes 7.4.1, version 1) only texts and the lengths of sequences decide where all
else lies, and those of a robot's messages hardly ever change. So one walk over a message tells
where the numbers are in every other one whose texts and lengths are the same bytes, and those need
not be decoded to be read.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .messages import Messages

HEAD = 4
"""Length of the encapsulation header, behind which offsets are counted."""
_LITTLE_ENDIAN = b'\0\1'
_COUNT = struct.Struct('<I')
_BASE, _MESSAGE, _ARRAY = 1, 2, 3  # rosbags' Nodetype; a sequence is 4
_NUMBERS = {
    'float64': 'f8', 'float32': 'f4', 'int8': 'i1', 'uint8': 'u1', 'byte': 'u1', 'char': 'u1',
    'int16': 'i2', 'uint16': 'u2', 'int32': 'i4', 'uint32': 'u4', 'int64': 'i8', 'uint64': 'u8',
    'bool': '?',
}  # fmt: skip
_PICKED_BYTES = 65536
"""Out of a larger message no single numbers are picked: for that, all of it would be copied."""
_MOST_FIELDS = 512
_MOST_TEXTS = 64
"""A message of more parts than this is decoded as quickly as it is compared."""


class Numbers(NamedTuple):
    """
    A number, or an array of numbers.

    :param dtype: numpy's name.
    :param place: which number of the type it is, or the first of them, counted behind the header.
    :param length: how many of them there are; None for a single number.
    """

    dtype: str
    place: int
    length: int | None


class MessageLayout:
    """
    The layout of a message and of all that are laid out alike.

    :param size: how many bytes the messages have.
    :param fixed: the bytes that decide about the layout, by where they are.
    :param numbers: where the numbers are, by field path.
    :param texts: what the texts say, by field path.
    """

    def __init__(
        self,
        size: int,
        fixed: Mapping[tuple[int, int], bytes],
        numbers: Mapping[str, Numbers],
        texts: Mapping[str, str],
    ) -> None:
        self._size = size
        self._fixed = tuple((slice(*where), content) for where, content in fixed.items())
        self._numbers = numbers
        self.texts = texts

    def fits(self, data: bytes) -> bool:
        """Return whether a message is laid out like this; then it can be decoded, too."""
        if len(data) != self._size:
            return False
        for where, content in self._fixed:
            if data[where] != content:
                return False
        return True

    def place(self, path: str, index: int | None) -> tuple[str, int] | None:
        """
        Return the dtype of a number, and which of all numbers of that type it is.

        :param path: of the field, or of the array.
        :param index: of the element; None for a single number.
        :returns: None if there is no such number, or the messages are too large to pick from.
        """
        if self._size > _PICKED_BYTES:
            return None
        found = self._numbers.get(path)
        if found is None and index is None and path.endswith(']'):
            path, _, last = path[:-1].rpartition('[')
            found, index = self._numbers.get(path), int(last)
        if found is None or (found.length is None) != (index is None):
            return None
        if index is not None and found.length is not None and index >= found.length:
            return None
        return found.dtype, found.place + (index or 0)

    def where(self, path: str) -> tuple[int, int | None] | None:
        """
        Return at which byte of a message a number or an array of numbers begins, and its length.

        :param path: of the field.
        :returns: None if there is no such field; the length is None for a single number.
        """
        found = self._numbers.get(path)
        if found is None:
            return None
        return HEAD + found.place * np.dtype(found.dtype).itemsize, found.length


def message_layout(messages: Messages, kind: str, data: bytes) -> MessageLayout | None:
    """
    Return the layout of a message.

    :param messages: the message types.
    :param kind: the message type.
    :param data: CDR bytes that have been decoded.
    :returns: None where it is not worth it, or not known how to be had.
    """
    if data[:2] != _LITTLE_ENDIAN:
        return None
    walk = _Walk(messages, data)
    try:
        walk.message(kind, '')
        fixed = walk.fixed_bytes()
    except (_Unknown, struct.error):
        return None
    if walk.end > len(data):
        return None
    return MessageLayout(len(data), fixed, walk.numbers, walk.texts)


class _Unknown(Exception):
    """A field whose layout is not known here."""


class _Walk:
    """One walk over the fields of a message, in their order."""

    def __init__(self, messages: Messages, data: bytes) -> None:
        self._messages = messages
        self._data = data
        self._fixed: list[tuple[int, int]] = [(0, len(_LITTLE_ENDIAN))]
        self.numbers: dict[str, Numbers] = {}
        self.texts: dict[str, str] = {}
        self.end = HEAD

    def fixed_bytes(self) -> dict[tuple[int, int], bytes]:
        """Return texts and lengths; those next to each other, up to padding, as one."""
        merged: list[tuple[int, int]] = []
        for begin, end in self._fixed:
            if merged and 0 <= begin - merged[-1][1] < 4 and begin > HEAD:
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((begin, end))
        if len(merged) > _MOST_TEXTS:
            raise _Unknown
        return {where: self._data[slice(*where)] for where in merged}

    def message(self, kind: str, prefix: str) -> None:
        """Walk over the fields of a message."""
        for name, (node, detail) in self._messages.typestore.fielddefs[kind][1]:
            self._field(int(node), detail, prefix + name)

    def _field(self, node: int, detail: Any, path: str) -> None:
        if node == _MESSAGE:
            self.message(detail, f'{path}.')
        elif node == _BASE:
            self._base(str(detail[0]), path)
        else:
            (inner, element), size = detail
            count = size if node == _ARRAY else self._counted()
            if int(inner) == _BASE and element[0] in _NUMBERS:
                self._numbers(str(element[0]), path, count)
            else:
                for index in range(count):
                    self._field(int(inner), element, f'{path}[{index}]')
        if len(self.numbers) > _MOST_FIELDS or len(self._fixed) > _MOST_FIELDS:
            raise _Unknown

    def _base(self, name: str, path: str) -> None:
        if name == 'string':
            length = self._counted()
            begin, self.end = self.end, self.end + length
            self.texts[path] = self._data[begin : self.end - 1].decode()
            self._fixed.append((begin, self.end))
        elif name in _NUMBERS:
            self._numbers(name, path, None)
        else:
            raise _Unknown  # a wstring, for instance

    def _counted(self) -> int:
        """Return a length, which is fixed."""
        self._align(4)
        (count,) = _COUNT.unpack_from(self._data, self.end)
        self._fixed.append((self.end, self.end + 4))
        self.end += 4
        return int(count)

    def _numbers(self, name: str, path: str, count: int | None) -> None:
        dtype = _NUMBERS[name]
        size = np.dtype(dtype).itemsize
        if count != 0:
            self._align(size)
        self.numbers[path] = Numbers(dtype, (self.end - HEAD) // size, count)
        self.end += size * (1 if count is None else count)

    def _align(self, size: int) -> None:
        self.end += -(self.end - HEAD) % size
