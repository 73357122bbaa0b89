"""
Poses out of any message, by the field paths that the wiring names.

``field`` leads to a pose, a transform or a point; ``fields`` has one path for each of ``x``, ``y``
and ``z``, and for ``qx``, ``qy``, ``qz`` and ``qw`` where a rotation is needed. The frame is that
of the message's header, or, where it has none, the one that the wiring says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import WiringError
from ..policy.contract import Term
from .field_path import field_getter, field_path
from .field_terms import COMPONENTS, labelled_paths
from .fields import Bound, Picker, Reader, Vector, bound_to
from .framed_readers import Header, Pose
from .messages import Messages
from .ports import Port, Source
from .pose_readers import pose_places
from .rotations import IDENTITY, Point, Quaternion
from .transforms import Frames
from .units import Conversion, conversion

POSE_STAMPED = 'geometry_msgs/msg/PoseStamped'
_AXES = ('x', 'y', 'z')
_NUMBERS = [path for path, _ in pose_places('pose', turned=True)]
"""The numbers of a pose in a ``geometry_msgs/PoseStamped``."""
_POSES = {
    'geometry_msgs/msg/Pose': ('.position', '.orientation'),
    'geometry_msgs/msg/Transform': ('.translation', '.rotation'),
    'geometry_msgs/msg/Point': ('', None),
    'geometry_msgs/msg/Vector3': ('', None),
}
"""The types that a field can have: where position and rotation are in them."""


class StampedPose(NamedTuple):
    """A pose out of any message: like ``geometry_msgs/PoseStamped``."""

    header: Any
    pose: Pose


class PoseFields:
    """
    Makes a pose with a header of a message that has the numbers of one.

    :param paths: where the numbers are that a ``geometry_msgs/PoseStamped`` has, by their paths in
        it; without those of a rotation that is not needed.
    :param frame: where the pose is; empty for what the message's header says.
    :param conversion: of the position to metres; None for none.
    """

    def __init__(
        self,
        paths: Mapping[str, str],
        frame: str,
        conversion: Conversion | None,
    ) -> None:
        self.paths = paths
        self.converts = conversion is not None
        getters = [field_getter(path) for path in paths.values()]
        self._position, self._rotation = getters[:3], getters[3:]
        self._header = Header(frame) if frame else None
        self._conversion = conversion

    def __call__(self, message: Any) -> StampedPose:
        """Return the pose."""
        p = Point(*(float(get(message)) for get in self._position))
        if self._conversion is not None:
            p = Point(*self._conversion(np.array(p, np.float64)).tolist())
        q = IDENTITY
        if self._rotation:
            q = Quaternion(*(float(get(message)) for get in self._rotation))
        return StampedPose(self._header or message.header, Pose(p, q))


class PosesFrom(Picker):
    """
    A reader of stamped poses, given messages of other types.

    :param reader: the reader.
    :param poses: for each of its ports what makes the pose; None where the message is one.
    """

    def __init__(self, reader: Reader, poses: Sequence[PoseFields | None]) -> None:
        self._reader = reader
        self._poses = poses

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the reader's values."""
        self._reader(self._made(messages), out, frames)

    def bound(self, messages: Sequence[Any]) -> Bound | None:
        """Return what the reader does with the fields of the poses; see :class:`Picker`."""
        if any(make is not None and make.converts for make in self._poses):
            return None
        found = bound_to(self._reader, self._made(messages))
        if found is None:
            return None
        places = [
            one if make is None else [(make.paths[path], index) for path, index in one]
            for make, one in zip(self._poses, found.places)
        ]
        return Bound(places, found.write, found.finish, found.moves)

    def _made(self, messages: Sequence[Any]) -> list[Any]:
        return [one if make is None else make(one) for make, one in zip(self._poses, messages)]


def pose_fields(
    term: Term, port: Port, source: Source, messages: Messages, prefix: str
) -> PoseFields | None:
    """
    Return what makes the pose of a port; None where the wiring names no field.

    :raises WiringError: the fields are not those of a pose, or nobody says its frame.
    :raises MessageError: the message type has no such field.
    """
    if not port.field and not port.fields:
        if port.reference:
            raise WiringError(f'in: a {source.type} says itself in which frame it is')
        return None
    turned = port.port == 'base' or term.size == 7
    named = _by_value if port.fields else _by_field
    found = named(port, source, messages, turned)
    has_header = messages.has_header(source.type)
    if has_header and port.reference:
        raise WiringError(f'in: the header of a {source.type} says in which frame it is')
    if not has_header and not port.reference:
        raise WiringError(
            f'a {source.type} has no header, so it does not say in which frame the pose is: say '
            'it here, in: and the name of the frame'
        )
    try:
        to_metres = conversion(port.unit, 'm', _AXES)
    except ValueError as problem:
        raise WiringError(f'unit: {problem}') from problem
    frame = prefix + port.reference if port.reference else ''
    return PoseFields(dict(zip(_NUMBERS, found)), frame, to_metres)


def _by_value(port: Port, source: Source, messages: Messages, turned: bool) -> list[str]:
    paths = labelled_paths((*_AXES, *COMPONENTS) if turned else _AXES, port)
    for path in paths:
        field_path(messages, source.type, path).numbers(many=False)
    return paths


def _by_field(port: Port, source: Source, messages: Messages, turned: bool) -> list[str]:
    path = field_path(messages, source.type, port.field)
    if path.many or path.element not in _POSES:
        raise WiringError(
            f'field {port.field!r} of {source.type} is {path.words}; expected one of '
            f'{", ".join(_POSES)}, or fields: with one path a value'
        )
    position, rotation = _POSES[path.element]
    if turned and rotation is None:
        raise WiringError(
            f'field {port.field!r} of {source.type} is {path.words}, which has no orientation; '
            'the term needs one'
        )
    paths = [f'{port.field}{position}.{axis}' for axis in _AXES]
    if turned and rotation:
        paths += [f'{port.field}{rotation}.{value}' for value in 'xyzw']
    return paths
