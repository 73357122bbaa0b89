"""
``sensor_msgs/JointState`` out of CDR bytes, without reading the same joint names at every tick.

A robot names its joints alike in every message. Frame and names are read once and then only
compared as bytes; what is left is three arrays of numbers, which become views.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

JOINT_STATE = 'sensor_msgs/msg/JointState'
_STAMP, _COUNT = struct.Struct('<iI'), struct.Struct('<I')
_BEGIN = 8
"""Where the frame begins, behind the stamp."""
_EMPTY: NDArray[np.float64] = np.frombuffer(b'', np.float64)


class _Known(NamedTuple):
    """The bytes of a frame and of joint names, and what they say."""

    head: bytes
    frame: str
    names: list[str]


class JointStateDecoder:
    """
    Decodes little-endian bodies: what follows the encapsulation header.

    :param decode: the decoder of any message, for names that were not there before and for all
        that is not as it should be; its errors are the ones that are raised.
    :param classes: of the header, the stamp and the message.
    """

    def __init__(
        self, decode: Callable[[bytes | memoryview], Any], classes: tuple[Callable[..., Any], ...]
    ) -> None:
        self._decode = decode
        self._header, self._time, self._message = classes
        self._known = _Known(b'\xff' * 4, '', [])  # a length that no frame has

    def __call__(self, body: bytes | memoryview) -> Any:
        """
        Return the message; its list of names is shared with other messages, its arrays are views.

        :param body: the CDR bytes behind the encapsulation header.
        """
        head, frame, names = self._known
        end = _BEGIN + len(head)
        if body[_BEGIN:end] != head:
            return self._first(body)
        arrays = []
        try:
            for _ in range(3):
                (size,) = _COUNT.unpack_from(body, end)
                end += 4
                if not size:
                    arrays.append(_EMPTY)
                    continue
                end = (end + 7) & -8
                arrays.append(np.frombuffer(body, np.float64, size, end))
                end += 8 * size
                end = (end + 3) & -4
        except (struct.error, ValueError):
            return self._decode(body)
        stamp = self._time(*_STAMP.unpack_from(body, 0))
        return self._message(self._header(stamp, frame), names, *arrays)

    def _first(self, body: bytes | memoryview) -> Any:
        """Decode a message of other joints, and keep them in mind."""
        message = self._decode(body)
        end = self._end_of_names(body)
        self._known = _Known(bytes(body[_BEGIN:end]), message.header.frame_id, message.name)
        return message

    def _end_of_names(self, body: bytes | memoryview) -> int:
        """Return where the positions begin in a message that has been decoded."""
        (length,) = _COUNT.unpack_from(body, _BEGIN)
        end = (_BEGIN + 4 + length + 3) & -4
        (count,) = _COUNT.unpack_from(body, end)
        end += 4
        for _ in range(count):
            end = (end + 3) & -4
            (length,) = _COUNT.unpack_from(body, end)
            end += 4 + length
        return int((end + 3) & -4)
