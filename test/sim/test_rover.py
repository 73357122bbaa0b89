"""The rover: what its sensors measure, how it obeys, and what its task counts."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.sim.rover import GOAL_RADIUS_M, TIME_LIMIT_NS, RoverRobot
from fournex_runtime.sim.rover_messages import ANGLE_INCREMENT, BEAMS, RANGE_MAX_M
from fournex_runtime.sim.rover_room import (
    HALF_SIDE_M,
    ROVER_RADIUS_M,
    Obstacle,
    Room,
    Shape,
    draw_room,
)

AHEAD = BEAMS // 2
LEFT = AHEAD + BEAMS // 4
RIGHT = AHEAD - BEAMS // 4
BEHIND = 0


def twist(forward: float, turn: float, sideways: float = 0.0) -> Any:
    get = messages().type
    vector = get('geometry_msgs/msg/Vector3')
    return get('geometry_msgs/msg/TwistStamped')(
        header=get('std_msgs/msg/Header')(
            stamp=get('builtin_interfaces/msg/Time')(sec=0, nanosec=0), frame_id='base_link'
        ),
        twist=get('geometry_msgs/msg/Twist')(
            linear=vector(x=forward, y=sideways, z=0.0), angular=vector(x=0.0, y=0.0, z=turn)
        ),
    )


def drive(robot: RoverRobot, seconds: float, forward: float, turn: float) -> None:
    """Repeat a command as a controller would, once each control period."""
    steps = round(seconds * 1e9 / robot.step_ns)
    period = robot.control_ns // robot.step_ns
    for step in range(steps):
        if step % period == 0:
            robot.command('cmd_vel', twist(forward, turn))
        robot.step()


def drive_ahead_until(condition: Callable[[], bool], robot: RoverRobot) -> None:
    for _ in range(200):
        if condition():
            return
        drive(robot, 0.05, 0.5, 0.0)
    pytest.fail('it did not come about within 10 s')


def coast(robot: RoverRobot, seconds: float) -> None:
    for _ in range(round(seconds * 1e9 / robot.step_ns)):
        robot.step()


def staged(
    *obstacles: tuple[int, float, float, float],
    start: tuple[float, float, float] = (0.0, 0.0, 0.0),
    goals: tuple[tuple[float, float], ...] = ((2.5, 2.5),),
) -> RoverRobot:
    """Return a rover in a room with the given obstacles: shape index, x, y, yaw."""
    robot = RoverRobot()
    placed = tuple(
        Obstacle(index, robot.shapes[index], x, y, yaw) for index, x, y, yaw in obstacles
    )
    robot.enter(Room(placed, start, goals))
    return robot


def bits(robot: RoverRobot) -> bytes:
    return b''.join(
        messages().encode(robot.sense(sensor.topic, 7), sensor.type) for sensor in robot.sensors
    )


def test_same_seed_and_commands_give_the_same_bits() -> None:
    used, fresh = RoverRobot(), RoverRobot()
    used.reset(4)
    drive(used, 3.0, 0.6, 0.9)
    for robot in (used, fresh):
        robot.reset(11)
    assert used.room == fresh.room
    for turn in (0.0, 0.7, -1.2):
        for robot in (used, fresh):
            drive(robot, 0.5, 0.5, turn)
        assert bits(used) == bits(fresh)


def test_other_seeds_give_other_rooms() -> None:
    robot = RoverRobot()
    rooms = set()
    for seed in range(20):
        robot.reset(seed)
        rooms.add(robot.room)
    assert len(rooms) == 20


def test_scan_of_the_empty_room_has_the_distances_to_its_walls() -> None:
    robot = staged(start=(0.5, -1.0, 0.0))
    ranges = robot.ranges()
    assert ranges[AHEAD] == pytest.approx(HALF_SIDE_M - 0.5, abs=1e-6)
    assert ranges[LEFT] == pytest.approx(HALF_SIDE_M + 1.0, abs=1e-6)
    assert ranges[BEHIND] == pytest.approx(HALF_SIDE_M + 0.5, abs=1e-6)
    assert ranges[RIGHT] == pytest.approx(HALF_SIDE_M - 1.0, abs=1e-6)
    slanted = AHEAD - 10  # 20 degrees to the right meets the east wall
    assert ranges[slanted] == pytest.approx(2.5 / math.cos(math.radians(20.0)), abs=1e-6)


def test_scan_turns_with_the_rover() -> None:
    robot = staged(start=(0.5, -1.0, math.pi / 2.0))
    ranges = robot.ranges()
    assert ranges[AHEAD] == pytest.approx(4.0, abs=1e-6)
    assert ranges[LEFT] == pytest.approx(3.5, abs=1e-6)
    assert ranges[RIGHT] == pytest.approx(2.5, abs=1e-6)


def test_scan_sees_boxes_and_cylinders() -> None:
    # A block of 0.5 m by 0.5 m turned by 45 degrees, and a pillar of 0.25 m radius.
    robot = staged((2, 1.5, 0.0, math.pi / 4.0), (1, 0.0, -2.0, 0.0))
    ranges = robot.ranges()
    assert ranges[AHEAD] == pytest.approx(1.5 - 0.25 * math.sqrt(2.0), abs=1e-6)
    assert ranges[RIGHT] == pytest.approx(2.0 - 0.25, abs=1e-6)
    beside = RIGHT + 2  # 4 degrees off the middle of the pillar
    offset = 2.0 * math.sin(2 * ANGLE_INCREMENT)
    depth = 2.0 * math.cos(2 * ANGLE_INCREMENT) - math.sqrt(0.25**2 - offset**2)
    assert ranges[beside] == pytest.approx(depth, abs=1e-6)


def test_beams_beyond_the_range_read_infinity() -> None:
    robot = staged(start=(-2.7, -2.7, math.pi / 4.0))
    ranges = robot.ranges()
    assert math.isinf(ranges[AHEAD])
    assert ranges[AHEAD] > 0.0
    assert np.all(ranges[np.isfinite(ranges)] <= RANGE_MAX_M)


def test_scan_message_says_its_geometry() -> None:
    scan = RoverRobot().sense('scan', 1_500_000_007)
    assert scan.header.frame_id == 'laser'
    assert (scan.header.stamp.sec, scan.header.stamp.nanosec) == (1, 500_000_007)
    assert len(scan.ranges) == BEAMS
    assert scan.ranges.dtype == np.float32
    assert scan.angle_min == -math.pi
    assert scan.angle_min + scan.angle_increment * BEAMS == pytest.approx(math.pi)
    assert scan.angle_max == pytest.approx(math.pi - scan.angle_increment)
    assert (scan.range_min, scan.range_max) == (0.05, 6.0)


def test_odometry_has_the_pose_in_odom_and_the_velocity_in_the_base() -> None:
    robot = staged(start=(0.0, 0.0, math.pi / 2.0))
    drive(robot, 2.0, 0.5, 0.0)
    odometry = robot.sense('odom', 0)
    assert (odometry.header.frame_id, odometry.child_frame_id) == ('odom', 'base_link')
    pose, velocity = odometry.pose.pose, odometry.twist.twist
    assert pose.position.x == pytest.approx(0.0, abs=1e-9)
    assert 0.75 < pose.position.y < 0.95  # 2 s at 0.5 m/s less the time to get there
    assert 2.0 * math.atan2(pose.orientation.z, pose.orientation.w) == pytest.approx(math.pi / 2)
    assert velocity.linear.x == pytest.approx(0.5, abs=1e-3)
    assert velocity.linear.y == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize('yaw', [0.0, 0.6, -2.0])
def test_it_accelerates_alike_in_every_direction(yaw: float) -> None:
    robot = staged(start=(0.0, 0.0, yaw))
    drive(robot, 0.2, 0.7, 0.0)
    assert robot.velocity[0] == pytest.approx(1.5 * 0.2, rel=1e-6)  # the drive's 1.5 m/s2


def test_it_hardly_slips_sideways_in_its_tightest_curve() -> None:
    robot = staged(start=(0.0, 0.0, 0.0))
    worst = 0.0
    for _ in range(40):
        drive(robot, 0.05, 0.7, 1.5)
        worst = max(worst, abs(robot.velocity[1]))
    assert 0.0 < worst < 0.01


def test_commands_beyond_the_limits_are_cut_off() -> None:
    robot = staged(start=(-1.5, 0.0, 0.0))
    drive(robot, 1.5, 50.0, 0.0)
    assert robot.velocity[0] == pytest.approx(0.7, abs=1e-3)
    robot = staged(start=(0.0, 0.0, 0.0))
    drive(robot, 1.5, -50.0, -50.0)
    assert robot.velocity[0] == pytest.approx(-0.2, abs=1e-3)
    assert robot.velocity[2] == pytest.approx(-1.5, abs=1e-3)


def test_it_brakes_to_a_stop_half_a_second_after_the_last_command() -> None:
    robot = staged(start=(-2.0, 0.0, 0.0))
    drive(robot, 1.0, 0.6, 0.0)
    robot.command('cmd_vel', twist(0.6, 0.0))
    coast(robot, 0.495)
    assert robot.velocity[0] == pytest.approx(0.6, abs=1e-3)
    coast(robot, 1.0)
    assert robot.velocity[0] == pytest.approx(0.0, abs=0.01)
    coast(robot, 1.0)
    before = robot.pose
    coast(robot, 1.0)
    assert robot.pose == pytest.approx(before, abs=1e-4)


@pytest.mark.parametrize(
    'bad',
    [
        twist(math.nan, 0.0),
        twist(0.0, math.nan),
        twist(math.inf, 0.0),
        twist(-0.2, -math.inf),
        twist(-0.2, -1.0, sideways=math.nan),
    ],
)
def test_commands_that_are_not_finite_are_ignored(bad: Any) -> None:
    told, left_alone = staged(start=(-2.0, 0.0, 0.0)), staged(start=(-2.0, 0.0, 0.0))
    for robot in (told, left_alone):
        drive(robot, 0.5, 0.5, 0.3)
    told.command('cmd_vel', bad)
    for _ in range(250):  # through the timeout too: a bad command does not put it off
        for robot in (told, left_alone):
            robot.step()
        assert bits(told) == bits(left_alone)


def test_a_goal_is_reached_within_its_radius() -> None:
    robot = staged(start=(0.0, 0.0, 0.0), goals=((1.0, 0.0),))
    drive_ahead_until(lambda: robot.outcome().done, robot)
    outcome = robot.outcome()
    assert outcome.success
    assert outcome.detail['goals_reached'] == 1.0
    assert outcome.detail['contact'] == 0.0
    travelled = 1.0 - GOAL_RADIUS_M
    assert robot.take_reward() == pytest.approx(
        travelled + 5.0 - 0.1 * outcome.detail['time_s'], abs=0.03
    )
    drive(robot, 1.0, 0.5, 0.0)
    assert robot.outcome() == outcome, 'a settled outcome changed'
    assert robot.take_reward() == 0.0


def test_touching_an_obstacle_ends_the_episode() -> None:
    robot = staged((1, 1.0, 0.0, 0.0), start=(0.0, 0.0, 0.0), goals=((2.5, 0.0),))
    drive_ahead_until(lambda: robot.outcome().done, robot)
    outcome = robot.outcome()
    assert not outcome.success
    assert outcome.detail['contact'] == 1.0
    assert robot.pose[0] == pytest.approx(1.0 - 0.25 - ROVER_RADIUS_M, abs=0.01)
    assert robot.take_reward() < -4.0


def test_the_base_can_pass_where_a_disc_of_its_size_can() -> None:
    # Two pillars of 0.25 m radius leave a gap of 0.42 m for a base of 0.4 m.
    robot = staged(
        (1, 0.0, 0.46, 0.0), (11, 0.0, -0.51, 0.0), start=(-1.0, 0.0, 0.0), goals=((1.0, 0.0),)
    )
    drive_ahead_until(lambda: robot.outcome().done, robot)
    assert robot.outcome().success


def test_an_episode_ends_when_its_time_is_up() -> None:
    robot = staged()
    coast(robot, TIME_LIMIT_NS * 1e-9 - 0.005)
    assert not robot.outcome().done
    robot.step()
    outcome = robot.outcome()
    assert outcome.done
    assert not outcome.success
    assert outcome.detail == {'goals_reached': 0.0, 'time_s': 40.0, 'contact': 0.0}


def test_the_next_goal_appears_when_one_is_reached() -> None:
    goals = ((1.0, 0.0), (2.0, 0.0))
    robot = staged(start=(0.0, 0.0, 0.0), goals=goals)
    first = robot.revision('goal')
    pose = robot.sense('goal', 0)
    assert pose.header.frame_id == 'odom'
    assert (pose.pose.position.x, pose.pose.position.y) == goals[0]
    drive_ahead_until(lambda: robot.revision('goal') != first, robot)
    assert robot.sense('goal', 0).pose.position.x == 2.0
    assert not robot.outcome().done
    drive_ahead_until(lambda: robot.outcome().done, robot)
    assert robot.outcome().success
    assert robot.outcome().detail['goals_reached'] == 2.0


def test_a_reset_is_a_new_revision_of_the_goal() -> None:
    robot = RoverRobot()
    robot.reset(5)
    before = robot.revision('goal')
    robot.reset(5)
    assert robot.revision('goal') != before


def test_reward_message_takes_what_was_gathered() -> None:
    robot = staged(goals=((2.0, 0.0),))
    drive(robot, 1.0, 0.5, 0.0)
    travelled = robot.pose[0]
    assert robot.sense('reward', 0).data == pytest.approx(travelled - 0.1 * 1.0)
    assert robot.sense('reward', 0).data == 0.0


@pytest.mark.parametrize('goals', [1, 3])
def test_rooms_leave_space_at_start_and_goals(goals: int) -> None:
    robot = RoverRobot(goals)
    for seed in range(30):
        robot.reset(seed)
        room = robot.room
        assert 6 <= len(room.obstacles) <= 10
        assert len(room.goals) == goals
        assert not robot.outcome().done
        for x, y in ((room.start[0], room.start[1]), *room.goals):
            point = (np.array([x]), np.array([y]))
            clear = min(float(obstacle.distance(*point)[0]) for obstacle in room.obstacles)
            clear = min(clear, HALF_SIDE_M - abs(x), HALF_SIDE_M - abs(y))
            assert clear > ROVER_RADIUS_M + 0.14


def test_a_goal_that_cannot_be_driven_to_is_not_drawn() -> None:
    # A box longer than the room cuts it in two, and start and goal are on the same side of it.
    shapes = [Shape('box', 9.0, 0.1)]
    for seed in range(20):
        room = draw_room(shapes, seed, 1, (0.3, 5.0))
        (box,) = room.obstacles
        ends = ((room.start[0], room.start[1]), room.goals[0])
        sides = {
            math.cos(box.yaw) * (y - box.y) - math.sin(box.yaw) * (x - box.x) > 0.0
            for x, y in ends
        }
        assert len(sides) == 1


def test_obstacle_distance_is_negative_inside_and_exact_outside() -> None:
    box = Obstacle(0, Shape('box', 0.5, 0.2), 1.0, 1.0, math.pi / 2.0)
    x = np.array([1.0, 1.0, 1.5, 1.5])
    y = np.array([1.0, 2.0, 1.0, 1.9])
    assert box.distance(x, y) == pytest.approx([-0.2, 0.5, 0.3, math.hypot(0.3, 0.4)])


def test_picture_is_plain_json() -> None:
    robot = RoverRobot(3)
    robot.reset(2)
    picture = json.loads(json.dumps(robot.picture()))
    assert len(picture['obstacles']) == len(robot.room.obstacles)
    assert [tuple(goal) for goal in picture['goals']] == list(robot.room.goals)


def test_sensors_are_due_on_whole_steps() -> None:
    for sensor in RoverRobot.sensors:
        assert sensor.period_ns % RoverRobot.step_ns == 0
    assert [s.topic for s in RoverRobot.sensors if s.latched] == ['goal']


@pytest.mark.parametrize(
    'call',
    [
        lambda robot: robot.sense('camera', 0),
        lambda robot: robot.command('cmd', twist(0.0, 0.0)),
        lambda robot: robot.revision('scan'),
    ],
)
def test_unknown_topics_are_refused(call: Any) -> None:
    with pytest.raises(KeyError, match='of the rover'):
        call(RoverRobot())


def test_no_goals_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match='goals_per_episode: expected at least 1, found 0'):
        RoverRobot(goals_per_episode=0)
