"""
The rover as a Gymnasium environment: the observation and the action of its policy contract.

The robot itself is ``fournex_runtime.sim.rover.RoverRobot``; here are only the numbers that the
policy sees and says, and what training adds so that the policy works over a real network too:
commands that arrive late, scans that are old, and sensor noise.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from fournex_runtime.sim.rover import FORWARD_LIMITS_M_S, TURN_LIMIT_RAD_S, RoverRobot
from fournex_runtime.sim.rover_messages import BEAMS
from fournex_runtime.sim.rover_room import ROVER_RADIUS_M

SECTORS = 36
SCAN_CLIP_M = 5.0
SCAN_SCALE = 0.2
GOAL_CLIP_M = 5.0
GOAL_SCALE = 0.2
TURN_VELOCITY_SCALE = 0.5
OBSERVATIONS = SECTORS + 3 + 1 + 1 + 2

FORWARD_OFFSET = FORWARD_LIMITS_M_S[1] / 2.0
FORWARD_SCALE = FORWARD_LIMITS_M_S[1] / 2.0
TURN_SCALE = TURN_LIMIT_RAD_S
ACTIONS = 2

STEPS = RoverRobot.control_ns // RoverRobot.step_ns
"""Simulation steps of one control period."""

NEAR_M = 0.15
NEAR_COST = 0.03
CHANGE_COST = 0.01
"""Training pays the robot's reward less these: see ``RoverEnv._shaping``."""


@dataclasses.dataclass(frozen=True)
class Disturbance:
    """
    What stands between policy and robot in one episode.

    :param command_delay_steps: simulation steps from an observation to the command that follows
        from it, 0 to ``STEPS``.
    :param scan_age_steps: age of the scan in an observation, 0 to ``STEPS - 1`` steps.
    :param range_noise_m: standard deviation of a measured range.
    :param odometry_noise: standard deviation of a measured position (m) and velocity (m/s,
        rad/s); a tenth of it in yaw (rad).
    """

    command_delay_steps: int = 0
    scan_age_steps: int = 0
    range_noise_m: float = 0.0
    odometry_noise: float = 0.0

    @classmethod
    def draw(cls, random: np.random.Generator) -> Disturbance:
        """Return a random one."""
        return cls(
            command_delay_steps=int(random.integers(0, STEPS + 1)),
            scan_age_steps=int(random.integers(0, STEPS)),
            range_noise_m=float(random.uniform(0.0, 0.015)),
            odometry_noise=float(random.uniform(0.0, 0.02)),
        )


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
    east, north = goal[0] - pose[0], goal[1] - pose[1]
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    forward, left = cos * east + sin * north, cos * north - sin * east
    bearing = math.atan2(left, forward)
    observation[SECTORS:] = (
        min(math.hypot(forward, left), GOAL_CLIP_M) * GOAL_SCALE,
        math.cos(bearing),
        math.sin(bearing),
        velocity[0],
        velocity[2] * TURN_VELOCITY_SCALE,
        *last_action.tolist(),
    )
    return observation.astype(np.float32)


def twist(action: NDArray[Any]) -> tuple[float, float]:
    """Return forward velocity (m/s) and yaw velocity (rad/s) of an action in [-1, 1]."""
    forward, turn = float(action[0]), float(action[1])
    return FORWARD_OFFSET + FORWARD_SCALE * forward, TURN_SCALE * turn


class RoverEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """
    One control period a step.

    :param goals: goals of an episode, one after the other.
    :param disturbance: the same in every episode; a random one for each where it is None.
    """

    def __init__(self, goals: int = 1, disturbance: Disturbance | None = None) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATIONS,))
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTIONS,))
        self.robot = RoverRobot(goals)
        self._fixed = disturbance

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """
        Begin an episode.

        :param seed: of the room and of everything random in the episode.
        :param options: ``{'room': seed}`` draws the room from this seed instead.
        """
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31))
        room = (options or {}).get('room', drawn if seed is None else seed)
        self.robot.reset(room)
        self._disturbance = self._fixed or Disturbance.draw(self.np_random)
        self._last_action = np.zeros(ACTIONS)
        self._late_command: tuple[float, float] | None = None
        self._ranges = self.robot.ranges()
        return self._observe(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Apply an action, of any size; it is clipped to [-1, 1]."""
        clipped = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        self._advance(twist(clipped))
        outcome = self.robot.outcome()
        reward = self.robot.take_reward() - self._shaping(clipped)
        self._last_action = clipped
        settled = outcome.success or outcome.detail['contact'] > 0.0
        info = {'is_success': outcome.success, **outcome.detail}
        return self._observe(), reward, settled, outcome.done and not settled, info

    def _advance(self, command: tuple[float, float]) -> None:
        """Run one control period, with the command and the scan as late as they are."""
        if self._late_command is not None:
            self.robot.drive(*self._late_command)
        late = self._disturbance.command_delay_steps
        self._late_command = command if late == STEPS else None
        scan_at = STEPS - 1 - self._disturbance.scan_age_steps
        for step in range(STEPS):
            if step == late:
                self.robot.drive(*command)
            self.robot.step()
            if step == scan_at:
                self._ranges = self.robot.ranges()

    def _shaping(self, action: NDArray[np.float64]) -> float:
        """Return what nearness to an obstacle and a change of the action cost."""
        clearance = float(self._ranges.min()) - ROVER_RADIUS_M
        near = NEAR_COST * max(0.0, 1.0 - clearance / NEAR_M)
        return near + CHANGE_COST * float(np.abs(action - self._last_action).mean())

    def _observe(self) -> NDArray[np.float32]:
        robot, disturbance = self.robot, self._disturbance
        if disturbance.range_noise_m == 0.0 and disturbance.odometry_noise == 0.0:
            return observe(self._ranges, robot.pose, robot.velocity, robot.goal, self._last_action)
        noise = self.np_random.standard_normal(BEAMS + 5)
        ranges = self._ranges + np.float32(disturbance.range_noise_m) * noise[:BEAMS]
        x, y, yaw, forward, turn = (disturbance.odometry_noise * noise[BEAMS:]).tolist()
        pose, velocity = robot.pose, robot.velocity
        return observe(
            np.maximum(ranges, 0.0).astype(np.float32),
            (pose[0] + x, pose[1] + y, pose[2] + 0.1 * yaw),
            (velocity[0] + forward, velocity[1], velocity[2] + turn),
            robot.goal,
            self._last_action,
        )
