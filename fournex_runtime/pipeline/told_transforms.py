"""Transforms out of the bytes of ``tf2_msgs/TFMessage``, which several nodes send on one topic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..immutable import immutable
from .message_layout import HEAD, MessageLayout, message_layout
from .messages import Messages
from .newest_messages import SourceDecoder
from .rotations import Point, Quaternion

TF_TYPE = 'tf2_msgs/msg/TFMessage'
_NUMBERS = tuple(
    f'transform.{path}'
    for path in (*(f'translation.{one}' for one in 'xyz'), *(f'rotation.{one}' for one in 'xyzw'))
)
_MOST_LAYOUTS = 16
"""How many kinds of messages are known at a time: one for each set of frames that a node sends."""
_TRIES = 64
"""So many layouts in a row that fit no second message, and no further one is looked for."""


@immutable
class Told:
    """
    A transform as somebody told it.

    :param parent: the parent frame.
    :param child: the child frame.
    :param stamp_ns: its stamp, ROS clock; 0 for none.
    :param translation: of the child's origin in the parent.
    :param rotation: as it was received.
    """

    parent: str
    child: str
    stamp_ns: int
    translation: Point
    rotation: Quaternion


def told(transforms: Iterable[Any]) -> list[Told]:
    """Return what some ``geometry_msgs/TransformStamped`` tell."""
    found = []
    for one in transforms:
        stamp, t, q = one.header.stamp, one.transform.translation, one.transform.rotation
        stamp_ns = int(stamp.sec * 1_000_000_000 + stamp.nanosec)
        frames = str(one.header.frame_id), str(one.child_frame_id)
        found.append(Told(*frames, stamp_ns, Point(t.x, t.y, t.z), Quaternion(q.x, q.y, q.z, q.w)))
    return found


class TransformDecoder(SourceDecoder):
    """
    Decodes the messages of a topic of transforms.

    :param messages: the message types.
    """

    def __init__(self, messages: Messages) -> None:
        super().__init__(messages, TF_TYPE)
        self._known: list[_Known] = []
        self._left = _TRIES
        self._read: bytes | None = None
        self._told: Sequence[Told] = ()

    def check(self, data: bytes) -> None:
        """Look at a message for the first time; see the base."""
        self.transforms(data)

    def transforms(self, data: bytes) -> Sequence[Told]:
        """
        Return the transforms of a message.

        :raises MessageError: the bytes are not a message of the type.
        """
        if data is not self._read:
            self._told = self._transforms(data)
            self._read = data
        return self._told

    def _transforms(self, data: bytes) -> Sequence[Told]:
        for known in self._known:
            if known.layout.fits(data):
                self._left = _TRIES
                return known.read(data)
        found = told(self.message(data).transforms)
        if self._left:
            self._left -= 1
            layout = message_layout(self._messages, TF_TYPE, data)
            new = None if layout is None else _known(layout, found)
            if new is not None:
                self._known = [*self._known, new][-_MOST_LAYOUTS:]
        return found


class _Known(NamedTuple):
    """Messages of the same frames: where their numbers are."""

    layout: MessageLayout
    frames: Sequence[tuple[str, str]]
    seconds: NDArray[np.intp]
    numbers: NDArray[np.intp]

    def read(self, data: bytes) -> list[Told]:
        """Return the transforms of such a message."""
        body = data[HEAD:]  # a copy, so that the numbers lie aligned
        whole = np.frombuffer(body, '<i4', len(body) // 4)
        seconds = whole[self.seconds].tolist()
        rest = whole.view('<u4')[self.seconds + 1].tolist()
        values = np.frombuffer(body, '<f8', len(body) // 8)[self.numbers].tolist()
        return [
            Told(*names, s * 1_000_000_000 + ns, Point(*v[:3]), Quaternion(*v[3:]))
            for names, s, ns, v in zip(self.frames, seconds, rest, values)
        ]


def _known(layout: MessageLayout, transforms: Sequence[Told]) -> _Known | None:
    """Return where the numbers of some transforms are in their layout; None if nobody knows."""
    each = range(len(transforms))
    seconds = [layout.place(f'transforms[{index}].header.stamp.sec', None) for index in each]
    numbers = [
        layout.place(f'transforms[{index}].{path}', None) for index in each for path in _NUMBERS
    ]
    if not transforms or None in seconds or None in numbers:
        return None
    return _Known(
        layout,
        [(one.parent, one.child) for one in transforms],
        np.array([place for _, place in filter(None, seconds)], np.intp),
        np.array([place for _, place in filter(None, numbers)], np.intp).reshape(
            -1, len(_NUMBERS)
        ),
    )
