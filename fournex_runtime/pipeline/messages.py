"""
ROS 2 messages without ROS: types, CDR bytes to objects and back.

Messages are objects of the `rosbags <https://ternaris.gitlab.io/rosbags/>`_ typestore: one
attribute a field, numeric arrays as numpy arrays (views of the received bytes where the
alignment allows), no ROS library. The live node, the simulators and the replayer all use this
path, so a message is read in the same way wherever it comes from.
"""

from __future__ import annotations

import functools
import struct
from typing import Any

import numpy as np

from ..errors import MessageError
from .joint_state_decoder import JOINT_STATE, JointStateDecoder
from .message_types import MessageTypes

_ARRAYS = {'byte': 'uint8', 'char': 'uint8'}
"""Numpy's name of numbers in arrays, where it is not that of the definition."""
_LARGE_BYTES = 65536
_STAMP, _STAMP_BIG_ENDIAN = struct.Struct('<iI'), struct.Struct('>iI')


class Messages:
    """
    A set of message types by name, and their CDR coding.

    :param typestore: the types to begin with. Those that are not in it are looked up as ``.msg``
        files in the sourced environment, then among the common interfaces of Jazzy.
    """

    def __init__(self, typestore: MessageTypes | None = None) -> None:
        self.typestore = typestore or MessageTypes()

    def type(self, name: str) -> Any:
        """
        Return the class of a message type, for instance ``sensor_msgs/msg/Imu``.

        :raises MessageError: the type is unknown here.
        """
        self.ensure(name)
        return self.typestore.types[name]

    def ensure(self, name: str) -> None:
        """
        Make a type and everything it is made of known.

        :raises MessageError: the name is malformed, or its package's definition is not found.
        """
        if name not in self.typestore.fielddefs:
            self.typestore.look_up(name)

    def has_header(self, name: str) -> bool:
        """Return whether a message type begins with a ``std_msgs/Header`` called ``header``."""
        self.ensure(name)
        fields = self.typestore.fielddefs[name][1]
        return (
            bool(fields) and fields[0][0] == 'header' and fields[0][1][1] == 'std_msgs/msg/Header'
        )

    def zero(self, name: str) -> Any:
        """
        Return a message whose numbers are 0, whose texts and sequences are empty.

        :param name: the message type.
        :raises MessageError: the type is unknown here.
        """
        kind = self.type(name)
        fields = self.typestore.fielddefs[name][1]
        return kind(**{field: self._zero(*described) for field, described in fields})

    def _zero(self, node: Any, detail: Any) -> Any:
        if int(node) == 2:  # a message type by name
            return self.zero(detail)
        if int(node) == 1:
            kind = str(detail[0])
            if kind in ('string', 'wstring'):
                return ''
            return False if kind == 'bool' else 0.0 if kind.startswith('float') else 0
        (inner, element), size = detail
        length = size if int(node) == 3 else 0  # an array has its length, a sequence is empty
        if int(inner) == 1 and element[0] not in ('string', 'wstring'):
            return np.zeros(length, _ARRAYS.get(element[0], element[0]))
        return [self._zero(inner, element) for _ in range(length)]

    def stamp_ns(self, data: bytes, name: str) -> int | None:
        """Return the ``header.stamp`` of a message; None where it has none to read."""
        if not self.has_header(name):
            return None
        try:
            self.decode(data, name)
        except MessageError:
            return None
        return header_stamp_ns(data)

    def encode(self, message: Any, name: str) -> bytes:
        """Return the CDR bytes (little endian, with the 4-byte encapsulation header)."""
        return bytes(self.typestore.serialize_cdr(message, name))

    def decode(self, data: bytes | memoryview, name: str) -> Any:
        """
        Return the message object; arrays may be read-only views of ``data``.

        Bytes after the last field are ignored: rclpy's serializer can leave some uninitialised
        ones behind a message that ends in an empty sequence.

        :raises MessageError: the bytes are not a message of that type.
        """
        self.ensure(name)
        if len(data) < 4 or data[0] != 0 or data[1] not in (0, 1):
            raise MessageError(f'{len(data)} bytes are not a {name}: no CDR encapsulation header')
        little_endian = bool(data[1])
        # A short body is copied, so that its numbers lie aligned in memory.
        body = data[4:] if len(data) < _LARGE_BYTES else memoryview(data)[4:]
        if name == JOINT_STATE and little_endian:
            return self._joint_state(body)
        return self._decoded(body, name, little_endian)

    @functools.cached_property
    def _joint_state(self) -> JointStateDecoder:
        classes = ('std_msgs/msg/Header', 'builtin_interfaces/msg/Time', JOINT_STATE)
        return JointStateDecoder(
            lambda body: self._decoded(body, JOINT_STATE, little_endian=True),
            tuple(map(self.type, classes)),
        )

    def _decoded(self, body: bytes | memoryview, name: str, little_endian: bool) -> Any:
        definition = self.typestore.get_msgdef(name)
        decode = definition.deserialize_cdr_le if little_endian else definition.deserialize_cdr_be
        try:
            message, end = decode(body, 0, definition.cls, self.typestore)
        except Exception as problem:  # the generated decoder raises whatever numpy or struct do
            message = f'{len(body) + 4} bytes are not a {name}: {problem}'
            raise MessageError(message) from problem
        if end > len(body):
            raise MessageError(f'{len(body) + 4} bytes are not a {name}: it is cut off')
        return message


def header_stamp_ns(data: bytes) -> int:
    """Return the ``header.stamp`` of a message that begins with a header and can be decoded."""
    seconds, nanoseconds = (_STAMP if data[1] else _STAMP_BIG_ENDIAN).unpack_from(data, 4)
    return int(seconds * 1_000_000_000 + nanoseconds)


@functools.cache
def messages() -> Messages:
    """Return the process-wide set of message types."""
    return Messages()
