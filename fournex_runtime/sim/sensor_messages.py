"""Messages that more than one simulated robot publishes, from plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pipeline.messages import messages

Vector = NDArray[np.float64]

FLOAT64 = 'std_msgs/msg/Float64'
FLOAT64_ARRAY = 'std_msgs/msg/Float64MultiArray'
JOINT_STATE = 'sensor_msgs/msg/JointState'
JOINT_TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'
POSE_STAMPED = 'geometry_msgs/msg/PoseStamped'


def header(frame: str, stamp_ns: int) -> Any:
    """Return a ``std_msgs/msg/Header``."""
    stamp = messages().type('builtin_interfaces/msg/Time')(
        sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000
    )
    return messages().type('std_msgs/msg/Header')(stamp=stamp, frame_id=frame)


def joint_state(
    stamp_ns: int, names: Sequence[str], position: Vector, velocity: Vector | None = None
) -> Any:
    """
    Return a ``sensor_msgs/msg/JointState`` without efforts.

    :param position: one a joint, rad or m.
    :param velocity: one a joint, rad/s or m/s; left empty when the robot does not measure it.
    """
    return messages().type(JOINT_STATE)(
        header=header('', stamp_ns),
        name=list(names),
        position=np.array(position, np.float64),
        velocity=np.empty(0) if velocity is None else np.array(velocity, np.float64),
        effort=np.empty(0),
    )


def float64(value: float) -> Any:
    """Return a ``std_msgs/msg/Float64``."""
    return messages().type(FLOAT64)(data=float(value))


def pose_stamped(
    frame: str,
    stamp_ns: int,
    position: Sequence[float],
    quaternion_xyzw: Sequence[float] = (0.0, 0.0, 0.0, 1.0),
) -> Any:
    """Return a ``geometry_msgs/msg/PoseStamped``."""
    point = messages().type('geometry_msgs/msg/Point')
    quaternion = messages().type('geometry_msgs/msg/Quaternion')
    x, y, z = (float(value) for value in position)
    qx, qy, qz, qw = (float(value) for value in quaternion_xyzw)
    pose = messages().type('geometry_msgs/msg/Pose')(
        position=point(x=x, y=y, z=z), orientation=quaternion(x=qx, y=qy, z=qz, w=qw)
    )
    return messages().type(POSE_STAMPED)(header=header(frame, stamp_ns), pose=pose)


def float64_array(values: Sequence[float] | Vector) -> Any:
    """Return a ``std_msgs/msg/Float64MultiArray`` without a layout."""
    layout = messages().type('std_msgs/msg/MultiArrayLayout')(dim=[], data_offset=0)
    return messages().type(FLOAT64_ARRAY)(layout=layout, data=np.array(values, np.float64))


def finite_vector(values: Any, size: int) -> Vector | None:
    """Return the values as a new vector, or None when they are not ``size`` finite numbers."""
    vector = np.array(values, np.float64).ravel()
    return vector if vector.size == size and bool(np.isfinite(vector).all()) else None
