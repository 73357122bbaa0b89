"""
Which message types each kind of observation term is read from, and how.

A reader takes the newest message of each of its term's ports and writes the term's values, as
float64 in the contract's unit, before offset, clip and scale. Readers are pure: what they remember
(an index by joint names) is a function of the message alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..errors import MessageError, WiringError
from ..policy.contract import Term
from .fields import ArrayReader, ChoiceReader, FieldReader, JointReader, Reader
from .height_scan import HeightScanReader
from .image_reader import COMPRESSED_IMAGE, IMAGE, ImageReader
from .ports import Port, Source
from .pose_readers import (
    GoalPoseReader,
    GoalReader,
    GravityReader,
    OrientationReader,
    PoseReader,
)
from .range_readers import RangeReader, ScanReader

Ports = Mapping[str, tuple[Port, Source]]

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
RANGE = 'sensor_msgs/msg/Range'
POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'


NAMED_BY_FIELD = ('joint_position', 'joint_velocity', 'joint_effort', 'value')
"""The kinds for which the wiring may name a field; the others know theirs by the message type."""


def _joint_reader(term: Term, ports: Ports, prefix: str) -> Reader:
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
    def build(term: Term, ports: Ports, prefix: str) -> Reader:
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


def _velocity_command(term: Term, ports: Ports, prefix: str) -> Reader:
    port, source = ports['']
    if source.type not in _TWIST_FIELDS:
        raise _unsupported(source, list(_TWIST_FIELDS))
    stem = _TWIST_FIELDS[source.type]
    return FieldReader(port.label, [stem + label.replace('_', '.') for label in term.labels])


def _orientation_path(ports: Ports) -> str:
    _, source = ports['']
    if source.type == IMU:
        return 'orientation'
    if source.type not in _POSE_FIELDS:
        raise _unsupported(source, [IMU, *_POSE_FIELDS])
    return f'{_POSE_FIELDS[source.type]}.orientation'


def _gravity(term: Term, ports: Ports, prefix: str) -> Reader:
    return GravityReader(ports[''][0].label, _orientation_path(ports))


def _orientation(term: Term, ports: Ports, prefix: str) -> Reader:
    options = term.options
    path = _orientation_path(ports)
    return OrientationReader(ports[''][0].label, path, options['layout'], options['sign'])


def _base_height(term: Term, ports: Ports, prefix: str) -> Reader:
    port, source = ports['']
    if source.type not in _POSE_FIELDS:
        raise _unsupported(source, list(_POSE_FIELDS))
    return FieldReader(port.label, [f'{_POSE_FIELDS[source.type]}.position.z'])


def _goal_fields(ports: Ports) -> tuple[str, str]:
    fields = []
    for name in ('goal', 'base'):
        _, source = ports[name]
        if source.type not in _POSE_FIELDS:
            raise _unsupported(source, list(_POSE_FIELDS))
        fields.append(_POSE_FIELDS[source.type])
    return fields[0], fields[1]


def _goal(term: Term, ports: Ports, prefix: str) -> Reader:
    return GoalReader(term.name, *_goal_fields(ports), term.options['layout'] == 'polar')


def _goal_pose(term: Term, ports: Ports, prefix: str) -> Reader:
    with_rotation = term.options['layout'] != 'position'
    return GoalPoseReader(term.name, *_goal_fields(ports), with_rotation, term.options['sign'])


def _target_pose(term: Term, ports: Ports, prefix: str) -> Reader:
    port, source = ports['']
    if source.type not in _POSE_FIELDS:
        raise _unsupported(source, list(_POSE_FIELDS))
    if not term.frame:
        raise WiringError('the contract names no frame for it; add frame: there')
    with_rotation = term.options['layout'] != 'position'
    return PoseReader(port.label, _POSE_FIELDS[source.type], term.frame, prefix, with_rotation)


def _scan(term: Term, ports: Ports, prefix: str) -> Reader:
    port, source = ports['']
    if source.type != LASER_SCAN:
        raise _unsupported(source, [LASER_SCAN])
    return ScanReader(term, port)


def _range(term: Term, ports: Ports, prefix: str) -> Reader:
    _, source = ports['']
    if source.type != RANGE:
        raise _unsupported(source, [RANGE])
    return RangeReader(term)


def _height_scan(term: Term, ports: Ports, prefix: str) -> Reader:
    port, source = ports['']
    if source.type != POINT_CLOUD:
        raise _unsupported(source, [POINT_CLOUD])
    if not term.frame:
        raise WiringError('the contract names no frame for it; add frame: there')
    return HeightScanReader(port.label, term, prefix)


def _value(term: Term, ports: Ports, prefix: str) -> Reader:
    port, source = ports['']
    if term.options['one_hot'] is not None:
        return ChoiceReader(port.label, _field(port, source))
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
    'goal_pose': _goal_pose,
    'orientation': _orientation,
    'base_height': _base_height,
    'target_pose': _target_pose,
    'range_scan': _scan,
    'range': _range,
    'height_scan': _height_scan,
    'value': _value,
}


def build_reader(term: Term, ports: Ports, frame_prefix: str) -> Reader:
    """
    Return the reader of a term.

    :param term: the term, of a kind with ports that is no image.
    :param ports: its ports by name, each with its source.
    :param frame_prefix: put before the contract's frame names, for instance ``r1/``.
    :raises WiringError: the term cannot be read from that message type.
    """
    _check_ports(term, ports)
    return _BUILDERS[term.kind](term, ports, frame_prefix)


def build_image_reader(term: Term, ports: Ports) -> ImageReader:
    """
    Return the reader of an image.

    :raises WiringError: an image cannot be read from that message type.
    :raises MissingDependencyError: compressed images need Pillow, which is not installed.
    """
    _check_ports(term, ports)
    port, source = ports['']
    if source.type not in (IMAGE, COMPRESSED_IMAGE):
        raise _unsupported(source, [IMAGE, COMPRESSED_IMAGE])
    return ImageReader(port.label, term, source.type == COMPRESSED_IMAGE)


def _check_ports(term: Term, ports: Ports) -> None:
    for port, _ in ports.values():
        if port.field and term.kind not in NAMED_BY_FIELD:
            raise WiringError(f'field: is not for a {term.kind}; its message type says it all')
        if port.joints and not term.joints:
            raise WiringError(f'joints: is not for a {term.kind}, which has no joints')
