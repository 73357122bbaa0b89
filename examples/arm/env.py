"""
The arm as a Gymnasium environment: the numbers of the robot's messages, without ROS.

Observation and action are those of ``bundle/policy.yaml``; keep the two together.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import gymnasium
import mujoco
import numpy as np
from numpy.typing import NDArray

from fournex_runtime.sim.arm import DEFAULT_POSE, ArmRobot, closeness
from fournex_runtime.sim.sensor_messages import float64_array

COMMAND = ArmRobot.commands[0].topic
VELOCITY_SCALE = 0.1
"""Factor for the joint velocities, rad/s."""
ACTION_SCALE = np.array([1.8, 0.9, 0.9, 0.6, 0.3, 0.3])
"""How far from ``DEFAULT_POSE`` an action of 1 sends each joint, rad."""
STEPS = ArmRobot.control_ns // ArmRobot.step_ns
SENSOR_STEPS = ArmRobot.sensors[0].period_ns // ArmRobot.step_ns
TRAINING_PERIODS = 200

Vector = NDArray[np.float32]


class ArmEnv(gymnasium.Env[Vector, Vector]):
    """
    Reaching for targets.

    In training an episode lasts 4 s whatever happens, and now and then the target jumps, so that
    the policy learns to set out from anywhere and to stay where it has arrived. Its reward is the
    robot's, less a little for jerky actions and for postures far from the default one, and as
    much again for where the commanded posture would have the tip: the servos are slow against
    the control period, so that a single action hardly shows in where the tip is. In evaluation
    (``task=True``) the episode is the robot's own and so is the reward.

    :param task: whether the episode is the robot's task.
    :param delay_steps: simulation steps from an observation to its action; None draws a delay for
        each episode, up to one control period, and adds a little at each step.
    :param stale: whether observations are one sensor period old; None draws it.
    """

    def __init__(
        self, task: bool = False, delay_steps: int | None = None, stale: bool | None = None
    ) -> None:
        self.robot = ArmRobot()
        self._commanded = mujoco.MjData(self.robot.model)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (21,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (6,), np.float32)
        self._task = task
        self._delay_steps = delay_steps
        self._stale = stale

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Vector, dict[str, Any]]:
        """
        Begin an episode.

        :param options: ``robot_seed`` chooses start and target, as ``Robot.reset`` does; drawn
            from the environment's own random numbers, apart from the seeds of evaluation, if
            left out.
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
        self._waiting: deque[tuple[int, NDArray[np.float64]]] = deque()
        self._step = self._periods = 0
        self._action = np.zeros(6)
        self._measured = deque([self._measure()] * 2, maxlen=2)
        return self._observe(), {}

    def _measure(self) -> NDArray[np.float64]:
        data = self.robot.data
        return np.concatenate((data.qpos - DEFAULT_POSE, data.qvel * VELOCITY_SCALE))

    def _observe(self) -> Vector:
        measured = self._measured[-1 - self._age]
        return np.concatenate((measured, self.robot.target, self._action), dtype=np.float32)

    def step(self, action: Vector) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Send the action's positions and advance by one control period."""
        before = self._action
        self._action = np.clip(action, -1.0, 1.0).astype(np.float64)
        late = int(self.np_random.integers(2)) if self._delay_steps is None else 0
        self._waiting.append((self._step + self._delay + late, self._action))
        for _ in range(STEPS):
            while self._waiting and self._waiting[0][0] <= self._step:
                position = DEFAULT_POSE + ACTION_SCALE * self._waiting.popleft()[1]
                self.robot.command(COMMAND, float64_array(position))
            self.robot.step()
            self._step += 1
            if self._step % SENSOR_STEPS == 0:
                self._measured.append(self._measure())
        self._periods += 1
        outcome = self.robot.outcome()
        info = {'is_success': outcome.success, **outcome.detail}
        reward = self.robot.take_reward()
        if self._task:
            failed = outcome.done and not outcome.success
            return self._observe(), reward, failed, outcome.success, info
        reward += closeness(self._commanded_error_m())
        reward -= 0.1 * float(np.square(self._action - before).mean())
        reward -= 0.02 * float(np.square(self._action).mean())
        if self.np_random.random() < 1.0 / 60.0:
            self.robot.draw_target()
        return self._observe(), reward, False, self._periods >= TRAINING_PERIODS, info

    def _commanded_error_m(self) -> float:
        """Return the distance from the target to the tip in the posture last commanded."""
        self._commanded.qpos[:] = DEFAULT_POSE + ACTION_SCALE * self._action
        mujoco.mj_kinematics(self.robot.model, self._commanded)
        return float(np.linalg.norm(self._commanded.site('tip').xpos - self.robot.target))
