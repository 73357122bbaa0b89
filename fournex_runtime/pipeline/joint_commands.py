"""Commands that name their joints: ``JointState``, ``JointTrajectory``; one term or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WiringError
from .command_values import CommandPart, CommandValues, Vector
from .header import header
from .messages import Messages

Encoder = Callable[[Sequence[Vector], int], bytes]
"""Takes the values of each term and the ROS time in nanoseconds; returns the message's bytes."""

JOINT_STATE = 'sensor_msgs/msg/JointState'
JOINT_TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'
JOINT_STATE_FIELDS = {
    'joint_position_target': 'position',
    'joint_velocity_target': 'velocity',
    'joint_effort_target': 'effort',
}
TRAJECTORY_FIELDS = {
    'joint_position_target': 'positions',
    'joint_velocity_target': 'velocities',
    'joint_effort_target': 'effort',
}
JOINT_KINDS = tuple(JOINT_STATE_FIELDS)


def joint_state_encoder(parts: Sequence[CommandPart], messages: Messages) -> Encoder:
    """Return the encoder of a ``JointState``, which has a field for each kind of target."""
    target = parts[0].target
    make = messages.type(target.type)
    fields = _Fields(parts, JOINT_STATE_FIELDS, ('position', 'velocity', 'effort'))

    def encode(values: Sequence[Vector], ros_ns: int) -> bytes:
        stamped = header(messages, target.frame, ros_ns)
        message = make(header=stamped, name=fields.names, **fields.filled(values))
        return messages.encode(message, target.type)

    return encode


def trajectory_encoder(parts: Sequence[CommandPart], messages: Messages) -> Encoder:
    """Return the encoder of a ``JointTrajectory`` of one point."""
    target = parts[0].target
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
    names = ('positions', 'velocities', 'accelerations', 'effort')
    fields = _Fields(parts, TRAJECTORY_FIELDS, names)

    def encode(values: Sequence[Vector], ros_ns: int) -> bytes:
        # A zero stamp: the trajectory begins when it arrives (trajectory_msgs/JointTrajectory).
        message = make(
            header=header(messages, target.frame, 0),
            joint_names=fields.names,
            points=[point(time_from_start=after, **fields.filled(values))],
        )
        return messages.encode(message, target.type)

    return encode


class _Fields:
    """The arrays of a message, one a kind of target, in the order of the first term's joints."""

    def __init__(
        self, parts: Sequence[CommandPart], field_of: dict[str, str], every: Sequence[str]
    ) -> None:
        first = parts[0].term
        self.names = list(parts[0].target.names.of(first.joints))
        self._every = every
        self._filled: list[tuple[str, NDArray[np.intp], CommandValues]] = []
        for part in parts:
            term = part.term
            if sorted(term.joints) != sorted(first.joints):
                raise WiringError(
                    f'{term.name} commands {", ".join(term.joints)}, and {first.name} '
                    f'{", ".join(first.joints)}: one message has one list of joints'
                )
            field = field_of[term.command]
            if field in (other for other, _, _ in self._filled):
                raise WiringError(f'two terms would fill the field {field} of one message')
            order = np.array([term.joints.index(joint) for joint in first.joints], np.intp)
            self._filled.append((field, order, CommandValues(part)))

    def filled(self, values: Sequence[Vector]) -> dict[str, NDArray[Any]]:
        """Return every array; those that no term fills are empty."""
        arrays: dict[str, NDArray[Any]] = dict.fromkeys(self._every, np.empty(0))
        for (field, order, convert), one in zip(self._filled, values):
            arrays[field] = convert(one)[order]
        return arrays
