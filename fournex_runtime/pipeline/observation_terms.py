"""
From messages to the values of observation terms, kind by kind.

A reader takes the newest message of each of its term's ports and writes the term's values, as
float64 in the contract's unit, before offset, clip and scale. Readers are pure: what they remember
(an index by joint names) is a function of the message alone.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configuration import nearest
from ..errors import MessageError, WiringError
from ..policy.contract import Term
from .ports import Port, Source

Vector = NDArray[np.float64]
Reader = Callable[[Sequence[Any], Vector], None]

JOINT_STATE = 'sensor_msgs/msg/JointState'
ARRAYS = ('std_msgs/msg/Float64MultiArray', 'std_msgs/msg/Float32MultiArray')
_TWIST_FIELDS = {
    'geometry_msgs/msg/Twist': '',
    'geometry_msgs/msg/TwistStamped': 'twist.',
    'geometry_msgs/msg/TwistWithCovarianceStamped': 'twist.twist.',
    'nav_msgs/msg/Odometry': 'twist.twist.',
}
_POSE_FIELDS = {
    'geometry_msgs/msg/PoseStamped': 'pose',
    'geometry_msgs/msg/PoseWithCovarianceStamped': 'pose.pose',
    'nav_msgs/msg/Odometry': 'pose.pose',
}
IMU = 'sensor_msgs/msg/Imu'
LASER_SCAN = 'sensor_msgs/msg/LaserScan'


NAMED_BY_FIELD = ('joint_position', 'joint_velocity', 'joint_effort', 'value')
"""The kinds for which the wiring may name a field; the others know theirs by the message type."""
QUATERNION_TOLERANCE = 1e-2
"""How far the squared norm of a quaternion may be from 1 before it is no rotation."""


def check_rotation(label: str, q: Any) -> float:
    """
    Return the squared norm of a quaternion; of one that is not finite, for the finite check.

    :raises MessageError: it is no rotation, for instance all zeros, which senders leave unset.
    """
    norm = float(q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w)
    if np.isfinite(norm) and abs(norm - 1.0) >= QUATERNION_TOLERANCE:
        raise MessageError(f'{label}: the quaternion has squared norm {norm:.3g}, expected 1')
    return norm


def field_getter(path: str) -> Callable[[Any], Any]:
    """Return a function that reads a dotted field path of a message object."""
    return operator.attrgetter(path)


class JointReader:
    """Joint values by name from a ``JointState``, or by the wiring's joint list from an array."""

    def __init__(self, term: Term, port: Port, field: str) -> None:
        self._label = port.label
        self._joints = term.joints
        self._listed = port.joints
        self._field = field
        self._values = field_getter(field)
        self._names: list[str] | None = None
        self._index: NDArray[np.intp] = np.empty(0, np.intp)
        if port.joints:
            self._index = self._find(list(port.joints))

    def _find(self, names: list[str]) -> NDArray[np.intp]:
        if len(set(names)) != len(names):
            raise MessageError(f'{self._label}: a joint name occurs twice in {names}')
        missing = [joint for joint in self._joints if joint not in names]
        if missing:
            raise MessageError(
                f'{self._label}: the message has no joint {missing[0]!r}; it has '
                f'{", ".join(names) or "no names"}.{nearest(missing[0], names)}'
            )
        return np.array([names.index(joint) for joint in self._joints], np.intp)

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write one value a joint."""
        message = messages[0]
        values = self._values(message)
        names = self._listed or message.name
        if not self._listed and message.name != self._names:
            self._index = self._find(list(message.name))
            self._names = list(message.name)
        if len(values) != len(names):
            raise MessageError(
                f'{self._label}: field {self._field} has {len(values)} values for '
                f'{len(names)} joints'
            )
        out[:] = values[self._index]


class FieldReader:
    """Numbers by field path, one path a value."""

    def __init__(self, label: str, paths: Sequence[str]) -> None:
        self._label = label
        self._getters = [field_getter(path) for path in paths]

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write one value a path."""
        for index, getter in enumerate(self._getters):
            out[index] = getter(messages[0])


class ArrayReader:
    """A field that is a number or an array of numbers of the right size."""

    def __init__(self, label: str, field: str) -> None:
        self._label = label
        self._field = field
        self._get = field_getter(field)

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write the array."""
        values = np.atleast_1d(np.asarray(self._get(messages[0]), dtype=np.float64)).ravel()
        if values.shape != out.shape:
            raise MessageError(
                f'{self._label}: field {self._field} has {values.size} values, expected {out.size}'
            )
        out[:] = values


class GravityReader:
    """The unit vector of gravity in the body frame, from the body's orientation in the world."""

    def __init__(self, label: str, orientation: str) -> None:
        self._label = label
        self._get = field_getter(orientation)

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write the third row of the rotation matrix, negated: R(q)^T · (0, 0, -1)."""
        q = self._get(messages[0])
        norm = check_rotation(self._label, q)
        out[0] = -2.0 * (q.x * q.z - q.w * q.y) / norm
        out[1] = -2.0 * (q.y * q.z + q.w * q.x) / norm
        out[2] = -1.0 + 2.0 * (q.x * q.x + q.y * q.y) / norm


class GoalReader:
    """A goal in the plane, relative to the base: both poses in one frame."""

    def __init__(self, label: str, goal: str, base: str, polar: bool) -> None:
        self._label = label
        self._goal = field_getter(goal)
        self._base = field_getter(base)
        self._polar = polar

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write distance, cosine and sine of the bearing; or x and y in the base frame."""
        goal, base = messages
        if goal.header.frame_id != base.header.frame_id:
            raise MessageError(
                f'{self._label}: the goal is in frame {goal.header.frame_id!r}, the base in '
                f'{base.header.frame_id!r}; both must be in one frame'
            )
        target, pose = self._goal(goal).position, self._base(base)
        q = pose.orientation
        norm = check_rotation(f'{self._label}.base', q)
        sin_yaw = 2.0 * (q.w * q.z + q.x * q.y) / norm
        cos_yaw = 1.0 - 2.0 * (q.y * q.y + q.z * q.z) / norm
        dx, dy = target.x - pose.position.x, target.y - pose.position.y
        x = cos_yaw * dx + sin_yaw * dy
        y = -sin_yaw * dx + cos_yaw * dy
        if not self._polar:
            out[:] = (x, y)
            return
        distance = math.sqrt(x * x + y * y)
        at_goal = distance == 0.0  # not "no distance above 0": NaN must stay NaN
        out[:] = (0.0, 1.0, 0.0) if at_goal else (distance, x / distance, y / distance)


class PoseReader:
    """A pose in the frame that the contract names."""

    def __init__(
        self, label: str, field: str, frame: str, prefix: str, with_rotation: bool
    ) -> None:
        self._label = label
        self._get = field_getter(field)
        self._frame = prefix + frame
        self._with_rotation = with_rotation

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write the position, and where asked the quaternion."""
        found = messages[0].header.frame_id
        if found != self._frame:
            raise MessageError(
                f'{self._label}: the pose is in frame {found!r}, the contract wants '
                f'{self._frame!r}'
            )
        pose = self._get(messages[0])
        p, q = pose.position, pose.orientation
        out[:3] = (p.x, p.y, p.z)
        if self._with_rotation:
            check_rotation(self._label, q)
            out[3:] = (q.x, q.y, q.z, q.w)


class ScanReader:
    """
    A planar scan as the least range of each of equal sectors.

    No return (``inf``, REP 117) reads as ``range_max`` of the contract, too close (``-inf``) as
    zero; NaN stays NaN and is a fault.
    """

    def __init__(self, term: Term, port: Port) -> None:
        self._label = port.label
        self._sectors = int(term.options['sectors'])
        self._range_max = float(term.options['range_max'])
        self._angles = (float(term.options['angle_min']), float(term.options['angle_max']))
        self._starts: NDArray[np.intp] = np.empty(0, np.intp)
        self._beams = 0

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write the least range of each sector, counter-clockwise from ``angle_min``."""
        scan = messages[0]
        beams = len(scan.ranges)
        if beams < self._sectors:
            raise MessageError(
                f'{self._label}: the scan has {beams} beams, the contract wants '
                f'{self._sectors} sectors'
            )
        end = scan.angle_min + beams * scan.angle_increment
        slack = 1.5 * abs(scan.angle_increment)
        low, high = self._angles
        if not (abs(scan.angle_min - low) <= slack and abs(end - high) <= slack):
            raise MessageError(
                f'{self._label}: the scan covers {scan.angle_min:.3f} to {end:.3f} rad, the '
                f'contract wants {low:.3f} to {high:.3f} rad'
            )
        if beams != self._beams:
            self._starts = np.arange(self._sectors) * beams // self._sectors
            self._beams = beams
        np.minimum.reduceat(scan.ranges.astype(np.float64), self._starts, out=out)
        np.clip(out, 0.0, self._range_max, out=out)


def _joint_reader(term: Term, ports: Mapping[str, tuple[Port, Source]], prefix: str) -> Reader:
    port, source = ports['']
    if source.type == JOINT_STATE:
        if port.joints:
            raise WiringError(
                'joints: is for nameless arrays; a JointState names its joints itself'
            )
        return JointReader(term, port, port.field or term.kind.removeprefix('joint_'))
    if not port.joints:
        raise WiringError(
            f'{source.type} names no joints: give joints: the names in the order of the array'
        )
    try:
        return JointReader(term, port, _field(port, source))
    except MessageError as problem:
        raise WiringError(str(problem).removeprefix(f'{port.label}: ')) from problem


def _field(port: Port, source: Source) -> str:
    if port.field:
        return port.field
    if source.type in ARRAYS:
        return 'data'
    raise WiringError(f'say which field of {source.type}: field: …')


def _unsupported(source: Source, known: Sequence[str]) -> WiringError:
    return WiringError(f'cannot be read from {source.type}; expected one of {", ".join(known)}')


def _twist_part(part: str) -> Callable[..., Reader]:
    def build(term: Term, ports: Mapping[str, tuple[Port, Source]], prefix: str) -> Reader:
        port, source = ports['']
        if part == 'angular' and source.type == IMU:
            stem = 'angular_velocity.'
        elif source.type in _TWIST_FIELDS:
            stem = f'{_TWIST_FIELDS[source.type]}{part}.'
        else:
            extra = [IMU] if part == 'angular' else []
            raise _unsupported(source, [*_TWIST_FIELDS, *extra])
        return FieldReader(port.label, [stem + axis for axis in term.labels])

    return build


def _velocity_command(term: Term, ports: Mapping[str, tuple[Port, Source]], prefix: str) -> Reader:
    port, source = ports['']
    if source.type not in _TWIST_FIELDS:
        raise _unsupported(source, list(_TWIST_FIELDS))
    stem = _TWIST_FIELDS[source.type]
    return FieldReader(port.label, [stem + label.replace('_', '.') for label in term.labels])


def _gravity(term: Term, ports: Mapping[str, tuple[Port, Source]], prefix: str) -> Reader:
    port, source = ports['']
    if source.type == IMU:
        return GravityReader(port.label, 'orientation')
    if source.type not in _POSE_FIELDS:
        raise _unsupported(source, [IMU, *_POSE_FIELDS])
    return GravityReader(port.label, f'{_POSE_FIELDS[source.type]}.orientation')


def _goal(term: Term, ports: Mapping[str, tuple[Port, Source]], prefix: str) -> Reader:
    fields = []
    for name in ('goal', 'base'):
        _, source = ports[name]
        if source.type not in _POSE_FIELDS:
            raise _unsupported(source, list(_POSE_FIELDS))
        fields.append(_POSE_FIELDS[source.type])
    return GoalReader(term.name, fields[0], fields[1], term.options['layout'] == 'polar')


def _target_pose(term: Term, ports: Mapping[str, tuple[Port, Source]], prefix: str) -> Reader:
    port, source = ports['']
    if source.type not in _POSE_FIELDS:
        raise _unsupported(source, list(_POSE_FIELDS))
    if not term.frame:
        raise WiringError('the contract names no frame for it; add frame: there')
    with_rotation = term.options['layout'] != 'position'
    return PoseReader(port.label, _POSE_FIELDS[source.type], term.frame, prefix, with_rotation)


def _scan(term: Term, ports: Mapping[str, tuple[Port, Source]], prefix: str) -> Reader:
    port, source = ports['']
    if source.type != LASER_SCAN:
        raise _unsupported(source, [LASER_SCAN])
    return ScanReader(term, port)


def _value(term: Term, ports: Mapping[str, tuple[Port, Source]], prefix: str) -> Reader:
    port, source = ports['']
    return ArrayReader(port.label, _field(port, source))


_BUILDERS: dict[str, Callable[..., Reader]] = {
    'joint_position': _joint_reader,
    'joint_velocity': _joint_reader,
    'joint_effort': _joint_reader,
    'base_linear_velocity': _twist_part('linear'),
    'base_angular_velocity': _twist_part('angular'),
    'projected_gravity': _gravity,
    'velocity_command': _velocity_command,
    'goal_relative': _goal,
    'target_pose': _target_pose,
    'range_scan': _scan,
    'value': _value,
}


def build_reader(
    term: Term, ports: Mapping[str, tuple[Port, Source]], frame_prefix: str
) -> Reader:
    """
    Return the reader of a term.

    :param term: the term; ``last_action`` has no reader.
    :param ports: its ports by name, each with its source.
    :param frame_prefix: put before the contract's frame names, for instance ``r1/``.
    :raises WiringError: the term cannot be read from that message type.
    """
    for port, _ in ports.values():
        if port.field and term.kind not in NAMED_BY_FIELD:
            raise WiringError(f'field: is not for a {term.kind}; its message type says it all')
        if port.joints and not term.joints:
            raise WiringError(f'joints: is not for a {term.kind}, which has no joints')
    return _BUILDERS[term.kind](term, ports, frame_prefix)
