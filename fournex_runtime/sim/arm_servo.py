"""The joint position controllers of the simulated arm: from commands to servo references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .sensor_messages import Vector, finite_vector


class ArmServo:
    """
    Moves one reference a joint to its target, no faster than the joint may move.

    :param joints: names in the order of all arrays here.
    :param position_limits: least and greatest position of each joint, rad; shape (joints, 2).
    :param velocity_max: greatest speed of each reference, rad/s.
    :param step_ns: simulated time of one ``advance()``.
    """

    def __init__(
        self, joints: Sequence[str], position_limits: Vector, velocity_max: Vector, step_ns: int
    ) -> None:
        self._joints = tuple(joints)
        self._low, self._high = np.array(position_limits, np.float64).T
        self._step_max = velocity_max * (step_ns / 1e9)
        self._step_ns = step_ns
        self.reset(np.zeros(len(joints)))

    def reset(self, position: Vector) -> None:
        """Stand still at a position."""
        self._reference = np.array(position, np.float64)
        self.hold()

    def hold(self) -> None:
        """Stay where the references are."""
        self._target = self._reference.copy()
        self._step_bound = self._step_max

    def take_positions(self, message: Any) -> bool:
        """
        Take the positions of a ``std_msgs/msg/Float64MultiArray``, in the order of the joints.

        :return: whether it was obeyed; not if it is of another size or not finite.
        """
        return self._take(message.data, 0)

    def take_trajectory(self, message: Any) -> bool:
        """
        Take the first point of a ``trajectory_msgs/msg/JointTrajectory``, by joint name.

        :return: whether it was obeyed; not unless it names each joint once and has a point with
            one finite position for each and no negative ``time_from_start``.
        """
        names = list(message.joint_names)
        if sorted(names) != sorted(self._joints) or not message.points:
            return False
        point = message.points[0]
        values = finite_vector(point.positions, len(names))
        after = point.time_from_start
        after_ns = after.sec * 1_000_000_000 + after.nanosec
        if values is None or after_ns < 0:
            return False
        return self._take(values[[names.index(joint) for joint in self._joints]], after_ns)

    def _take(self, positions: Any, after_ns: int) -> bool:
        """Set out for positions, to arrive no sooner than ``after_ns`` from now."""
        values = finite_vector(positions, len(self._joints))
        if values is None:
            return False
        self._target = np.clip(values, self._low, self._high)
        steps = max(1, -(-after_ns // self._step_ns))
        distance = np.abs(self._target - self._reference)
        self._step_bound = np.minimum(self._step_max, distance / steps)
        return True

    def advance(self) -> Vector:
        """Move the references by one step and return them, rad."""
        remaining = self._target - self._reference
        self._reference += np.clip(remaining, -self._step_bound, self._step_bound)
        return self._reference
