"""
From the policy's outputs to commands: action terms in SI units, then messages as CDR bytes.

An action value passes ``clip → * scale → + offset`` (the contract); what comes out is in the unit
of the term. The safety gate works on that; an encoder turns what the gate lets through into the
robot's message.
"""

from __future__ import annotations

from collections.abc import Callable
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


class ActionTerm:
    """
    One action term with its arithmetic bound.

    :param term: the term of the contract.
    """

    def __init__(self, term: Term) -> None:
        self.term = term
        self._low, self._high = np.array(term.clip[0]), np.array(term.clip[1])
        self._scale, self._offset = np.array(term.scale), np.array(term.offset)

    def clip(self, raw: Vector) -> Vector:
        """Return the raw values within the contract's clip."""
        return np.clip(raw, self._low, self._high)

    def command(self, clipped: Vector) -> Vector:
        """Return the commanded values, in the unit of the term."""
        with np.errstate(over='ignore'):  # the gate refuses what is not finite
            command: Vector = clipped * self._scale + self._offset
        return command


def _header(messages: Messages, frame: str, ros_ns: int) -> Any:
    stamp = messages.type('builtin_interfaces/msg/Time')(
        sec=ros_ns // 1_000_000_000, nanosec=ros_ns % 1_000_000_000
    )
    return messages.type('std_msgs/msg/Header')(stamp=stamp, frame_id=frame)


def _check_joints(term: Term, target: Target) -> None:
    if sorted(target.joints) != sorted(term.joints):
        raise WiringError(
            f'joints: lists {", ".join(target.joints)}; the contract commands '
            f'{", ".join(term.joints) or "no joints"}'
        )


def _array_encoder(term: Term, target: Target, messages: Messages) -> Encoder:
    if term.joints:
        if not target.joints:
            raise WiringError(
                f'{target.type} names no joints: give joints: the names in the order of the array'
            )
        _check_joints(term, target)
        order = np.array([term.joints.index(joint) for joint in target.joints], np.intp)
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


def _joint_state_encoder(term: Term, target: Target, messages: Messages) -> Encoder:
    make = messages.type(target.type)
    field = _JOINT_STATE_FIELDS[term.kind]

    def encode(values: Vector, ros_ns: int) -> bytes:
        arrays: dict[str, Vector] = dict.fromkeys(('position', 'velocity', 'effort'), np.empty(0))
        arrays[field] = values
        header = _header(messages, target.frame, ros_ns)
        return messages.encode(make(header=header, name=list(term.joints), **arrays), target.type)

    return encode


def _trajectory_encoder(term: Term, target: Target, messages: Messages) -> Encoder:
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
    field = _TRAJECTORY_FIELDS[term.kind]

    def encode(values: Vector, ros_ns: int) -> bytes:
        arrays: dict[str, Vector] = dict.fromkeys(
            ('positions', 'velocities', 'accelerations', 'effort'), np.empty(0)
        )
        arrays[field] = values
        # A zero stamp: the trajectory begins when it arrives (trajectory_msgs/JointTrajectory).
        return messages.encode(
            make(
                header=_header(messages, target.frame, 0),
                joint_names=list(term.joints),
                points=[point(time_from_start=after, **arrays)],
            ),
            target.type,
        )

    return encode


def _number_encoder(term: Term, target: Target, messages: Messages) -> Encoder:
    if term.size != 1:
        raise WiringError(f'{target.type} takes one value, the term has {term.size}')
    if target.joints:
        _check_joints(term, target)
    make = messages.type(target.type)
    return lambda values, ros_ns: messages.encode(make(data=float(values[0])), target.type)


_JOINT_KINDS = tuple(_JOINT_STATE_FIELDS)
_ENCODERS: dict[str, tuple[tuple[str, ...], Callable[[Term, Target, Messages], Encoder]]] = {
    'std_msgs/msg/Float64MultiArray': ((*_JOINT_KINDS, 'value'), _array_encoder),
    'std_msgs/msg/Float32MultiArray': ((*_JOINT_KINDS, 'value'), _array_encoder),
    'std_msgs/msg/Float64': ((*_JOINT_KINDS, 'value'), _number_encoder),
    'std_msgs/msg/Float32': ((*_JOINT_KINDS, 'value'), _number_encoder),
    'geometry_msgs/msg/Twist': (('twist',), _twist_encoder),
    'geometry_msgs/msg/TwistStamped': (('twist',), _twist_encoder),
    'sensor_msgs/msg/JointState': (_JOINT_KINDS, _joint_state_encoder),
    JOINT_TRAJECTORY: (_JOINT_KINDS, _trajectory_encoder),
}
_NAMELESS = tuple(name for name in _ENCODERS if name.startswith('std_msgs/'))


def build_encoder(term: Term, target: Target, messages: Messages) -> Encoder:
    """
    Return the encoder of an action term.

    :raises WiringError: the term cannot be sent as that message type.
    """
    known = [name for name, (kinds, _) in _ENCODERS.items() if term.kind in kinds]
    if target.type not in known:
        raise WiringError(
            f'a {term.kind} cannot be sent as {target.type}; expected one of {", ".join(known)}'
        )
    _refuse_unused(target, messages)
    return _ENCODERS[target.type][1](term, target, messages)


def _refuse_unused(target: Target, messages: Messages) -> None:
    """Refuse what the message type has no place for."""
    if target.frame and not messages.has_header(target.type):
        raise WiringError(f'frame: a {target.type} has no header to put it into')
    if target.time_from_start_ns and target.type != JOINT_TRAJECTORY:
        raise WiringError(f'time_from_start: is for {JOINT_TRAJECTORY} only')
    if target.joints and target.type not in _NAMELESS:
        raise WiringError(f'joints: is for nameless arrays; {target.type} is none')
