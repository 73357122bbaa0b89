"""
The cart-pole as a Gymnasium environment: the numbers of the robot's messages, without ROS.

Observation and action are those of ``bundle/policy.yaml``; keep the two together.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from fournex_runtime.sim.pendulum import PendulumRobot
from fournex_runtime.sim.sensor_messages import float64_array

COMMAND = PendulumRobot.commands[0].topic
OBSERVATION_SCALE = np.array([2.0, 10.0])
"""Factors for the positions of cart (m) and pole (rad)."""
EFFORT_SCALE = 10.0
"""The effort in N of an action of 1."""
STEPS = PendulumRobot.control_ns // PendulumRobot.step_ns
SENSOR_STEPS = PendulumRobot.sensors[0].period_ns // PendulumRobot.step_ns

Vector = NDArray[np.float32]


class PendulumEnv(gymnasium.Env[Vector, Vector]):
    """
    One episode of the cart-pole: up to 20 s, or until the pole falls.

    On a robot an observation is up to one sensor period old and a command takes some time to
    arrive. Training sees both: each episode draws a delay, each step adds a little to it.

    :param delay_steps: simulation steps from an observation to its action; None draws it.
    :param stale: whether observations are one sensor period old; None draws it.
    :param noise: standard deviation of the position noise in rad and m; 0 for none.
    """

    def __init__(
        self, delay_steps: int | None = None, stale: bool | None = None, noise: float = 0.0
    ) -> None:
        self.robot = PendulumRobot()
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self._delay_steps = delay_steps
        self._stale = stale
        self._noise = noise

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Vector, dict[str, Any]]:
        """
        Begin an episode.

        :param options: ``robot_seed`` chooses the start, as ``Robot.reset`` does; drawn from the
            environment's own random numbers, apart from the seeds of evaluation, if left out.
        """
        super().reset(seed=seed)
        robot_seed = (options or {}).get('robot_seed')
        if robot_seed is None:
            robot_seed = int(self.np_random.integers(1_000_000, 2**31))
        self.robot.reset(robot_seed)
        drawn = int(self.np_random.integers(0, STEPS))
        self._delay = drawn if self._delay_steps is None else self._delay_steps
        drawn_stale = bool(self.np_random.integers(2))
        self._age = int(drawn_stale if self._stale is None else self._stale)
        self._waiting: deque[tuple[int, float]] = deque()
        self._step = 0
        self._measured = deque([self.robot.data.qpos.copy()] * 2, maxlen=2)
        return self._observe(), {}

    def _observe(self) -> Vector:
        position = self._measured[-1 - self._age]
        if self._noise:
            position = position + self.np_random.normal(0.0, self._noise, 2)
        return (position * OBSERVATION_SCALE).astype(np.float32)

    def step(self, action: Vector) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Send the action's effort and advance by one control period."""
        effort = EFFORT_SCALE * float(np.clip(action[0], -1.0, 1.0))
        late = int(self.np_random.integers(2)) if self._delay_steps is None else 0
        self._waiting.append((self._step + self._delay + late, effort))
        for _ in range(STEPS):
            while self._waiting and self._waiting[0][0] <= self._step:
                self.robot.command(COMMAND, float64_array([self._waiting.popleft()[1]]))
            self.robot.step()
            self._step += 1
            if self._step % SENSOR_STEPS == 0:
                self._measured.append(self.robot.data.qpos.copy())
        outcome = self.robot.outcome()
        fallen = outcome.done and not outcome.success
        info = {'is_success': outcome.success, **outcome.detail}
        return self._observe(), self.robot.take_reward(), fallen, outcome.success, info
