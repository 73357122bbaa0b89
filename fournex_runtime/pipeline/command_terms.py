"""
From commanded values to messages as CDR bytes.

The safety gate works on action terms in their units (``action_terms.py``); an encoder turns what
the gate lets through into the robot's message. One message can carry several terms, each in fields
of its own: positions, velocities and efforts of the same joints, or whatever the wiring names.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np

from ..errors import WiringError
from .command_values import CommandPart, CommandValues, Vector
from .field_commands import array_order, field_encoder, fills_fields
from .header import header
from .joint_commands import (
    JOINT_KINDS,
    JOINT_STATE,
    JOINT_TRAJECTORY,
    Encoder,
    joint_state_encoder,
    trajectory_encoder,
)
from .messages import Messages
from .ports import Target

_STAMP, _STAMP_AT = struct.Struct('=iI'), 4
TWIST = ('linear_x', 'linear_y', 'linear_z', 'angular_x', 'angular_y', 'angular_z')


def _array_encoder(parts: Sequence[CommandPart], messages: Messages) -> Encoder:
    target = parts[0].target
    dtype = 'float64' if '64' in target.type else 'float32'
    order, convert = np.array(array_order(parts[0]), np.intp), CommandValues(parts[0], dtype)
    make = messages.type(target.type)
    layout = messages.type('std_msgs/msg/MultiArrayLayout')(dim=[], data_offset=0)
    data = np.zeros(parts[0].term.size, dtype)
    # The array is the last thing in the message, and only its numbers change.
    before = messages.encode(make(layout=layout, data=data), target.type)[: -data.nbytes]
    return lambda values, ros_ns: before + convert(values[0])[order].tobytes()


def _number_encoder(parts: Sequence[CommandPart], messages: Messages) -> Encoder:
    term, target = parts[0].term, parts[0].target
    if term.size != 1:
        raise WiringError(f'{target.type} takes one value, the term has {term.size}')
    if target.joints:
        array_order(parts[0])
    convert = CommandValues(parts[0], 'float64' if '64' in target.type else 'float32')
    make = messages.type(target.type)
    return lambda values, ros_ns: messages.encode(
        make(data=convert(values[0]).item()), target.type
    )


def _twist_encoder(parts: Sequence[CommandPart], messages: Messages) -> Encoder:
    term, target = parts[0].term, parts[0].target
    message, convert = messages.zero(target.type), CommandValues(parts[0])
    stamped = target.type == 'geometry_msgs/msg/TwistStamped'
    if stamped:
        message.header = header(messages, target.frame, 0)
    places = np.array([TWIST.index(label) for label in term.labels], np.intp)
    # Six numbers are the last thing in the message, and the stamp the first: nothing else changes.
    before = messages.encode(message, target.type)[: -8 * len(TWIST)]
    begin, end = before[:_STAMP_AT], before[_STAMP_AT + _STAMP.size :]

    def encode(values: Sequence[Vector], ros_ns: int) -> bytes:
        axes = np.zeros(len(TWIST))
        axes[places] = convert(values[0])
        if not stamped:
            return before + axes.tobytes()
        return begin + _STAMP.pack(*divmod(ros_ns, 1_000_000_000)) + end + axes.tobytes()

    return encode


def _pose_encoder(parts: Sequence[CommandPart], messages: Messages) -> Encoder:
    term, target = parts[0].term, parts[0].target
    point = messages.type('geometry_msgs/msg/Point')
    quaternion = messages.type('geometry_msgs/msg/Quaternion')
    pose = messages.type('geometry_msgs/msg/Pose')
    only_point = 'Point' in target.type
    if only_point == (term.size == 7):
        raise WiringError(
            f'a pose_target of layout {term.options["layout"]} cannot be sent as {target.type}'
        )
    stamped = target.type.endswith('Stamped')
    if stamped and not target.frame:
        raise WiringError('frame: is missing: say in which frame the pose is')
    make, convert = messages.type(target.type), CommandValues(parts[0])

    def encode(values: Sequence[Vector], ros_ns: int) -> bytes:
        found = convert(values[0]).tolist()
        message = point(*found[:3])
        if not only_point:
            message = pose(position=message, orientation=quaternion(*found[3:]))
        if stamped:
            field = 'point' if only_point else 'pose'
            stamp = header(messages, target.frame, ros_ns)
            message = make(header=stamp, **{field: message})
        return messages.encode(message, target.type)

    return encode


_ARRAY_KINDS = (*JOINT_KINDS, 'joint_stiffness', 'joint_damping', 'value')
_ENCODERS: dict[
    str, tuple[tuple[str, ...], Callable[[Sequence[CommandPart], Messages], Encoder]]
] = {
    'std_msgs/msg/Float64MultiArray': (_ARRAY_KINDS, _array_encoder),
    'std_msgs/msg/Float32MultiArray': (_ARRAY_KINDS, _array_encoder),
    'std_msgs/msg/Float64': (_ARRAY_KINDS, _number_encoder),
    'std_msgs/msg/Float32': (_ARRAY_KINDS, _number_encoder),
    'geometry_msgs/msg/Twist': (('twist',), _twist_encoder),
    'geometry_msgs/msg/TwistStamped': (('twist',), _twist_encoder),
    'geometry_msgs/msg/Pose': (('pose_target',), _pose_encoder),
    'geometry_msgs/msg/PoseStamped': (('pose_target',), _pose_encoder),
    'geometry_msgs/msg/Point': (('pose_target',), _pose_encoder),
    'geometry_msgs/msg/PointStamped': (('pose_target',), _pose_encoder),
    JOINT_STATE: (JOINT_KINDS, joint_state_encoder),
    JOINT_TRAJECTORY: (JOINT_KINDS, trajectory_encoder),
}
_SHARED_TYPES = (JOINT_STATE, JOINT_TRAJECTORY)
_NAMELESS = tuple(name for name in _ENCODERS if name.startswith('std_msgs/'))


def can_share(target: Target, other: Target) -> bool:
    """Return whether two terms can be sent in one message, each in fields of its own."""
    if fills_fields(target) or fills_fields(other):
        return fills_fields(target) and fills_fields(other)
    return target.type in _SHARED_TYPES


def build_encoder(parts: Sequence[CommandPart], messages: Messages) -> Encoder:
    """
    Return the encoder of the action terms of one topic into one message.

    :param parts: the terms, in the order of their values.
    :param messages: the message types.
    :raises WiringError: the terms cannot be sent, or not together, as that message type.
    :raises MessageError: the message type is unknown, or has not the fields that are named.
    """
    for part in parts:
        _check_kind(part, messages)
    if fills_fields(parts[0].target):
        return field_encoder(parts, messages)
    return _ENCODERS[parts[0].target.type][1](parts, messages)


def _check_kind(part: CommandPart, messages: Messages) -> None:
    """Refuse a message type that has no place for the term, and what it has no place for."""
    term, target = part.term, part.target
    by_field = fills_fields(target)
    known = [name for name, (kinds, _) in _ENCODERS.items() if term.command in kinds]
    if by_field and term.command in JOINT_KINDS and target.type in _SHARED_TYPES:
        raise WiringError(
            f'field: and fields: are for other types; a {target.type} has its place for a '
            f'{term.command}'
        )
    if not by_field and target.type not in known:
        raise WiringError(
            f'a {term.command} cannot be sent as {target.type}; expected one of '
            f'{", ".join(known)}; any other with field: or fields:'
        )
    if target.field and target.fields:
        raise WiringError('field: and fields: are given; expected one of them')
    if target.constants and not by_field:
        raise WiringError('set: is for messages whose fields are named: give field: or fields:')
    if target.frame and not messages.has_header(target.type):
        raise WiringError(f'frame: a {target.type} has no header to put it into')
    if target.time_from_start_ns and (by_field or target.type != JOINT_TRAJECTORY):
        raise WiringError(f'time_from_start: is for {JOINT_TRAJECTORY} only')
    if target.joints and not by_field and target.type not in _NAMELESS:
        raise WiringError(f'joints: is for nameless arrays; {target.type} is none')
