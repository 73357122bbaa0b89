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
from .fields import Bound, Picker, Places, Reader, Reworked, Vector
from .framed_readers import BodyFrame, Mover, Pose, between, moved_pose, places_of
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


class UnitVector(Reworked):
    """What a reader gives, checked to be of norm 1: gravity's direction, no acceleration."""

    def __init__(self, label: str, reader: Reader) -> None:
        super().__init__(reader)
        self._label = label

    def _rework(self, out: Vector) -> None:
        norm = float((out**2).sum())
        if np.isfinite(norm) and abs(norm - 1.0) >= QUATERNION_TOLERANCE:
            raise MessageError(
                f'{self._label}: the vector has squared norm {norm:.3g}, expected 1'
            )


class _RotationReader(Picker):
    """
    What is made of the body's orientation in the world.

    :param label: of the port; for messages.
    :param paths: of x, y, z and w in a message.
    :param body: the body's frame, and the contract's.
    """

    def __init__(self, label: str, paths: Sequence[str], body: BodyFrame) -> None:
        self._label = label
        self._paths = paths
        self._getters = [field_getter(path) for path in paths]
        self._body = body

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the values."""
        found = Quaternion(*(float(get(messages[0])) for get in self._getters))
        self._write(found, self._body.mover(messages[0], rigid=False), out, frames)

    def bound(self, messages: Sequence[Any]) -> Bound:
        """Return the four numbers, and what is made of them; see :class:`Picker`."""
        move = self._body.mover(messages[0], rigid=False)

        def write(numbers: Sequence[Vector], out: Vector, frames: Frames) -> None:
            self._write(Quaternion(*numbers[0].tolist()), move, out, frames)

        return Bound([[(path, None) for path in self._paths]], write, moves=move is not None)

    def _write(self, q: Quaternion, move: Mover | None, out: Vector, frames: Frames) -> None:
        raise NotImplementedError


class GravityReader(_RotationReader):
    """The unit vector of gravity in the body frame, from the body's orientation in the world."""

    def _write(self, q: Quaternion, move: Mover | None, out: Vector, frames: Frames) -> None:
        """Write the third row of the rotation matrix, negated: R(q)^T · (0, 0, -1)."""
        norm = check_rotation(self._label, q)
        found = Point(
            -2.0 * (q.x * q.z - q.w * q.y) / norm,
            -2.0 * (q.y * q.z + q.w * q.x) / norm,
            -1.0 + 2.0 * (q.x * q.x + q.y * q.y) / norm,
        )
        out[:] = found if move is None else rotated(move(frames).rotation, found)


class _GoalReader(Picker):
    """
    A goal seen from the base.

    :param label: of the term; for messages.
    :param goal: path of the goal's pose.
    :param base: path of the base's.
    :param turned: the goal's orientation counts, too.
    """

    def __init__(self, label: str, goal: str, base: str, turned: bool) -> None:
        self._label = label
        self._paths = goal, base
        self._goal, self._base = field_getter(goal), field_getter(base)
        self._turned = turned

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the values."""
        goal, base = messages
        move = self._mover(goal, base)
        self._write(self._goal(goal), self._base(base), move, out, frames)

    def bound(self, messages: Sequence[Any]) -> Bound:
        """Return the numbers of both poses, and what is made of them; see :class:`Picker`."""
        goal, base = self._paths
        move = self._mover(*messages)

        def write(numbers: Sequence[Vector], out: Vector, frames: Frames) -> None:
            self._write(pose_of(numbers[0]), pose_of(numbers[1]), move, out, frames)

        places = pose_places(goal, self._turned), pose_places(base, True)
        return Bound(places, write, moves=move is not None)

    def _mover(self, goal: Any, base: Any) -> Mover | None:
        """Return what finds the way from the frame of the base to that of the goal."""
        of_goal, of_base = goal.header.frame_id, base.header.frame_id
        if of_goal == of_base:
            return None
        words = f'{self._label}: the goal is in frame {of_goal!r}, the base in {of_base!r}'
        return lambda frames: between(frames, of_goal, of_base, words)

    def _beside(self, base: Any, move: Mover | None, frames: Frames) -> Any:
        """Return the pose of the base in the frame of the goal."""
        return base if move is None else moved_pose(f'{self._label}.base', base, move(frames))

    def _write(
        self, goal: Any, base: Any, move: Mover | None, out: Vector, frames: Frames
    ) -> None:
        raise NotImplementedError


class GoalReader(_GoalReader):
    """A goal in the plane, relative to the base."""

    def __init__(self, label: str, goal: str, base: str, polar: bool) -> None:
        super().__init__(label, goal, base, turned=False)
        self._polar = polar

    def _write(
        self, goal: Any, base: Any, move: Mover | None, out: Vector, frames: Frames
    ) -> None:
        """Write distance, cosine and sine of the bearing; or x and y in the base frame."""
        target = goal.position
        pose = self._beside(base, move, frames)
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
        self._write(self._get(messages[0]), self._mover(messages[0]), out, frames)

    def bound(self, messages: Sequence[Any]) -> Bound:
        """Return the numbers, and what is made of them; see :class:`Picker`."""
        move = self._mover(messages[0])
        if move is None and not self._with_rotation:
            return Bound([places_of([f'{self._field}.position'], self._values)])

        def write(numbers: Sequence[Vector], out: Vector, frames: Frames) -> None:
            self._write(pose_of(numbers[0]), move, out, frames)

        places = pose_places(self._field, self._with_rotation)
        return Bound([places], write, moves=move is not None)

    def _mover(self, message: Any) -> Mover | None:
        """Return what finds the way to the contract's frame; None where the pose is in it."""
        found, wanted = message.header.frame_id, self._frame
        if not wanted or found == wanted:
            return None
        words = f'{self._label}: the pose is in frame {found!r}, the contract wants {wanted!r}'
        return lambda frames: between(frames, wanted, found, words)

    def _write(self, pose: Any, move: Mover | None, out: Vector, frames: Frames) -> None:
        if move is not None:
            there = move(frames)
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


class OrientationReader(_RotationReader):
    """
    The orientation of the body in the world, in the contract's layout.

    :param label: of the port; for messages.
    :param paths: of x, y, z and w in a message.
    :param body: the body's frame, and the contract's.
    :param layout: which values, and in which order.
    :param sign: which of the two quaternions of a rotation.
    """

    def __init__(
        self, label: str, paths: Sequence[str], body: BodyFrame, layout: str, sign: str
    ) -> None:
        super().__init__(label, paths, body)
        self._as_laid_out = _ORIENTATIONS[layout]
        self._positive = sign == 'w_positive'

    def _write(self, q: Quaternion, move: Mover | None, out: Vector, frames: Frames) -> None:
        """Write the orientation; a quaternion is made one of norm 1."""
        found = unit(self._label, q)
        if move is not None:
            found = product(found, conjugate(move(frames).rotation))
        self._as_laid_out(with_sign(found, self._positive), out)


class GoalPoseReader(_GoalReader):
    """A goal in space, relative to the base."""

    def __init__(self, label: str, goal: str, base: str, with_rotation: bool, sign: str) -> None:
        super().__init__(label, goal, base, with_rotation)
        self._positive = sign == 'w_positive'

    def _write(
        self, goal: Any, base: Any, move: Mover | None, out: Vector, frames: Frames
    ) -> None:
        """Write the position R^T (goal - base), and where asked the quaternion base* goal."""
        target = goal
        pose = self._beside(base, move, frames)
        b = unit(f'{self._label}.base', pose.orientation)
        r = matrix(b)
        dx = target.position.x - pose.position.x
        dy = target.position.y - pose.position.y
        dz = target.position.z - pose.position.z
        for axis in range(3):  # the columns of R are the rows of R^T
            out[axis] = r[axis] * dx + r[3 + axis] * dy + r[6 + axis] * dz
        if not self._turned:
            return
        g = unit(f'{self._label}.goal', target.orientation)
        out[3:] = with_sign(product(conjugate(b), g), self._positive)


def pose_places(path: str, turned: bool) -> Places:
    """Return the numbers of a pose: of its position, and where asked of its orientation."""
    return [
        *places_of([f'{path}.position'], 'xyz'),
        *(places_of([f'{path}.orientation'], 'xyzw') if turned else ()),
    ]


def pose_of(numbers: Vector) -> Pose:
    """Return the pose of such numbers."""
    values = numbers.tolist()
    return Pose(Point(*values[:3]), Quaternion(*values[3:]) if values[3:] else IDENTITY)


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
