"""
Rotations as quaternions x, y, z, w, in plain floats.

Only sums, products, quotients and square roots, in a fixed order: IEEE 754 rounds these in one
way, so the bits are the same everywhere. A quaternion turns vectors of the body into the world
(REP 103); one that is received counts if its squared norm is 1 within 1 %, and is divided by it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..errors import MessageError

QUATERNION_TOLERANCE = 1e-2
"""How far the squared norm of a quaternion may be from 1 before it is no rotation."""


class Point(NamedTuple):
    """A place, or a vector: x, y, z."""

    x: float
    y: float
    z: float


class Quaternion(NamedTuple):
    """A rotation: x, y, z, w."""

    x: float
    y: float
    z: float
    w: float


IDENTITY = Quaternion(0.0, 0.0, 0.0, 1.0)


def check_rotation(label: str, q: Any) -> float:
    """
    Return the squared norm of a quaternion; of one that is not finite, for the finite check.

    :raises MessageError: it is no rotation, for instance all zeros, which senders leave unset.
    """
    norm = float(q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w)
    if math.isfinite(norm) and abs(norm - 1.0) >= QUATERNION_TOLERANCE:
        raise MessageError(f'{label}: the quaternion has squared norm {norm:.3g}, expected 1')
    return norm


def unit(label: str, q: Any) -> Quaternion:
    """
    Return a received quaternion with norm 1.

    :raises MessageError: it is no rotation.
    """
    norm = math.sqrt(check_rotation(label, q))
    return Quaternion(q.x / norm, q.y / norm, q.z / norm, q.w / norm)


def with_sign(q: Quaternion, positive: bool) -> Quaternion:
    """Return the one of the two quaternions of a rotation that is asked for; q and -q are one."""
    if positive and q.w < 0.0:
        return Quaternion(-q.x, -q.y, -q.z, -q.w)
    return q


def conjugate(q: Quaternion) -> Quaternion:
    """Return the inverse rotation."""
    return Quaternion(-q.x, -q.y, -q.z, q.w)


def product(a: Quaternion, b: Quaternion) -> Quaternion:
    """Return the Hamilton product: first the rotation b, then a."""
    return Quaternion(
        a[3] * b[0] + a[0] * b[3] + a[1] * b[2] - a[2] * b[1],
        a[3] * b[1] - a[0] * b[2] + a[1] * b[3] + a[2] * b[0],
        a[3] * b[2] + a[0] * b[1] - a[1] * b[0] + a[2] * b[3],
        a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2],
    )


def matrix(q: Quaternion) -> tuple[float, ...]:
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


def rotated(q: Quaternion, v: Any) -> Point:
    """Return a vector with x, y, z turned by a rotation."""
    r = matrix(q)
    return Point(
        r[0] * v.x + r[1] * v.y + r[2] * v.z,
        r[3] * v.x + r[4] * v.y + r[5] * v.z,
        r[6] * v.x + r[7] * v.y + r[8] * v.z,
    )
