"""
From commanded values to messages as CDR bytes.

The safety gate works on action terms in their units (``action_terms.py``); an encoder turns what
the gate lets through into the robot's message. One message can carry several terms of the same
joints: positions, velocities and efforts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WiringError
from ..policy.contract import Term
from .messages import Messages
from .ports import Target

Vector = NDArray[np.float64]
Encoder = Callable[[Vector, int], bytes]
"""Takes a term's values and the ROS time in nanoseconds; returns the message's bytes."""
JointEncoder = Callable[[Sequence[Vector], int], bytes]
"""The same for several terms in one message."""

JOINT_STATE = 'sensor_msgs/msg/JointState'
JOINT_TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'
_JOINT_STATE_FIELDS = {
    'joint_position_target': 'position',
    'joint_velocity_target': 'velocity',
    'joint_effort_target': 'effort',
}
_TRAJECTORY_FIELDS = {
    'joint_position_target': 'positions',
    'joint_velocity_target': 'velocities',
    'joint_effort_target': 'effort',
}


def _header(messages: Messages, frame: str, ros_ns: int) -> Any:
    stamp = messages.type('builtin_interfaces/msg/Time')(
        sec=ros_ns // 1_000_000_000, nanosec=ros_ns % 1_000_000_000
    )
    return messages.type('std_msgs/msg/Header')(stamp=stamp, frame_id=frame)


def _check_joints(term: Term, target: Target) -> None:
    wanted = target.names.of(term.joints)
    if sorted(target.joints) != sorted(wanted):
        raise WiringError(
            f'joints: lists {", ".join(target.joints)}; the contract commands '
            f'{", ".join(wanted) or "no joints"}'
            + (f', the names of {", ".join(term.joints)}' if wanted != term.joints else '')
        )


def _array_encoder(term: Term, target: Target, messages: Messages) -> Encoder:
    if term.joints:
        if not target.joints:
            raise WiringError(
                f'{target.type} names no joints: give joints: the names in the order of the array'
            )
        _check_joints(term, target)
        names = target.names.of(term.joints)
        order = np.array([names.index(joint) for joint in target.joints], np.intp)
    else:
        if target.joints:
            _check_joints(term, target)
        order = np.arange(term.size)
    dtype = np.float64 if '64' in target.type else np.float32
    make = messages.type(target.type)
    layout = messages.type('std_msgs/msg/MultiArrayLayout')(dim=[], data_offset=0)
    return lambda values, ros_ns: messages.encode(
        make(layout=layout, data=values[order].astype(dtype)), target.type
    )


def _twist_encoder(term: Term, target: Target, messages: Messages) -> Encoder:
    vector, twist = (
        messages.type('geometry_msgs/msg/Vector3'),
        messages.type('geometry_msgs/msg/Twist'),
    )
    stamped = target.type == 'geometry_msgs/msg/TwistStamped'
    make = messages.type(target.type)

    def encode(values: Vector, ros_ns: int) -> bytes:
        parts = dict.fromkeys(
            ('linear_x', 'linear_y', 'linear_z', 'angular_x', 'angular_y', 'angular_z'), 0.0
        )
        parts.update(zip(term.labels, values.tolist()))
        message = twist(
            linear=vector(x=parts['linear_x'], y=parts['linear_y'], z=parts['linear_z']),
            angular=vector(x=parts['angular_x'], y=parts['angular_y'], z=parts['angular_z']),
        )
        if stamped:
            message = make(header=_header(messages, target.frame, ros_ns), twist=message)
        return messages.encode(message, target.type)

    return encode


def _joint_state_encoder(
    terms: Sequence[Term], target: Target, messages: Messages
) -> JointEncoder:
    make = messages.type(target.type)
    fields = _joint_fields(terms, _JOINT_STATE_FIELDS)
    names = list(target.names.of(terms[0].joints))

    def encode(values: Sequence[Vector], ros_ns: int) -> bytes:
        arrays: dict[str, Vector] = dict.fromkeys(('position', 'velocity', 'effort'), np.empty(0))
        for (field, order), one in zip(fields, values):
            arrays[field] = one[order]
        header = _header(messages, target.frame, ros_ns)
        return messages.encode(make(header=header, name=names, **arrays), target.type)

    return encode


def _trajectory_encoder(terms: Sequence[Term], target: Target, messages: Messages) -> JointEncoder:
    if target.time_from_start_ns <= 0:
        raise WiringError(
            'a JointTrajectory needs time_from_start: how long the robot may take to the point, '
            'for instance 60 ms'
        )
    make, point = (
        messages.type(target.type),
        messages.type('trajectory_msgs/msg/JointTrajectoryPoint'),
    )
    after = messages.type('builtin_interfaces/msg/Duration')(
        sec=target.time_from_start_ns // 1_000_000_000,
        nanosec=target.time_from_start_ns % 1_000_000_000,
    )
    fields = _joint_fields(terms, _TRAJECTORY_FIELDS)
    names = list(target.names.of(terms[0].joints))

    def encode(values: Sequence[Vector], ros_ns: int) -> bytes:
        arrays: dict[str, Vector] = dict.fromkeys(
            ('positions', 'velocities', 'accelerations', 'effort'), np.empty(0)
        )
        for (field, order), one in zip(fields, values):
            arrays[field] = one[order]
        # A zero stamp: the trajectory begins when it arrives (trajectory_msgs/JointTrajectory).
        return messages.encode(
            make(
                header=_header(messages, target.frame, 0),
                joint_names=names,
                points=[point(time_from_start=after, **arrays)],
            ),
            target.type,
        )

    return encode


def _joint_fields(
    terms: Sequence[Term], names: dict[str, str]
) -> list[tuple[str, NDArray[np.intp]]]:
    """Return for each term its field in the message, and the order of the first term's joints."""
    joints = terms[0].joints
    fields: list[tuple[str, NDArray[np.intp]]] = []
    for term in terms:
        if sorted(term.joints) != sorted(joints):
            raise WiringError(
                f'{term.name} commands {", ".join(term.joints)}, and {terms[0].name} '
                f'{", ".join(joints)}: one message has one list of joints'
            )
        field = names[term.command]
        if field in (other for other, _ in fields):
            raise WiringError(f'two terms would fill the field {field} of one message')
        order = np.array([term.joints.index(joint) for joint in joints], np.intp)
        fields.append((field, order))
    return fields


def _pose_encoder(term: Term, target: Target, messages: Messages) -> Encoder:
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
    make = messages.type(target.type)

    def encode(values: Vector, ros_ns: int) -> bytes:
        message = point(*values[:3].tolist())
        if not only_point:
            q = values[3:] / np.sqrt((values[3:] ** 2).sum())  # limits can have shortened it
            message = pose(position=message, orientation=quaternion(*q.tolist()))
        if stamped:
            field = 'point' if only_point else 'pose'
            header = _header(messages, target.frame, ros_ns)
            message = make(header=header, **{field: message})
        return messages.encode(message, target.type)

    return encode


def _number_encoder(term: Term, target: Target, messages: Messages) -> Encoder:
    if term.size != 1:
        raise WiringError(f'{target.type} takes one value, the term has {term.size}')
    if target.joints:
        _check_joints(term, target)
    make = messages.type(target.type)
    return lambda values, ros_ns: messages.encode(make(data=float(values[0])), target.type)


_JOINT_KINDS = tuple(_JOINT_STATE_FIELDS)
_ARRAY_KINDS = (*_JOINT_KINDS, 'joint_stiffness', 'joint_damping', 'value')
_ENCODERS: dict[str, tuple[tuple[str, ...], Callable[[Term, Target, Messages], Encoder]]] = {
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
}
_JOINT_ENCODERS: dict[str, Callable[[Sequence[Term], Target, Messages], JointEncoder]] = {
    JOINT_STATE: _joint_state_encoder,
    JOINT_TRAJECTORY: _trajectory_encoder,
}
SHARED_TYPES = tuple(_JOINT_ENCODERS)
"""The message types of which one message can carry several action terms."""
_NAMELESS = tuple(name for name in _ENCODERS if name.startswith('std_msgs/'))


def build_encoder(term: Term, target: Target, messages: Messages) -> Encoder:
    """
    Return the encoder of an action term.

    :raises WiringError: the term cannot be sent as that message type.
    """
    if target.type in _JOINT_ENCODERS:
        together = build_joint_encoder([term], target, messages)
        return lambda values, ros_ns: together([values], ros_ns)
    _check_kind(term, target)
    _refuse_unused(target, messages)
    return _ENCODERS[target.type][1](term, target, messages)


def build_joint_encoder(terms: Sequence[Term], target: Target, messages: Messages) -> JointEncoder:
    """
    Return the encoder of several action terms of the same joints into one message.

    :param terms: the terms, in the order of their values.
    :param target: where the message goes; of one of ``SHARED_TYPES``.
    :param messages: the message types.
    :raises WiringError: the terms cannot be sent together as that message type.
    """
    for term in terms:
        _check_kind(term, target)
    _refuse_unused(target, messages)
    return _JOINT_ENCODERS[target.type](terms, target, messages)


def _check_kind(term: Term, target: Target) -> None:
    known = [name for name, (kinds, _) in _ENCODERS.items() if term.command in kinds]
    if term.command in _JOINT_KINDS:
        known.extend(_JOINT_ENCODERS)
    if target.type not in known:
        raise WiringError(
            f'a {term.command} cannot be sent as {target.type}; expected one of {", ".join(known)}'
        )


def _refuse_unused(target: Target, messages: Messages) -> None:
    """Refuse what the message type has no place for."""
    if target.frame and not messages.has_header(target.type):
        raise WiringError(f'frame: a {target.type} has no header to put it into')
    if target.time_from_start_ns and target.type != JOINT_TRAJECTORY:
        raise WiringError(f'time_from_start: is for {JOINT_TRAJECTORY} only')
    if target.joints and target.type not in _NAMELESS:
        raise WiringError(f'joints: is for nameless arrays; {target.type} is none')
