"""Transforms for tests: bytes of ``tf2_msgs/TFMessage``, and 4x4 matrices to compare with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ros_messages import cdr, header, make

from fournex_runtime.pipeline.told_transforms import TF_TYPE

Link = tuple[str, str, tuple[float, float, float], tuple[float, float, float, float]]
"""Parent, child, translation, quaternion x, y, z, w."""
UPRIGHT = (0.0, 0.0, 0.0, 1.0)


def yaw(angle: float) -> tuple[float, float, float, float]:
    """Return the quaternion of a turn about z."""
    return (0.0, 0.0, math.sin(angle / 2), math.cos(angle / 2))


def transforms(*links: Link, stamp_ns: int = 0) -> list[Any]:
    """Return the ``geometry_msgs/TransformStamped`` of links."""
    return [
        make(
            'geometry_msgs/msg/TransformStamped',
            header=header(stamp_ns, parent),
            child_frame_id=child,
            transform={
                'translation': dict(zip('xyz', translation)),
                'rotation': dict(zip('xyzw', rotation)),
            },
        )
        for parent, child, translation, rotation in links
    ]


def tf(*links: Link, stamp_ns: int = 0) -> bytes:
    """Return the bytes of a message with links."""
    return cdr(TF_TYPE, transforms=transforms(*links, stamp_ns=stamp_ns))


def matrix_of(
    translation: tuple[float, float, float], rotation: tuple[float, float, float, float]
) -> NDArray[np.float64]:
    """Return the homogeneous matrix of a transform, by the rotation of vectors v + 2 u × (…)."""
    u, w = np.array(rotation[:3]), rotation[3]
    columns = [axis + 2.0 * np.cross(u, np.cross(u, axis) + w * axis) for axis in np.eye(3)]
    made = np.eye(4)
    made[:3, :3] = np.array(columns).T
    made[:3, 3] = translation
    return made
