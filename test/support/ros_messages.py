"""CDR bytes of messages from plain numbers, for tests of what has no ROS in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fournex_runtime.pipeline.messages import messages

JOINT_STATE = 'sensor_msgs/msg/JointState'
ODOMETRY = 'nav_msgs/msg/Odometry'
POSE = 'geometry_msgs/msg/PoseStamped'
SCAN = 'sensor_msgs/msg/LaserScan'
IMU = 'sensor_msgs/msg/Imu'
ARRAY = 'std_msgs/msg/Float64MultiArray'
FLOAT64 = 'std_msgs/msg/Float64'


def make(kind: str, **fields: Any) -> Any:
    """Return a message object; fields that are left out are zero, and lists become arrays."""
    types = messages()
    types.ensure(kind)
    built = {}
    for name, (node, detail) in types.typestore.fielddefs[kind][1]:
        built[name] = _value(fields.pop(name, None), int(node), detail)
    assert not fields, f'{kind} has no {list(fields)}'
    return types.type(kind)(**built)


def _value(given: Any, node: int, detail: Any) -> Any:
    if node == 2:
        return (
            given if not isinstance(given, (dict, type(None))) else make(detail, **(given or {}))
        )
    if node == 1:
        kind = detail[0]
        return given if given is not None else '' if kind == 'string' else _zero(kind)
    (element, inner), length = detail[0], detail[1]
    if int(element) == 1 and inner[0] != 'string':
        values = [0] * (length if node == 3 else 0) if given is None else given
        return np.array(values, inner[0])
    return [] if given is None else list(given)


def _zero(kind: str) -> Any:
    return False if kind == 'bool' else 0.0 if kind.startswith('float') else 0


def cdr(kind: str, **fields: Any) -> bytes:
    """Return the CDR bytes of a message."""
    return messages().encode(make(kind, **fields), kind)


def header(stamp_ns: int = 0, frame: str = '') -> dict[str, Any]:
    """Return the fields of a ``std_msgs/Header``."""
    stamp = {'sec': stamp_ns // 1_000_000_000, 'nanosec': stamp_ns % 1_000_000_000}
    return {'stamp': stamp, 'frame_id': frame}


def pose(
    position: tuple[float, float, float] = (0.0, 0.0, 0.0),
    quaternion_xyzw: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0),
) -> dict[str, Any]:
    """Return the fields of a ``geometry_msgs/Pose``."""
    x, y, z, w = quaternion_xyzw
    return {
        'position': dict(zip('xyz', position)),
        'orientation': {'x': x, 'y': y, 'z': z, 'w': w},
    }


def joint_state(names: list[str], position: list[float], stamp_ns: int = 0, **more: Any) -> bytes:
    """Return the bytes of a ``JointState``."""
    return cdr(JOINT_STATE, header=header(stamp_ns), name=names, position=position, **more)
