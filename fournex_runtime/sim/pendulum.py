"""A cart-pole that measures positions only: its policy has to remember to know velocities."""

from __future__ import annotations

import pathlib
from typing import Any, ClassVar

import mujoco
import numpy as np

from . import sensor_messages as msg
from .reward_meter import RewardMeter
from .robot import CommandTopic, Outcome, Robot, Sensor

_MODEL = pathlib.Path(__file__).with_name('models') / 'pendulum.xml'
_COMMAND = 'effort_controller/commands'

JOINTS = ('cart', 'pole')
"""The joints in the order of ``joint_states``: a slide in m, a hinge in rad (0 is upright)."""
EFFORT_MAX = 15.0
"""The greatest push of the motor, N; more is cut off."""
POLE_FALLEN = 0.35
"""The pole counts as fallen beyond this angle, rad."""
CART_OFF = 1.8
"""The cart counts as off its place beyond this distance from the middle of the rail, m."""
TIME_UP_NS = 20_000_000_000
"""The task: stay up for this long."""


class PendulumRobot(Robot):
    """
    The cart-pole in MuJoCo.

    The task is to keep the pole up for 20 s from a random start. The reward of a control period
    is at most 1: upright, in the middle, with little effort; it is 0 once the pole has fallen.
    """

    name: ClassVar[str] = 'pendulum'
    step_ns: ClassVar[int] = 5_000_000
    control_ns: ClassVar[int] = 20_000_000
    sensors: ClassVar[tuple[Sensor, ...]] = (
        Sensor('joint_states', msg.JOINT_STATE, 10_000_000),
        Sensor('reward', msg.FLOAT64, control_ns),
    )
    commands: ClassVar[tuple[CommandTopic, ...]] = (
        CommandTopic(_COMMAND, msg.FLOAT64_ARRAY, 100_000_000),
    )

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_path(str(_MODEL))
        self.data = mujoco.MjData(self.model)
        self._reward = RewardMeter(self.control_ns // self.step_ns)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Begin near upright and near the middle of the rail, moving a little."""
        random = np.random.default_rng(seed)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = random.uniform((-0.4, -0.12), (0.4, 0.12))
        self.data.qvel[:] = random.uniform((-0.2, -0.25), (0.2, 0.25))
        mujoco.mj_forward(self.model, self.data)
        self._reward.reset()
        self._effort = 0.0
        self._since_command_ns = 0
        self._up_ns = 0
        self._fallen = False
        self._greatest = np.abs(self.data.qpos)

    def command(self, topic: str, message: Any) -> None:
        """Take an effort on the cart, N; see :meth:`Robot.command`."""
        if topic != _COMMAND:
            raise KeyError(topic)
        values = msg.finite_vector(message.data, 1)
        if values is not None:
            self._effort = float(np.clip(values[0], -EFFORT_MAX, EFFORT_MAX))
            self._since_command_ns = 0

    def step(self) -> None:
        """Advance by ``step_ns``; a command that is too old no longer pushes."""
        if self._since_command_ns >= self.commands[0].timeout_ns:
            self._effort = 0.0
        self.data.ctrl[0] = self._effort
        mujoco.mj_step(self.model, self.data)
        self._since_command_ns += self.step_ns
        self._judge()

    def _judge(self) -> None:
        """Follow the task after a step."""
        cart, pole = self.data.qpos.tolist()
        if self.outcome().done:
            self._reward.add(0.0)
            return
        if abs(pole) > POLE_FALLEN or abs(cart) > CART_OFF:
            self._fallen = True
            self._reward.add(0.0)
            return
        self._up_ns += self.step_ns
        np.maximum(self._greatest, np.abs(self.data.qpos), out=self._greatest)
        self._reward.add(
            1.0
            - 0.4 * (pole / POLE_FALLEN) ** 2
            - 0.5 * (cart / CART_OFF) ** 2
            - 0.1 * (self._effort / EFFORT_MAX) ** 2
        )

    def sense(self, topic: str, stamp_ns: int) -> Any:
        """Return the present message of a sensor topic; see :meth:`Robot.sense`."""
        if topic == 'joint_states':
            return msg.joint_state(stamp_ns, JOINTS, self.data.qpos)
        if topic == 'reward':
            return msg.float64(self._reward.last_period)
        raise KeyError(topic)

    def revision(self, topic: str) -> int:
        """Return 0: no topic of this robot is latched."""
        return 0

    def take_reward(self) -> float:
        """Return the reward gathered since the last call."""
        return self._reward.take()

    def outcome(self) -> Outcome:
        """Return how long the pole has been up; done when it fell, or after 20 s of success."""
        success = self._up_ns >= TIME_UP_NS
        return Outcome(
            self._fallen or success,
            success,
            {
                'time_up_s': self._up_ns / 1e9,
                'cart_max_m': float(self._greatest[0]),
                'pole_max_rad': float(self._greatest[1]),
            },
        )

    def picture(self) -> dict[str, Any]:
        """Return the rail and the bounds of the task."""
        return {
            'rail_m': self.model.jnt_range[0].tolist(),
            'pole_length_m': 1.0,
            'cart_off_m': CART_OFF,
            'pole_fallen_rad': POLE_FALLEN,
        }
