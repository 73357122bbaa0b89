"""
A ``sensor_msgs/Image`` where it lies in the bytes of its message.

A camera's images differ in their stamp and their pixels. So the message need not be decoded to
find them: the pixels are a view of the bytes as they were received.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .message_layout import MessageLayout
from .newest_messages import NewestMessages

_SIZE, _STEP = struct.Struct('<II'), struct.Struct('<I')


class RawImage(NamedTuple):
    """The fields of an ``Image`` but for its header; ``data`` is a read-only view."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: NDArray[np.uint8]


class _Places(NamedTuple):
    """Where the fields are in the bytes of images that are laid out alike."""

    encoding: str
    size: int
    big_endian: int
    step: int
    data: int
    length: int

    def read(self, data: bytes) -> RawImage:
        """Return the image in the bytes of a message."""
        height, width = _SIZE.unpack_from(data, self.size)
        (step,) = _STEP.unpack_from(data, self.step)
        pixels = np.frombuffer(data, np.uint8, self.length, self.data)
        return RawImage(height, width, self.encoding, data[self.big_endian], step, pixels)


class NewestImage:
    """
    The newest image of a source: its bytes where they are known how to read, else the object.

    :param source: index of the source.
    """

    def __init__(self, source: int) -> None:
        self._source = source
        self._layout: MessageLayout | None = None
        self._places: _Places | None = None

    def __call__(self, messages: Sequence[Any]) -> Any:
        """
        Return a :class:`RawImage`, or the message as an object.

        :param messages: the newest message of each source.
        """
        source = self._source
        if not isinstance(messages, NewestMessages):
            return messages[source]
        layout, data = messages.layout(source), messages.data[source]
        if layout is None or data is None:
            return messages[source]
        if layout is not self._layout:
            self._layout, self._places = layout, _places(layout)
        return messages[source] if self._places is None else self._places.read(data)


def _places(layout: MessageLayout) -> _Places | None:
    """Return where the fields of an image are; None for another kind of message."""
    found = [layout.where(one) for one in ('height', 'width', 'is_bigendian', 'step', 'data')]
    encoding = layout.texts.get('encoding')
    if encoding is None or None in found:
        return None
    (size, _), _, (big_endian, _), (step, _), (data, length) = [one or (0, 0) for one in found]
    return _Places(encoding, size, big_endian, step, data, length or 0)
