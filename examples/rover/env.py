"""
The rover as a Gymnasium environment.

The robot itself is ``fournex_runtime.sim.rover.RoverRobot`` and what the policy sees of it is in
``observation.py``; here is what training adds. So that the policy works over a real network too:
commands that arrive late, scans that are old, and sensor noise. So that it is learnt quickly: a
reward for progress along the shortest path, and costs for what the task does not forbid.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from fournex_runtime.sim.rover import RoverRobot
from fournex_runtime.sim.rover_messages import BEAMS
from fournex_runtime.sim.rover_room import ROVER_RADIUS_M

from .observation import ACTIONS, OBSERVATIONS, observe, twist
from .path_field import PathField

STEPS = RoverRobot.control_ns // RoverRobot.step_ns
"""Simulation steps of one control period."""

LONGEST_STEP_M = 0.1
"""By how much a path's length may be taken to change in one period."""


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


@dataclasses.dataclass(frozen=True)
class Costs:
    """
    What training takes from the robot's own reward.

    :param near_m: clearance below which nearness costs.
    :param near: what it costs a period at no clearance at all.
    :param change: what a change of both actions by 1 from one period to the next costs.
    :param contact: on top of what a contact costs the robot.
    """

    near_m: float = 0.25
    near: float = 0.05
    change: float = 0.01
    contact: float = 5.0


class RoverEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """
    One control period a step.

    :param goals: goals of an episode, one after the other.
    :param disturbance: the same in every episode; a random one for each where it is None.
    :param costs: of the reward.
    """

    def __init__(
        self,
        goals: int = 1,
        disturbance: Disturbance | None = None,
        costs: Costs = Costs(),
    ) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATIONS,))
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTIONS,))
        self.robot = RoverRobot(goals)
        self._fixed = disturbance
        self._costs = costs

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """
        Begin an episode.

        :param seed: of the room and of everything random in this episode and those after it.
        :param options: none are known.
        """
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31))
        self.robot.reset(drawn if seed is None else seed)
        self._disturbance = self._fixed or Disturbance.draw(self.np_random)
        self._last_action = np.zeros(ACTIONS)
        self._late_command: tuple[float, float] | None = None
        self._ranges = self.robot.ranges()
        self._find_paths()
        return self._observe(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Apply an action, of any size; it is clipped to [-1, 1]."""
        clipped = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        self._advance(twist(clipped))
        outcome = self.robot.outcome()
        reward = self.robot.take_reward() - self._cost(clipped) - self._longer_way()
        reward -= self._costs.contact * outcome.detail['contact']
        self._last_action = clipped
        settled = outcome.success or outcome.detail['contact'] > 0.0
        info = {'is_success': outcome.success, **outcome.detail} if outcome.done else {}
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

    def _find_paths(self) -> None:
        self._revision = self.robot.revision('goal')
        self._paths = PathField(self.robot.room, self.robot.goal)
        self._detour = self._present_detour()

    def _present_detour(self) -> float:
        """Return by how much the path to the goal is longer than the straight line (m)."""
        x, y, _ = self.robot.pose
        straight = math.hypot(self.robot.goal[0] - x, self.robot.goal[1] - y)
        return self._paths.length(x, y) - straight

    def _longer_way(self) -> float:
        """
        Return by how much the detour has grown (m).

        The robot is rewarded for progress in a straight line; less this, it is for progress
        along the path, so that going round an obstacle pays from the first step. A jump, where
        the rover squeezes through where no path leads, counts as a long step at most.
        """
        if self.robot.revision('goal') != self._revision:
            self._find_paths()
            return 0.0
        before, self._detour = self._detour, self._present_detour()
        return min(max(self._detour - before, -LONGEST_STEP_M), LONGEST_STEP_M)

    def _cost(self, action: NDArray[np.float64]) -> float:
        """Return what nearness to an obstacle and a change of the action cost."""
        clearance = float(self._ranges.min()) - ROVER_RADIUS_M
        near = self._costs.near * max(0.0, 1.0 - clearance / self._costs.near_m)
        return near + self._costs.change * float(np.abs(action - self._last_action).mean())

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
