"""
A six-joint arm that brings its tip to targets above a table.

Frame: ``base_link`` is the foot of the arm on the table, x forward, z up.
"""

from __future__ import annotations

import functools
import math
import pathlib
from typing import Any, ClassVar

import mujoco
import numpy as np

from . import sensor_messages as msg
from .arm_servo import ArmServo
from .reward_meter import RewardMeter
from .robot import CommandTopic, Outcome, Robot, Sensor

JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow', 'wrist_1', 'wrist_2', 'wrist_3')
"""The joints in the order of every array of this robot."""
DEFAULT_POSE = np.array([0.0, -1.5, 1.9, 1.17, 0.0, 0.0])
"""Where episodes begin, rad: folded, the tool pointing down in front of the arm."""
VELOCITY_MAX = np.array([2.5, 2.5, 2.5, 3.2, 3.2, 3.2])
"""How fast the servos move their references, rad/s."""
TARGET_RADIUS_M = 0.03
"""A target is held while the tip is within this distance."""
HOLD_NS = 500_000_000
"""A target is reached once it has been held for this long."""
TIME_LIMIT_NS = 4_000_000_000
"""Simulated time that each target is given."""

_FRAME = 'base_link'
_POSITIONS = 'forward_position_controller/commands'
_TRAJECTORY = 'joint_trajectory_controller/joint_trajectory'
_TIMEOUT_NS = 500_000_000
_START_SPREAD = 0.05
_SHOULDER = np.array([0.0, 0.0, 0.16])
_MODEL_FILE = pathlib.Path(__file__).with_name('models') / 'arm.xml'


@functools.cache
def _model() -> Any:
    """Return the compiled model; nothing alters it, so that all arms share it."""
    return mujoco.MjModel.from_xml_path(str(_MODEL_FILE))


def closeness(tip_error_m: float) -> float:
    """Return 1 for a tip at its target, falling to 0; steepest within a few centimetres."""
    near = 0.6 / (1.0 + (tip_error_m / 0.04) ** 2)
    return near + 0.4 * (1.0 - math.tanh(tip_error_m / 0.3))


class ArmRobot(Robot):
    """
    The arm and its task: reach the targets one after the other.

    The episode ends when the last target has been reached (success), or when one was not reached
    within ``TIME_LIMIT_NS``. The reward of a control period is at most 1, with the tip still and
    at the target, and less the farther it is, the faster it moves, and if the arm touches the
    table.

    :param targets_per_episode: how many targets make an episode.
    """

    name: ClassVar[str] = 'arm'
    step_ns: ClassVar[int] = 5_000_000
    control_ns: ClassVar[int] = 20_000_000
    sensors: ClassVar[tuple[Sensor, ...]] = (
        Sensor('joint_states', msg.JOINT_STATE, 10_000_000),
        Sensor('target', msg.POSE_STAMPED, 0),
        Sensor('tip_pose', msg.POSE_STAMPED, 20_000_000),
        Sensor('reward', msg.FLOAT64, control_ns),
    )
    commands: ClassVar[tuple[CommandTopic, ...]] = (
        CommandTopic(_POSITIONS, msg.FLOAT64_ARRAY, _TIMEOUT_NS),
        CommandTopic(_TRAJECTORY, msg.JOINT_TRAJECTORY, _TIMEOUT_NS),
    )

    def __init__(self, targets_per_episode: int = 1) -> None:
        if targets_per_episode < 1:
            raise ValueError(f'an episode has at least one target, not {targets_per_episode}')
        self.model = _model()
        self.data = mujoco.MjData(self.model)
        self._targets_per_episode = targets_per_episode
        self._tip = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_SITE, 'tip')
        self._servo = ArmServo(JOINTS, self.model.jnt_range, VELOCITY_MAX, self.step_ns)
        self._reward = RewardMeter(self.control_ns // self.step_ns)
        self._revision = 0
        self.reset(0)

    @property
    def tip(self) -> msg.Vector:
        """Return the position of the tip in ``base_link``, m."""
        return np.array(self.data.site_xpos[self._tip])

    @property
    def target(self) -> msg.Vector:
        """Return the position of the present target in ``base_link``, m."""
        return np.array(self.data.mocap_pos[0])

    @property
    def tip_error_m(self) -> float:
        """Return the distance from the tip to the target."""
        return float(np.linalg.norm(self.tip - self.target))

    def reset(self, seed: int) -> None:
        """Begin near ``DEFAULT_POSE``, at rest, with a target."""
        self._random = np.random.default_rng(seed)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = DEFAULT_POSE + self._random.uniform(-_START_SPREAD, _START_SPREAD, 6)
        mujoco.mj_forward(self.model, self.data)
        self._servo.reset(self.data.qpos)
        self._reward.reset()
        self._since_command_ns = 0
        self._time_ns = 0
        self._reached = 0
        self._late = False
        self.draw_target()

    def draw_target(self) -> None:
        """
        Give the arm another target, with the time for it starting anew.

        Targets lie around the front of the arm, from 10 cm to 55 cm above the table, within
        comfortable reach of the shoulder and not where the tip already is.
        """
        while True:
            bearing, radius, height = self._random.uniform((-1.6, 0.35, 0.10), (1.6, 0.65, 0.55))
            position = np.array([radius * np.cos(bearing), radius * np.sin(bearing), height])
            reach = np.linalg.norm(position - _SHOULDER)
            if reach <= 0.68 and np.linalg.norm(position - self.tip) >= 0.15:
                break
        self.data.mocap_pos[0] = position
        self._target_ns = self._held_ns = 0
        self._revision += 1

    def command(self, topic: str, message: Any) -> None:
        """
        Take position targets, rad; see :meth:`Robot.command`.

        An array has the six in the order of ``JOINTS``. A trajectory names them; the arm goes to
        the positions of its first point, no sooner than the point's ``time_from_start``. Both
        are cut off at the joint limits; the newest command of either kind wins.
        """
        if topic == _POSITIONS:
            obeyed = self._servo.take_positions(message)
        elif topic == _TRAJECTORY:
            obeyed = self._servo.take_trajectory(message)
        else:
            raise KeyError(topic)
        if obeyed:
            self._since_command_ns = 0

    def step(self) -> None:
        """Advance by ``step_ns``; when the last command is too old, stay where the servos are."""
        if self._since_command_ns >= _TIMEOUT_NS:
            self._servo.hold()
        self.data.ctrl[:] = self._servo.advance()
        mujoco.mj_step(self.model, self.data)
        self._since_command_ns += self.step_ns
        self._time_ns += self.step_ns
        self._judge()

    def _judge(self) -> None:
        """Follow the task after a step."""
        error = self.tip_error_m
        speed = float(np.square(self.data.qvel / VELOCITY_MAX).mean())
        touch = 0.5 if self.data.ncon else 0.0
        self._reward.add(closeness(error) - 0.05 * speed - touch)
        if self._reached == self._targets_per_episode or self._late:
            return
        self._target_ns += self.step_ns
        self._held_ns = self._held_ns + self.step_ns if error <= TARGET_RADIUS_M else 0
        if self._held_ns >= HOLD_NS:
            self._reached += 1
            if self._reached < self._targets_per_episode:
                self.draw_target()
        else:
            self._late = self._target_ns >= TIME_LIMIT_NS

    def sense(self, topic: str, stamp_ns: int) -> Any:
        """Return the present message of a sensor topic; see :meth:`Robot.sense`."""
        if topic == 'joint_states':
            return msg.joint_state(stamp_ns, JOINTS, self.data.qpos, self.data.qvel)
        if topic == 'target':
            return msg.pose_stamped(_FRAME, stamp_ns, self.target.tolist())
        if topic == 'tip_pose':
            quaternion = np.empty(4)
            mujoco.mju_mat2Quat(quaternion, self.data.site_xmat[self._tip])
            w, x, y, z = quaternion.tolist()
            return msg.pose_stamped(_FRAME, stamp_ns, self.tip.tolist(), (x, y, z, w))
        if topic == 'reward':
            return msg.float64(self._reward.last_period)
        raise KeyError(topic)

    def revision(self, topic: str) -> int:
        """Return how many targets there have been; 0 for topics that are not latched."""
        return self._revision if topic == 'target' else 0

    def take_reward(self) -> float:
        """Return the reward gathered since the last call."""
        return self._reward.take()

    def outcome(self) -> Outcome:
        """Return whether all targets were reached, or one was not in time."""
        success = self._reached == self._targets_per_episode
        return Outcome(
            success or self._late,
            success,
            {
                'tip_error_m': self.tip_error_m,
                'targets_reached': float(self._reached),
                'time_s': self._time_ns / 1e9,
            },
        )

    def picture(self) -> dict[str, Any]:
        """Return the present target and what counts as reaching it."""
        return {
            'target_m': self.target.tolist(),
            'target_radius_m': TARGET_RADIUS_M,
            'hold_s': HOLD_NS / 1e9,
            'default_pose_rad': dict(zip(JOINTS, DEFAULT_POSE.tolist(), strict=True)),
        }
