"""
Poses, orientations and goals out of messages.

Quaternions are x, y, z, w and turn vectors of the body into the world (REP 103); they are taken as
they come if their squared norm is 1 within 1 %, and divided by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import MessageError
from .field_path import field_getter
from .fields import Reader, Vector
from .trigonometry import arc_tangent_2

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


class UnitVector:
    """What a reader gives, checked to be of norm 1: gravity's direction, no acceleration."""

    def __init__(self, label: str, reader: Reader) -> None:
        self._label = label
        self._reader = reader

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write the vector."""
        self._reader(messages, out)
        norm = float((out**2).sum())
        if np.isfinite(norm) and abs(norm - 1.0) >= QUATERNION_TOLERANCE:
            raise MessageError(
                f'{self._label}: the vector has squared norm {norm:.3g}, expected 1'
            )


class GravityReader:
    """The unit vector of gravity in the body frame, from the body's orientation in the world."""

    def __init__(self, label: str, orientation: Callable[[Any], Any]) -> None:
        self._label = label
        self._get = orientation

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
        check_one_frame(self._label, goal, base)
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


class OrientationReader:
    """The orientation of the body in the world, in the contract's layout."""

    def __init__(
        self, label: str, orientation: Callable[[Any], Any], layout: str, sign: str
    ) -> None:
        self._label = label
        self._get = orientation
        self._write = _ORIENTATIONS[layout]
        self._positive = sign == 'w_positive'

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write the orientation; a quaternion is made one of norm 1."""
        q = self._get(messages[0])
        unit = _unit(self._label, q, self._positive)
        self._write(unit, out)


class GoalPoseReader:
    """A goal in space, relative to the base: both poses in one frame."""

    def __init__(self, label: str, goal: str, base: str, with_rotation: bool, sign: str) -> None:
        self._label = label
        self._goal = field_getter(goal)
        self._base = field_getter(base)
        self._with_rotation = with_rotation
        self._positive = sign == 'w_positive'

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write the position R^T (goal - base), and where asked the quaternion base* goal."""
        goal, base = messages
        check_one_frame(self._label, goal, base)
        target, pose = self._goal(goal), self._base(base)
        b = _unit(f'{self._label}.base', pose.orientation, False)
        r = _rotation(b)
        dx = target.position.x - pose.position.x
        dy = target.position.y - pose.position.y
        dz = target.position.z - pose.position.z
        for axis in range(3):  # the columns of R are the rows of R^T
            out[axis] = r[axis] * dx + r[3 + axis] * dy + r[6 + axis] * dz
        if not self._with_rotation:
            return
        g = _unit(f'{self._label}.goal', target.orientation, False)
        out[3:] = _signed(_product((-b[0], -b[1], -b[2], b[3]), g), self._positive)


Quaternion = tuple[float, float, float, float]


def check_one_frame(label: str, goal: Any, base: Any) -> None:
    """
    Check that a goal and a base are poses in one frame.

    :raises MessageError: they are not.
    """
    if goal.header.frame_id != base.header.frame_id:
        raise MessageError(
            f'{label}: the goal is in frame {goal.header.frame_id!r}, the base in '
            f'{base.header.frame_id!r}; both must be in one frame'
        )


def _unit(label: str, q: Any, positive: bool) -> Quaternion:
    norm = math.sqrt(check_rotation(label, q))
    return _signed((q.x / norm, q.y / norm, q.z / norm, q.w / norm), positive)


def _signed(q: Quaternion, positive: bool) -> Quaternion:
    """Return the one of the two quaternions of a rotation that is asked for; q and -q are one."""
    if positive and q[3] < 0.0:
        return -q[0], -q[1], -q[2], -q[3]
    return q


def _product(a: Quaternion, b: Quaternion) -> Quaternion:
    """Return the Hamilton product: first the rotation b, then a."""
    return (
        a[3] * b[0] + a[0] * b[3] + a[1] * b[2] - a[2] * b[1],
        a[3] * b[1] - a[0] * b[2] + a[1] * b[3] + a[2] * b[0],
        a[3] * b[2] + a[0] * b[1] - a[1] * b[0] + a[2] * b[3],
        a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2],
    )


def _rotation(q: Quaternion) -> tuple[float, ...]:
    """Return the rotation matrix, body to world, row by row."""
    x, y, z, w = q
    return (
        1.0 - 2.0 * (y * y + z * z),
        2.0 * (x * y - w * z),
        2.0 * (x * z + w * y),
        2.0 * (x * y + w * z),
        1.0 - 2.0 * (x * x + z * z),
        2.0 * (y * z - w * x),
        2.0 * (x * z - w * y),
        2.0 * (y * z + w * x),
        1.0 - 2.0 * (x * x + y * y),
    )


def _write_xyzw(q: Quaternion, out: Vector) -> None:
    out[:] = q


def _write_wxyz(q: Quaternion, out: Vector) -> None:
    out[:] = (q[3], q[0], q[1], q[2])


def _write_angles(q: Quaternion, out: Vector) -> None:
    """Write roll, pitch and yaw: R = Rz(yaw) Ry(pitch) Rx(roll) (REP 103, fixed axes)."""
    r = _rotation(q)
    out[0] = arc_tangent_2(r[7], r[8])
    out[1] = arc_tangent_2(-r[6], math.sqrt(r[0] * r[0] + r[3] * r[3]))
    out[2] = arc_tangent_2(r[3], r[0])


def _write_columns(q: Quaternion, out: Vector) -> None:
    r = _rotation(q)
    out[:] = (r[0], r[3], r[6], r[1], r[4], r[7])


def _write_rows(q: Quaternion, out: Vector) -> None:
    r = _rotation(q)
    out[:] = (r[0], r[1], r[3], r[4], r[6], r[7])


_ORIENTATIONS: dict[str, Callable[[Quaternion, Vector], None]] = {
    'quaternion_xyzw': _write_xyzw,
    'quaternion_wxyz': _write_wxyz,
    'roll_pitch_yaw': _write_angles,
    'rotation_6d_columns': _write_columns,
    'rotation_6d_rows': _write_rows,
}
