"""What the rover publishes: its measurements as ROS 2 messages, and the geometry of its lidar."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pipeline.messages import messages

BEAMS = 180
ANGLE_MIN = -math.pi
ANGLE_INCREMENT = 2.0 * math.pi / BEAMS
RANGE_MIN_M = 0.05
RANGE_MAX_M = 6.0
SCAN_PERIOD_NS = 50_000_000


def scan_message(ranges: NDArray[np.float32], stamp_ns: int) -> Any:
    """
    Return a LaserScan in the frame ``laser``.

    :param ranges: of ``BEAMS`` beams, turning left from straight behind (m); ``inf`` for no
        return, as REP 117 has it.
    :param stamp_ns: when they were measured, all at once.
    """
    return messages().type('sensor_msgs/msg/LaserScan')(
        header=_header(stamp_ns, 'laser'),
        angle_min=ANGLE_MIN,
        angle_max=ANGLE_MIN + ANGLE_INCREMENT * (BEAMS - 1),
        angle_increment=ANGLE_INCREMENT,
        time_increment=0.0,
        scan_time=SCAN_PERIOD_NS * 1e-9,
        range_min=RANGE_MIN_M,
        range_max=RANGE_MAX_M,
        ranges=ranges,
        intensities=np.zeros(0, dtype=np.float32),
    )


def odometry_message(
    pose: tuple[float, float, float], velocity: tuple[float, float, float], stamp_ns: int
) -> Any:
    """
    Return an Odometry, its covariances zero for "unknown".

    :param pose: x (m), y (m) and yaw (rad) of ``base_link`` in ``odom``.
    :param velocity: forward (m/s), leftward (m/s) and yaw (rad/s), in ``base_link``.
    :param stamp_ns: when both held.
    """
    get = messages().type
    vector = get('geometry_msgs/msg/Vector3')
    twist = get('geometry_msgs/msg/Twist')(
        linear=vector(x=velocity[0], y=velocity[1], z=0.0),
        angular=vector(x=0.0, y=0.0, z=velocity[2]),
    )
    return get('nav_msgs/msg/Odometry')(
        header=_header(stamp_ns, 'odom'),
        child_frame_id='base_link',
        pose=get('geometry_msgs/msg/PoseWithCovariance')(
            pose=_pose(*pose), covariance=np.zeros(36)
        ),
        twist=get('geometry_msgs/msg/TwistWithCovariance')(twist=twist, covariance=np.zeros(36)),
    )


def goal_message(goal: tuple[float, float], stamp_ns: int) -> Any:
    """
    Return a PoseStamped in ``odom``; the orientation is of no matter to the task.

    :param goal: x and y (m).
    :param stamp_ns: for the header.
    """
    kind = messages().type('geometry_msgs/msg/PoseStamped')
    return kind(header=_header(stamp_ns, 'odom'), pose=_pose(goal[0], goal[1], 0.0))


def reward_message(reward: float) -> Any:
    """Return a Float64."""
    return messages().type('std_msgs/msg/Float64')(data=reward)


def _header(stamp_ns: int, frame: str) -> Any:
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    stamp = messages().type('builtin_interfaces/msg/Time')(sec=seconds, nanosec=nanoseconds)
    return messages().type('std_msgs/msg/Header')(stamp=stamp, frame_id=frame)


def _pose(x: float, y: float, yaw: float) -> Any:
    get = messages().type
    return get('geometry_msgs/msg/Pose')(
        position=get('geometry_msgs/msg/Point')(x=x, y=y, z=0.0),
        orientation=get('geometry_msgs/msg/Quaternion')(
            x=0.0, y=0.0, z=math.sin(yaw / 2.0), w=math.cos(yaw / 2.0)
        ),
    )
