"""
Poses, orientations and goals out of messages.

Quaternions are x, y, z, w and turn vectors of the body into the world (REP 103).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import MessageError
from .field_path import field_getter
from .fields import Picker, Places, Reader, Vector
from .framed_readers import BodyFrame, Pose, between, moved_pose
from .rotations import (
    IDENTITY,
    QUATERNION_TOLERANCE,
    Point,
    Quaternion,
    check_rotation,
    conjugate,
    matrix,
    product,
    rotated,
    unit,
    with_sign,
)
from .transforms import Frames
from .trigonometry import arc_tangent_2


class UnitVector:
    """What a reader gives, checked to be of norm 1: gravity's direction, no acceleration."""

    def __init__(self, label: str, reader: Reader) -> None:
        self._label = label
        self._reader = reader

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the vector."""
        self._reader(messages, out, frames)
        norm = float((out**2).sum())
        if np.isfinite(norm) and abs(norm - 1.0) >= QUATERNION_TOLERANCE:
            raise MessageError(
                f'{self._label}: the vector has squared norm {norm:.3g}, expected 1'
            )


class GravityReader:
    """
    The unit vector of gravity in the body frame, from the body's orientation in the world.

    :param label: of the port; for messages.
    :param orientation: gets the orientation out of a message.
    :param body: the body's frame, and the contract's.
    """

    def __init__(self, label: str, orientation: Callable[[Any], Any], body: BodyFrame) -> None:
        self._label = label
        self._get = orientation
        self._body = body

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the third row of the rotation matrix, negated: R(q)^T · (0, 0, -1)."""
        q = self._get(messages[0])
        norm = check_rotation(self._label, q)
        found = Point(
            -2.0 * (q.x * q.z - q.w * q.y) / norm,
            -2.0 * (q.y * q.z + q.w * q.x) / norm,
            -1.0 + 2.0 * (q.x * q.x + q.y * q.y) / norm,
        )
        moved = self._body.to_wanted(messages[0], frames, rigid=False)
        out[:] = found if moved is None else rotated(moved.rotation, found)


class GoalReader:
    """A goal in the plane, relative to the base."""

    def __init__(self, label: str, goal: str, base: str, polar: bool) -> None:
        self._label = label
        self._goal = field_getter(goal)
        self._base = field_getter(base)
        self._polar = polar

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write distance, cosine and sine of the bearing; or x and y in the base frame."""
        goal, base = messages
        target = self._goal(goal).position
        pose = base_beside_goal(self._label, goal, base, self._base(base), frames)
        q = pose.orientation
        norm = check_rotation(f'{self._label}.base', q)
        sin_yaw = 2.0 * (q.w * q.z + q.x * q.y) / norm
        cos_yaw = 1.0 - 2.0 * (q.y * q.y + q.z * q.z) / norm
        level = math.sqrt(sin_yaw * sin_yaw + cos_yaw * cos_yaw)  # below 1 with a pitch
        if level == 0.0:
            raise MessageError(f'{self._label}.base: it points straight up or down')
        sin_yaw, cos_yaw = sin_yaw / level, cos_yaw / level
        dx, dy = target.x - pose.position.x, target.y - pose.position.y
        x = cos_yaw * dx + sin_yaw * dy
        y = -sin_yaw * dx + cos_yaw * dy
        if not self._polar:
            out[:] = (x, y)
            return
        distance = math.sqrt(x * x + y * y)
        at_goal = distance == 0.0  # not "no distance above 0": NaN must stay NaN
        out[:] = (0.0, 1.0, 0.0) if at_goal else (distance, x / distance, y / distance)


class PoseReader(Picker):
    """
    A pose in the frame that the contract names.

    :param label: of the port; for messages.
    :param field: path of the pose.
    :param frame: the contract's frame; empty for that of the message.
    :param values: which values to write: some of ``x``, ``y``, ``z``; or these three and the
        quaternion.
    """

    def __init__(self, label: str, field: str, frame: str, values: Sequence[str]) -> None:
        self._label = label
        self._get = field_getter(field)
        self._field = field
        self._frame = frame
        self._axes = [field_getter(axis) for axis in values if axis in 'xyz']
        self._with_rotation = len(values) > len(self._axes)
        self._values = values

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the position, and where asked the quaternion."""
        pose = self._get(messages[0])
        found = messages[0].header.frame_id
        if self._frame and found != self._frame:
            words = (
                f'{self._label}: the pose is in frame {found!r}, the contract wants '
                f'{self._frame!r}'
            )
            there = between(frames, self._frame, found, words)
            if self._with_rotation:
                pose = moved_pose(self._label, pose, there)
            else:
                pose = Pose(there.point(pose.position), IDENTITY)
        for index, axis in enumerate(self._axes):
            out[index] = axis(pose.position)
        if self._with_rotation:
            q = pose.orientation
            check_rotation(self._label, q)
            out[3:] = (q.x, q.y, q.z, q.w)

    def places(self, message: Any) -> Places | None:
        """Return a position in the contract's frame; a rotation is to be checked."""
        moved = self._frame and message.header.frame_id != self._frame
        if self._with_rotation or moved:
            return None
        return [(f'{self._field}.position.{axis}', None) for axis in self._values]


class OrientationReader:
    """
    The orientation of the body in the world, in the contract's layout.

    :param label: of the port; for messages.
    :param orientation: gets the orientation out of a message.
    :param body: the body's frame, and the contract's.
    :param layout: which values, and in which order.
    :param sign: which of the two quaternions of a rotation.
    """

    def __init__(
        self,
        label: str,
        orientation: Callable[[Any], Any],
        body: BodyFrame,
        layout: str,
        sign: str,
    ) -> None:
        self._label = label
        self._get = orientation
        self._body = body
        self._write = _ORIENTATIONS[layout]
        self._positive = sign == 'w_positive'

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the orientation; a quaternion is made one of norm 1."""
        found = unit(self._label, self._get(messages[0]))
        moved = self._body.to_wanted(messages[0], frames, rigid=False)
        if moved is not None:
            found = product(found, conjugate(moved.rotation))
        self._write(with_sign(found, self._positive), out)


class GoalPoseReader:
    """A goal in space, relative to the base."""

    def __init__(self, label: str, goal: str, base: str, with_rotation: bool, sign: str) -> None:
        self._label = label
        self._goal = field_getter(goal)
        self._base = field_getter(base)
        self._with_rotation = with_rotation
        self._positive = sign == 'w_positive'

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the position R^T (goal - base), and where asked the quaternion base* goal."""
        goal, base = messages
        target = self._goal(goal)
        pose = base_beside_goal(self._label, goal, base, self._base(base), frames)
        b = unit(f'{self._label}.base', pose.orientation)
        r = matrix(b)
        dx = target.position.x - pose.position.x
        dy = target.position.y - pose.position.y
        dz = target.position.z - pose.position.z
        for axis in range(3):  # the columns of R are the rows of R^T
            out[axis] = r[axis] * dx + r[3 + axis] * dy + r[6 + axis] * dz
        if not self._with_rotation:
            return
        g = unit(f'{self._label}.goal', target.orientation)
        out[3:] = with_sign(product(conjugate(b), g), self._positive)


def base_beside_goal(label: str, goal: Any, base: Any, pose: Any, frames: Frames) -> Any:
    """
    Return the pose of the base in the frame of the goal.

    :param label: of the term; for messages.
    :param goal: the goal's message.
    :param base: the base's message.
    :param pose: the pose in it.
    :param frames: the frames as the tick sees them.
    :raises UnresolvedFrame: the two are in different frames and tf does not connect them.
    """
    of_goal, of_base = goal.header.frame_id, base.header.frame_id
    if of_goal == of_base:
        return pose
    words = f'{label}: the goal is in frame {of_goal!r}, the base in {of_base!r}'
    return moved_pose(f'{label}.base', pose, between(frames, of_goal, of_base, words))


def _write_xyzw(q: Quaternion, out: Vector) -> None:
    out[:] = q


def _write_wxyz(q: Quaternion, out: Vector) -> None:
    out[:] = (q[3], q[0], q[1], q[2])


def _write_angles(q: Quaternion, out: Vector) -> None:
    """Write roll, pitch and yaw: R = Rz(yaw) Ry(pitch) Rx(roll) (REP 103, fixed axes)."""
    r = matrix(q)
    out[0] = arc_tangent_2(r[7], r[8])
    out[1] = arc_tangent_2(-r[6], math.sqrt(r[0] * r[0] + r[3] * r[3]))
    out[2] = arc_tangent_2(r[3], r[0])


def _write_columns(q: Quaternion, out: Vector) -> None:
    r = matrix(q)
    out[:] = (r[0], r[3], r[6], r[1], r[4], r[7])


def _write_rows(q: Quaternion, out: Vector) -> None:
    r = matrix(q)
    out[:] = (r[0], r[1], r[3], r[4], r[6], r[7])


_ORIENTATIONS: dict[str, Callable[[Quaternion, Vector], None]] = {
    'quaternion_xyzw': _write_xyzw,
    'quaternion_wxyz': _write_wxyz,
    'roll_pitch_yaw': _write_angles,
    'rotation_6d_columns': _write_columns,
    'rotation_6d_rows': _write_rows,
}
