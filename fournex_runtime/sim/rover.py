"""
A differential-drive rover with a lidar that drives to goals in a room with obstacles.

Frames: ``odom`` is the room's frame (its origin is the middle of the room; odometry does not
drift), ``base_link`` is the middle of the rover with x forward and y left, and ``laser``
coincides with it, so the beam at angle 0 looks straight ahead.

The task: bring the middle of the rover within ``GOAL_RADIUS_M`` of each goal without touching
anything. The reward is the progress towards the goal in metres, less ``TIME_COST`` a second,
plus ``GOAL_REWARD`` at a goal and less ``CONTACT_COST`` at a contact.
"""

from __future__ import annotations

import functools
import math
import pathlib
from typing import Any, ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from .robot import CommandTopic, Outcome, Robot, Sensor
from .rover_messages import (
    ANGLE_INCREMENT,
    ANGLE_MIN,
    BEAMS,
    RANGE_MAX_M,
    SCAN_PERIOD_NS,
    goal_message,
    odometry_message,
    reward_message,
    scan_message,
)
from .rover_room import HALF_SIDE_M, ROVER_RADIUS_M, Room, Shape, draw_room

GOAL_RADIUS_M = 0.25
TIME_LIMIT_NS = 40_000_000_000
"""Simulated time that each goal is given."""
FORWARD_LIMITS_M_S = (-0.2, 0.7)
TURN_LIMIT_RAD_S = 1.5
COMMAND_TIMEOUT_NS = 500_000_000

TIME_COST = 0.1
GOAL_REWARD = 5.0
CONTACT_COST = 5.0

ONE_GOAL_DISTANCE_M = (1.0, 4.5)
TOUR_GOAL_DISTANCE_M = (3.0, 4.5)
"""Between one goal and the next where an episode has several."""

_LIDAR_GROUPS = np.array([1, 0, 0, 0, 0, 0], dtype=np.uint8)
_PARKED = (0.0, 0.0, -10.0)
_MODEL_FILE = pathlib.Path(__file__).parent / 'models' / 'rover.xml'


@functools.cache
def _model() -> Any:
    """Return the compiled model; nothing alters it, so that all rovers share it."""
    return mujoco.MjModel.from_xml_path(str(_MODEL_FILE))


class RoverRobot(Robot):
    """
    The rover, its room and its task.

    :param goals_per_episode: goals to reach, one after the other; the episode ends at the last
        one, at a contact, or after ``TIME_LIMIT_NS`` for each goal.
    """

    name: ClassVar[str] = 'rover'
    step_ns: ClassVar[int] = 5_000_000
    control_ns: ClassVar[int] = 50_000_000
    sensors: ClassVar[tuple[Sensor, ...]] = (
        Sensor('scan', 'sensor_msgs/msg/LaserScan', SCAN_PERIOD_NS),
        Sensor('odom', 'nav_msgs/msg/Odometry', 20_000_000),
        Sensor('goal', 'geometry_msgs/msg/PoseStamped', 0),
        Sensor('reward', 'std_msgs/msg/Float64', control_ns),
    )
    commands: ClassVar[tuple[CommandTopic, ...]] = (
        CommandTopic('cmd_vel', 'geometry_msgs/msg/TwistStamped', COMMAND_TIMEOUT_NS),
    )

    def __init__(self, goals_per_episode: int = 1) -> None:
        if goals_per_episode < 1:
            raise ValueError(f'goals_per_episode: expected at least 1, found {goals_per_episode}')
        self.goals_per_episode = goals_per_episode
        self.model = _model()
        self.data = mujoco.MjData(self.model)
        self._base = self.model.body('base_link').id
        self._goal_mocap = int(self.model.body('goal').mocapid[0])
        self._obstacle_mocaps, self.shapes = _obstacles(self.model)
        angles = ANGLE_MIN + ANGLE_INCREMENT * np.arange(BEAMS)
        self._beams = np.stack((np.cos(angles), np.sin(angles)))
        self._directions = np.zeros((BEAMS, 3))
        self._hits = np.zeros(BEAMS, dtype=np.int32)
        self._distances = np.zeros(BEAMS)
        self._goal_revision = 0
        self.reset(0)

    @property
    def room(self) -> Room:
        """Return the room of the present episode."""
        return self._room

    @property
    def pose(self) -> tuple[float, float, float]:
        """Return x (m), y (m) and yaw (rad, not wrapped) of ``base_link`` in ``odom``."""
        x, y, yaw = self.data.qpos.tolist()
        return x, y, yaw

    @property
    def velocity(self) -> tuple[float, float, float]:
        """Return forward (m/s), leftward (m/s) and yaw (rad/s) velocity in ``base_link``."""
        east, north, turn = self.data.qvel.tolist()
        yaw = self.data.qpos.item(2)
        cos, sin = math.cos(yaw), math.sin(yaw)
        return cos * east + sin * north, cos * north - sin * east, turn

    @property
    def goal(self) -> tuple[float, float]:
        """Return x and y (m) of the present goal in ``odom``."""
        return self._goal

    @property
    def time_ns(self) -> int:
        """Return the simulated time since the start of the episode."""
        return self._steps * self.step_ns

    def ranges(self) -> NDArray[np.float32]:
        """Return what the lidar measures now (m), ``inf`` where nothing is within its range."""
        x, y, yaw = self.data.qpos.tolist()
        cos, sin = math.cos(yaw), math.sin(yaw)
        self._directions[:, 0] = cos * self._beams[0] - sin * self._beams[1]
        self._directions[:, 1] = sin * self._beams[0] + cos * self._beams[1]
        origin = np.array((x, y, ROVER_RADIUS_M))
        mujoco.mj_multiRay(
            self.model, self.data, origin, self._directions.reshape(-1), _LIDAR_GROUPS, True,
            self._base, self._hits, self._distances, None, BEAMS, RANGE_MAX_M,
        )  # fmt: skip
        seen = (self._hits >= 0) & (self._distances <= RANGE_MAX_M)
        return np.where(seen, self._distances, np.inf).astype(np.float32)

    def reset(self, seed: int) -> None:
        """Begin an episode in the room that the seed draws."""
        several = self.goals_per_episode > 1
        distance = TOUR_GOAL_DISTANCE_M if several else ONE_GOAL_DISTANCE_M
        self.enter(draw_room(self.shapes, seed, self.goals_per_episode, distance))

    def enter(self, room: Room) -> None:
        """
        Begin an episode in a room of one's own.

        :param room: its obstacles are of ``shapes``, each used at most once.
        """
        self._room = room
        mujoco.mj_resetData(self.model, self.data)
        self.data.mocap_pos[self._obstacle_mocaps] = _PARKED
        for obstacle in self._room.obstacles:
            mocap = self._obstacle_mocaps[obstacle.index]
            self.data.mocap_pos[mocap] = (obstacle.x, obstacle.y, 0.25)
            half = obstacle.yaw / 2.0
            self.data.mocap_quat[mocap] = (math.cos(half), 0.0, 0.0, math.sin(half))
        self.data.qpos[:] = self._room.start
        self._steps = 0
        self._command = (0.0, 0.0)
        self._command_ends = 0
        self._goals_reached = 0
        self._contact = False
        self._done = False
        self._done_ns = 0
        self._reward = 0.0
        self._show_goal()
        mujoco.mj_forward(self.model, self.data)

    def _show_goal(self) -> None:
        self._goal = self._room.goals[self._goals_reached]
        self._goal_revision += 1
        self._goal_distance = self._distance_to_goal()
        self.data.mocap_pos[self._goal_mocap] = (*self._goal, 0.005)

    def _distance_to_goal(self) -> float:
        x, y, _ = self.data.qpos.tolist()
        return math.hypot(self._goal[0] - x, self._goal[1] - y)

    def command(self, topic: str, message: Any) -> None:
        """Take a twist; what exceeds the drive's limits is cut off at them."""
        if topic != 'cmd_vel':
            raise KeyError(f'{topic!r} is not a command topic of the rover: cmd_vel')
        linear, angular = message.twist.linear, message.twist.angular
        parts = (linear.x, linear.y, linear.z, angular.x, angular.y, angular.z)
        if all(math.isfinite(part) for part in parts):
            self.drive(linear.x, angular.z)

    def drive(self, forward: float, turn: float) -> None:
        """
        Take a command as two finite numbers, as ``command`` does.

        :param forward: velocity along x (m/s).
        :param turn: yaw velocity (rad/s).
        """
        slowest, fastest = FORWARD_LIMITS_M_S
        self._command = (
            min(max(forward, slowest), fastest),
            min(max(turn, -TURN_LIMIT_RAD_S), TURN_LIMIT_RAD_S),
        )
        self._command_ends = self._steps + COMMAND_TIMEOUT_NS // self.step_ns

    def step(self) -> None:
        """Advance by ``step_ns``; a command that has run out is one to stand still."""
        if self._steps >= self._command_ends:
            self._command = (0.0, 0.0)
        control = self.data.ctrl
        control[0], control[1] = self._command
        mujoco.mj_step(self.model, self.data)
        self._steps += 1
        if not self._done:
            self._judge()

    def _judge(self) -> None:
        """Account for one step in the reward and in how the task stands."""
        distance = self._distance_to_goal()
        self._reward += self._goal_distance - distance - TIME_COST * self.step_ns * 1e-9
        self._goal_distance = distance
        if self.data.ncon > 0:
            self._contact = True
            self._reward -= CONTACT_COST
            self._end()
        elif distance <= GOAL_RADIUS_M:
            self._goals_reached += 1
            self._reward += GOAL_REWARD
            if self._goals_reached == len(self._room.goals):
                self._end()
            else:
                self._show_goal()
        elif self.time_ns >= TIME_LIMIT_NS * len(self._room.goals):
            self._end()

    def _end(self) -> None:
        self._done = True
        self._done_ns = self.time_ns

    def sense(self, topic: str, stamp_ns: int) -> Any:
        """Return the present message of a topic; ``reward`` takes the reward gathered."""
        if topic == 'scan':
            return scan_message(self.ranges(), stamp_ns)
        if topic == 'odom':
            return odometry_message(self.pose, self.velocity, stamp_ns)
        if topic == 'goal':
            return goal_message(self._goal, stamp_ns)
        if topic == 'reward':
            return reward_message(self.take_reward())
        known = ', '.join(sensor.topic for sensor in self.sensors)
        raise KeyError(f'{topic!r} is not a sensor topic of the rover: {known}')

    def revision(self, topic: str) -> int:
        """Return a number that changes with each new goal."""
        if topic != 'goal':
            raise KeyError(f'{topic!r} is not a latched topic of the rover: goal')
        return self._goal_revision

    def take_reward(self) -> float:
        """Return the reward gathered since the last call."""
        reward, self._reward = self._reward, 0.0
        return reward

    def outcome(self) -> Outcome:
        """Return how the task stands; it is settled once the episode is done."""
        detail = {
            'goals_reached': float(self._goals_reached),
            'time_s': (self._done_ns if self._done else self.time_ns) * 1e-9,
            'contact': float(self._contact),
        }
        return Outcome(self._done, self._goals_reached == len(self._room.goals), detail)

    def picture(self) -> dict[str, Any]:
        """Return walls, obstacles, goals and the rover's size in metres, in ``odom``."""
        side = HALF_SIDE_M
        return {
            'frame': 'odom',
            'rover_radius_m': ROVER_RADIUS_M,
            'goal_radius_m': GOAL_RADIUS_M,
            'walls': [[-side, -side], [side, -side], [side, side], [-side, side]],
            'obstacles': [
                {
                    'kind': obstacle.shape.kind,
                    'x': obstacle.x,
                    'y': obstacle.y,
                    'yaw': obstacle.yaw,
                    'size': (
                        [obstacle.shape.half_x]
                        if obstacle.shape.kind == 'cylinder'
                        else [2.0 * obstacle.shape.half_x, 2.0 * obstacle.shape.half_y]
                    ),
                }
                for obstacle in self._room.obstacles
            ],
            'start': list(self._room.start),
            'goals': [list(goal) for goal in self._room.goals],
        }


def _obstacles(model: Any) -> tuple[NDArray[np.intp], tuple[Shape, ...]]:
    """Return the mocap index and the footprint of every obstacle of the model."""
    mocaps: list[int] = []
    shapes: list[Shape] = []
    while True:
        try:
            body = model.body(f'obstacle_{len(shapes)}')
        except KeyError:
            return np.array(mocaps), tuple(shapes)
        geom = model.geom(int(body.geomadr[0]))
        half_x, half_y = float(geom.size[0]), float(geom.size[1])
        if int(geom.type[0]) == int(mujoco.mjtGeom.mjGEOM_CYLINDER):
            shapes.append(Shape('cylinder', half_x, half_x))
        else:
            shapes.append(Shape('box', half_x, half_y))
        mocaps.append(int(body.mocapid[0]))
