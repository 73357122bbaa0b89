"""
What the rover's policy sees and says: the arithmetic of ``bundle/policy.yaml``, for training.

The runtime makes the same bits from the robot's messages (``test/sim/test_rover_contract.py``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fournex_runtime.sim.rover import FORWARD_LIMITS_M_S, TURN_LIMIT_RAD_S
from fournex_runtime.sim.rover_messages import BEAMS

SECTORS = 36
SCAN_CLIP_M = 2.0
SCAN_SCALE = 1.0
GOAL_CLIP_M = 5.0
GOAL_SCALE = 0.2
TURN_VELOCITY_SCALE = 0.5
OBSERVATIONS = SECTORS + 3 + 1 + 1 + 2

FORWARD_OFFSET = FORWARD_LIMITS_M_S[1] / 2.0
FORWARD_SCALE = FORWARD_LIMITS_M_S[1] / 2.0
TURN_SCALE = TURN_LIMIT_RAD_S
ACTIONS = 2


def observe(
    ranges: NDArray[np.float32],
    pose: tuple[float, float, float],
    velocity: tuple[float, float, float],
    goal: tuple[float, float],
    last_action: NDArray[np.float64],
) -> NDArray[np.float32]:
    """
    Return the observation, float32 of shape (43,), computed in float64.

    :param ranges: of the ``BEAMS`` beams (m), ``inf`` for no return.
    :param pose: x (m), y (m) and yaw (rad) of the base in ``odom``.
    :param velocity: forward, leftward (m/s) and yaw velocity (rad/s) of the base.
    :param goal: x and y (m) in ``odom``.
    :param last_action: the action before, clipped to [-1, 1]; zeros at the start.
    """
    observation = np.empty(OBSERVATIONS)
    nearest = ranges.astype(np.float64).reshape(SECTORS, BEAMS // SECTORS).min(axis=1)
    observation[:SECTORS] = np.clip(nearest, 0.0, SCAN_CLIP_M) * SCAN_SCALE
    observation[SECTORS:] = (
        *_polar(goal, pose),
        velocity[0],
        velocity[2] * TURN_VELOCITY_SCALE,
        *last_action.tolist(),
    )
    return observation.astype(np.float32)


def _polar(
    goal: tuple[float, float], pose: tuple[float, float, float]
) -> tuple[float, float, float]:
    """
    Return distance, cosine and sine of the bearing, of a goal relative to the base.

    By way of the quaternion that odometry carries, so that the bits are the runtime's.
    """
    z, w = math.sin(pose[2] / 2.0), math.cos(pose[2] / 2.0)
    norm = z * z + w * w
    sin_yaw, cos_yaw = 2.0 * (w * z) / norm, 1.0 - 2.0 * (z * z) / norm
    dx, dy = goal[0] - pose[0], goal[1] - pose[1]
    x = cos_yaw * dx + sin_yaw * dy
    y = -sin_yaw * dx + cos_yaw * dy
    distance = math.sqrt(x * x + y * y)
    if distance == 0.0:
        return 0.0, 1.0, 0.0
    return min(distance, GOAL_CLIP_M) * GOAL_SCALE, x / distance, y / distance


def twist(action: NDArray[Any]) -> tuple[float, float]:
    """Return forward velocity (m/s) and yaw velocity (rad/s) of an action in [-1, 1]."""
    forward, turn = float(action[0]), float(action[1])
    return FORWARD_OFFSET + FORWARD_SCALE * forward, TURN_SCALE * turn
