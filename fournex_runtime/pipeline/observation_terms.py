"""
Which message types each kind of observation term is read from, and how.

A reader takes the newest message of each of its term's ports and writes the term's values, as
float64 in the contract's unit, before offset, clip and scale. Readers are pure: what they remember
(an index by joint names) is a function of the message alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import WiringError
from ..policy.contract import Term
from ..policy.installed_terms import is_custom
from .custom_reader import CustomReader
from .field_terms import ARRAYS, JOINT_STATE, build_field_reader
from .fields import Converted, FieldReader, Reader, Within
from .framed_readers import BodyFrame, SameFrame, VelocityReader
from .height_scan import HeightScanReader
from .image_reader import COMPRESSED_IMAGE, IMAGE, ImageReader
from .messages import Messages
from .port_checks import POSES, Ports, check_ports, port_conversion, refuse_units
from .ports import Port, Source
from .pose_fields import POSE_STAMPED, PosesFrom, pose_fields
from .pose_readers import (
    GoalPoseReader,
    GoalReader,
    GravityReader,
    OrientationReader,
    PoseReader,
)
from .range_readers import ScanReader

ODOMETRY = 'nav_msgs/msg/Odometry'
_TWIST_FIELDS = {
    'geometry_msgs/msg/Twist': '',
    'geometry_msgs/msg/TwistStamped': 'twist.',
    'geometry_msgs/msg/TwistWithCovarianceStamped': 'twist.twist.',
    ODOMETRY: 'twist.twist.',
}
_POSE_FIELDS = {
    POSE_STAMPED: 'pose',
    'geometry_msgs/msg/PoseWithCovarianceStamped': 'pose.pose',
    ODOMETRY: 'pose.pose',
}
IMU = 'sensor_msgs/msg/Imu'
LASER_SCAN = 'sensor_msgs/msg/LaserScan'
RANGE = 'sensor_msgs/msg/Range'
POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'

_BODY_FRAMES = {
    IMU: 'header.frame_id',
    'geometry_msgs/msg/TwistStamped': 'header.frame_id',
    'geometry_msgs/msg/TwistWithCovarianceStamped': 'header.frame_id',
    ODOMETRY: 'child_frame_id',
}
"""Where a message names the body that its velocity or orientation is of; the others do not."""

IN_WHICH_FRAME = {
    'goal_relative': False,
    'goal_pose': False,
    'target_pose': False,
    'base_height': True,
    'orientation': True,
    'projected_gravity': True,
}
"""The kinds whose ports can be frames, and whether they need to be told in which other frame."""


_CONVERTED = (
    'joint_position', 'joint_velocity', 'joint_effort', 'base_linear_velocity',
    'base_angular_velocity', 'base_height', 'velocity_command', 'range_scan', 'range', 'value',
)  # fmt: skip
"""The kinds whose values are in proportion to numbers of their own message types."""


def _unsupported(term: Term, source: Source, known: Sequence[str]) -> WiringError:
    others = '' if term.shape else '; any other with field: or fields:'
    return WiringError(
        f'a {term.kind} cannot be read from {source.type}; expected one of {", ".join(known)}'
        f'{others}'
    )


def _joint(term: Term, ports: Ports, prefix: str) -> Reader:
    raise _unsupported(term, ports[''][1], [JOINT_STATE, *ARRAYS])


def _twist_part(part: str) -> Callable[..., Reader]:
    def build(term: Term, ports: Ports, prefix: str) -> Reader:
        _, source = ports['']
        if part == 'angular' and source.type == IMU:
            linear, angular = '', 'angular_velocity'
        elif source.type in _TWIST_FIELDS:
            stem = _TWIST_FIELDS[source.type]
            linear, angular = f'{stem}linear', f'{stem}angular'
        else:
            extra = [IMU] if part == 'angular' else []
            raise _unsupported(term, source, [*_TWIST_FIELDS, *extra])
        body = _body(term, ports, prefix)
        return VelocityReader(body, linear if part == 'linear' else '', angular, term.labels)

    return build


def _velocity_command(term: Term, ports: Ports, prefix: str) -> Reader:
    port, source = ports['']
    if source.type not in _TWIST_FIELDS:
        raise _unsupported(term, source, list(_TWIST_FIELDS))
    stem = _TWIST_FIELDS[source.type]
    paths = [stem + label.replace('_', '.') for label in term.labels]
    reader = FieldReader(port.label, paths)
    named = _BODY_FRAMES.get(source.type)
    if not term.frame or named is None:
        return reader
    return SameFrame(reader, port.label, named, prefix + term.frame)


def _body(term: Term, ports: Ports, prefix: str) -> BodyFrame:
    """Return the frame of the body that a message is about, against the contract's."""
    port, source = ports['']
    wanted = prefix + term.frame if term.frame else ''
    return BodyFrame(port.label, _BODY_FRAMES.get(source.type, ''), wanted)


def _quaternion_paths(term: Term, ports: Ports) -> list[str]:
    _, source = ports['']
    if source.type != IMU and source.type not in _POSE_FIELDS:
        raise _unsupported(term, source, [IMU, *_POSE_FIELDS])
    stem = '' if source.type == IMU else f'{_POSE_FIELDS[source.type]}.'
    return [f'{stem}orientation.{value}' for value in 'xyzw']


def _gravity(term: Term, ports: Ports, prefix: str) -> Reader:
    paths, body = _quaternion_paths(term, ports), _body(term, ports, prefix)
    return GravityReader(ports[''][0].label, paths, body)


def _orientation(term: Term, ports: Ports, prefix: str) -> Reader:
    paths, body = _quaternion_paths(term, ports), _body(term, ports, prefix)
    options = term.options
    return OrientationReader(ports[''][0].label, paths, body, options['layout'], options['sign'])


def _pose(term: Term, ports: Ports, prefix: str) -> Reader:
    port, source = ports['']
    if source.type not in _POSE_FIELDS:
        raise _unsupported(term, source, list(_POSE_FIELDS))
    frame = prefix + term.frame if term.frame else ''
    return PoseReader(port.label, _POSE_FIELDS[source.type], frame, term.labels)


def _target_pose(term: Term, ports: Ports, prefix: str) -> Reader:
    reader = _pose(term, ports, prefix)
    _check_frame(term)
    return reader


def _check_frame(term: Term) -> None:
    if not term.frame:
        raise WiringError('the contract names no frame for it; add frame: there')


def _goal_fields(term: Term, ports: Ports) -> tuple[str, str]:
    fields = []
    for name in ('goal', 'base'):
        _, source = ports[name]
        if source.type not in _POSE_FIELDS:
            raise _unsupported(term, source, list(_POSE_FIELDS))
        fields.append(_POSE_FIELDS[source.type])
    return fields[0], fields[1]


def _goal(term: Term, ports: Ports, prefix: str) -> Reader:
    return GoalReader(term.name, *_goal_fields(term, ports), term.options['layout'] == 'polar')


def _goal_pose(term: Term, ports: Ports, prefix: str) -> Reader:
    with_rotation = term.options['layout'] != 'position'
    return GoalPoseReader(
        term.name, *_goal_fields(term, ports), with_rotation, term.options['sign']
    )


def _scan(term: Term, ports: Ports, prefix: str) -> Reader:
    port, source = ports['']
    if source.type != LASER_SCAN:
        raise _unsupported(term, source, [LASER_SCAN])
    return ScanReader(term, port)


def _range(term: Term, ports: Ports, prefix: str) -> Reader:
    port, source = ports['']
    if source.type != RANGE:
        raise _unsupported(term, source, [RANGE])
    return FieldReader(port.label, ['range'])


def _height_scan(term: Term, ports: Ports, prefix: str) -> Reader:
    port, source = ports['']
    if source.type != POINT_CLOUD:
        raise _unsupported(term, source, [POINT_CLOUD])
    _check_frame(term)
    return HeightScanReader(port.label, term, prefix)


_BUILDERS: dict[str, Callable[..., Reader]] = {
    'joint_position': _joint,
    'joint_velocity': _joint,
    'joint_effort': _joint,
    'base_linear_velocity': _twist_part('linear'),
    'base_angular_velocity': _twist_part('angular'),
    'projected_gravity': _gravity,
    'velocity_command': _velocity_command,
    'goal_relative': _goal,
    'goal_pose': _goal_pose,
    'orientation': _orientation,
    'base_height': _pose,
    'target_pose': _target_pose,
    'range_scan': _scan,
    'range': _range,
    'height_scan': _height_scan,
}


def build_reader(term: Term, ports: Ports, frame_prefix: str, messages: Messages) -> Reader:
    """
    Return the reader of a term.

    :param term: the term, of a kind with ports that is no image.
    :param ports: its ports by name, each with its source.
    :param frame_prefix: put before the contract's frame names, for instance ``r1/``.
    :param messages: the message types.
    :raises WiringError: the term cannot be read from that message type.
    :raises MessageError: the message type has not the field that the wiring names.
    """
    check_ports(term, ports)
    port, source = next(iter(ports.values()))
    if _by_field(term, port, source):
        converted = port_conversion(term, port)
        return build_field_reader(term, port, source, messages, converted)
    if term.kind in POSES:
        return _poses(term, ports, frame_prefix, messages)
    if is_custom(term.kind):
        return CustomReader(term, ports, frame_prefix)
    reader = _BUILDERS[term.kind](term, ports, frame_prefix)
    if term.kind in _CONVERTED:
        found = port_conversion(term, port)
        reader = reader if found is None else Converted(reader, found)
    else:
        refuse_units(term, ports)
    if term.kind in ('range_scan', 'range'):
        # No return (inf, REP 117) reads as range_max, too close (-inf) as zero.
        return Within(reader, 0.0, float(term.options['range_max']))
    return reader


def build_image_reader(term: Term, ports: Ports) -> ImageReader:
    """
    Return the reader of an image.

    :raises WiringError: an image cannot be read from that message type.
    :raises MissingDependencyError: compressed images need Pillow, which is not installed.
    """
    check_ports(term, ports)
    refuse_units(term, ports)
    port, source = ports['']
    if source.type not in (IMAGE, COMPRESSED_IMAGE):
        raise _unsupported(term, source, [IMAGE, COMPRESSED_IMAGE])
    return ImageReader(port.label, term, source.type == COMPRESSED_IMAGE)


def _poses(term: Term, ports: Ports, prefix: str, messages: Messages) -> Reader:
    """Return the reader of poses, of which any can be made of the fields of another message."""
    made = [pose_fields(term, *one, messages, prefix) for one in ports.values()]
    stamped: Ports = {
        name: (port, source) if pose is None else (port, Source(source.topic, POSE_STAMPED))
        for (name, (port, source)), pose in zip(ports.items(), made)
    }
    reader = _BUILDERS[term.kind](term, stamped, prefix)
    refuse_units(term, {n: one for (n, one), pose in zip(ports.items(), made) if pose is None})
    return reader if all(one is None for one in made) else PosesFrom(reader, made)


def _by_field(term: Term, port: Port, source: Source) -> bool:
    """Return whether a term is read by the paths of fields, not by what its kind knows."""
    if term.kind in POSES:
        return False
    if port.field or port.fields or term.kind == 'value':
        return True
    return bool(term.joints) and source.type in (JOINT_STATE, *ARRAYS)
