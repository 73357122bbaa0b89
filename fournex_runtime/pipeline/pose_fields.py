"""
Poses out of any message, by the field paths that the wiring names.

``field`` leads to a pose, a transform or a point; ``fields`` has one path for each of ``x``, ``y``
and ``z``, and for ``qx``, ``qy``, ``qz`` and ``qw`` where a rotation is needed. The frame is that
of the message's header, or, where it has none, the one that the wiring says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import WiringError
from ..policy.contract import Term
from .field_path import field_getter, field_path
from .field_terms import COMPONENTS, labelled_paths
from .fields import Reader, Vector
from .framed_readers import Header, Pose
from .messages import Messages
from .ports import Port, Source
from .rotations import IDENTITY, Point, Quaternion
from .transforms import Frames
from .units import Conversion, conversion

POSE_STAMPED = 'geometry_msgs/msg/PoseStamped'
_AXES = ('x', 'y', 'z')
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

    :param position: reads the position, anything with x, y and z.
    :param rotation: reads the rotation; None where none is needed.
    :param frame: where the pose is; empty for what the message's header says.
    :param conversion: of the position to metres; None for none.
    """

    def __init__(
        self,
        position: Callable[[Any], Any],
        rotation: Callable[[Any], Any] | None,
        frame: str,
        conversion: Conversion | None,
    ) -> None:
        self._position = position
        self._rotation = rotation
        self._header = Header(frame) if frame else None
        self._conversion = conversion

    def __call__(self, message: Any) -> StampedPose:
        """Return the pose."""
        p = self._position(message)
        if self._conversion is not None:
            p = Point(*self._conversion(np.array([p.x, p.y, p.z], np.float64)).tolist())
        q = IDENTITY if self._rotation is None else self._rotation(message)
        return StampedPose(self._header or message.header, Pose(p, q))


class PosesFrom:
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
        made = [one if make is None else make(one) for make, one in zip(self._poses, messages)]
        self._reader(made, out, frames)


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
    if port.fields:
        position, rotation = _by_value(port, source, messages, turned)
    else:
        position, rotation = _by_field(port, source, messages, turned)
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
    return PoseFields(position, rotation, frame, to_metres)


Getter = Callable[[Any], Any]


def _by_value(
    port: Port, source: Source, messages: Messages, turned: bool
) -> tuple[Getter, Getter | None]:
    paths = labelled_paths((*_AXES, *COMPONENTS) if turned else _AXES, port)
    for path in paths:
        field_path(messages, source.type, path).numbers(many=False)
    axes, components = paths[:3], paths[3:]
    return _made_of(Point, axes), _made_of(Quaternion, components) if turned else None


def _made_of(kind: Callable[..., Any], paths: Sequence[str]) -> Getter:
    getters = [field_getter(path) for path in paths]
    return lambda message: kind(*(float(get(message)) for get in getters))


def _by_field(
    port: Port, source: Source, messages: Messages, turned: bool
) -> tuple[Getter, Getter | None]:
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
    get = field_getter(port.field + position)
    return get, field_getter(port.field + rotation) if turned and rotation else None
