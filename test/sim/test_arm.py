"""The simulated arm: what it measures, what it obeys, and its task."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
import pytest

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.sim.arm import (
    DEFAULT_POSE,
    JOINTS,
    TARGET_RADIUS_M,
    VELOCITY_MAX,
    ArmRobot,
)
from fournex_runtime.sim.sensor_messages import float64_array, header

POSITIONS = 'forward_position_controller/commands'
TRAJECTORY = 'joint_trajectory_controller/joint_trajectory'
POSE = DEFAULT_POSE + np.array([0.5, -0.2, -0.4, 0.3, 0.2, -0.1])


def trajectory(
    names: Sequence[str], positions: Sequence[float], after_ns: int = 60_000_000
) -> Any:
    after = messages().type('builtin_interfaces/msg/Duration')(
        sec=after_ns // 1_000_000_000, nanosec=after_ns % 1_000_000_000
    )
    empty = np.empty(0)
    point = messages().type('trajectory_msgs/msg/JointTrajectoryPoint')(
        positions=np.array(positions, np.float64),
        velocities=empty,
        accelerations=empty,
        effort=empty,
        time_from_start=after,
    )
    return messages().type('trajectory_msgs/msg/JointTrajectory')(
        header=header('', 0), joint_names=list(names), points=[point]
    )


def settle(robot: ArmRobot, topic: str, message: Any, steps: int = 400) -> np.ndarray:
    """Send one command over and over, as a loop does, and return where the joints end up."""
    for _ in range(steps):
        robot.command(topic, message)
        robot.step()
    return np.array(robot.data.qpos)


def joints_for(target: np.ndarray) -> np.ndarray:
    """Return joint positions that bring the tip to a target: damped least squares."""
    robot = ArmRobot()
    model, data = robot.model, robot.data
    data.qpos[:] = DEFAULT_POSE
    data.qpos[0] = math.atan2(target[1], target[0])
    jacobian = np.zeros((3, 6))
    for _ in range(500):
        mujoco.mj_forward(model, data)
        mujoco.mj_jacSite(model, data, jacobian, None, 0)
        square = jacobian @ jacobian.T + 0.01 * np.eye(3)
        data.qpos[:] += 0.3 * jacobian.T @ np.linalg.solve(square, target - robot.tip)
    assert np.linalg.norm(target - robot.tip) < 0.005
    return np.array(data.qpos)


def run(robot: ArmRobot, seed: int) -> list[tuple[float, ...]]:
    random = np.random.default_rng(3)
    robot.reset(seed)
    path = []
    for step in range(200):
        if step % 4 == 0:
            values = DEFAULT_POSE + random.uniform(-1.0, 1.0, 6)
            robot.command(POSITIONS, float64_array(values))
        robot.step()
        path.append((*robot.data.qpos, *robot.data.qvel, *robot.target, robot.take_reward()))
    return path


def test_same_seed_and_commands_give_the_same_bits() -> None:
    robot = ArmRobot()
    first = run(robot, 5)
    run(robot, 6)
    assert run(robot, 5) == first
    assert run(ArmRobot(), 5) == first
    assert run(robot, 6) != first


def test_joint_states_have_positions_and_velocities_in_the_order_of_the_names() -> None:
    robot = ArmRobot()
    robot.reset(1)
    robot.command(POSITIONS, float64_array(POSE))
    for _ in range(10):
        robot.step()
    message = robot.sense('joint_states', 12_000_000_345)
    assert tuple(message.name) == JOINTS
    for index, name in enumerate(message.name):
        joint = robot.data.joint(name)
        assert message.position[index] == joint.qpos[0]
        assert message.velocity[index] == joint.qvel[0] != 0.0
    assert len(message.effort) == 0
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 345)


@pytest.mark.parametrize('sensor', ArmRobot.sensors, ids=lambda sensor: sensor.topic)
def test_every_sensor_has_the_type_and_the_period_that_it_declares(sensor: Any) -> None:
    robot = ArmRobot()
    data = messages().encode(robot.sense(sensor.topic, 5), sensor.type)
    assert messages().encode(messages().decode(data, sensor.type), sensor.type) == data
    assert sensor.period_ns % robot.step_ns == 0
    assert sensor.latched == (sensor.topic == 'target')


def test_tip_pose_is_where_the_model_says_and_its_x_axis_points_along_the_tool() -> None:
    robot = ArmRobot()
    robot.data.qpos[:] = DEFAULT_POSE
    mujoco.mj_forward(robot.model, robot.data)
    message = robot.sense('tip_pose', 0)
    assert message.header.frame_id == 'base_link'
    p, q = message.pose.position, message.pose.orientation
    assert (p.x, p.y, p.z) == tuple(robot.data.site('tip').xpos)
    tool = (1 - 2 * (q.y**2 + q.z**2), 2 * (q.x * q.y + q.w * q.z), 2 * (q.x * q.z - q.w * q.y))
    assert tool == pytest.approx((0.0, 0.0, -1.0), abs=1e-3)


def test_target_is_latched_in_base_link_and_each_new_one_has_a_new_revision() -> None:
    robot = ArmRobot()
    seen = set()
    for seed in range(100):
        before = robot.revision('target')
        robot.reset(seed)
        assert robot.revision('target') != before
        message = robot.sense('target', 0)
        assert message.header.frame_id == 'base_link'
        p = message.pose.position
        assert 0.35 <= math.hypot(p.x, p.y) <= 0.65
        assert 0.10 <= p.z <= 0.55
        seen.add((p.x, p.y, p.z))
    assert len(seen) == 100
    assert robot.revision('joint_states') == 0


def test_positions_are_reached_in_joint_order() -> None:
    reached = settle(ArmRobot(), POSITIONS, float64_array(POSE))
    assert reached == pytest.approx(POSE, abs=2e-3)


def test_a_trajectory_is_obeyed_by_name_whatever_its_order() -> None:
    order = [3, 0, 5, 1, 4, 2]
    message = trajectory([JOINTS[i] for i in order], POSE[order])
    reached = settle(ArmRobot(), TRAJECTORY, message)
    assert reached == pytest.approx(POSE, abs=2e-3)


def test_a_trajectory_takes_the_time_that_it_asks_for() -> None:
    robot = ArmRobot()
    robot.data.qpos[:] = DEFAULT_POSE
    start = robot.data.qpos[0]
    robot.command(TRAJECTORY, trajectory(JOINTS, POSE, 400_000_000))
    for _ in range(40):
        robot.step()
    assert 0.3 < (robot.data.qpos[0] - start) / (POSE[0] - start) < 0.6


def test_the_newest_command_of_either_kind_wins() -> None:
    robot = ArmRobot()
    settle(robot, TRAJECTORY, trajectory(JOINTS, DEFAULT_POSE))
    assert settle(robot, POSITIONS, float64_array(POSE)) == pytest.approx(POSE, abs=2e-3)
    back = settle(robot, TRAJECTORY, trajectory(JOINTS, DEFAULT_POSE))
    assert back == pytest.approx(DEFAULT_POSE, abs=2e-3)


def test_joints_stay_below_their_velocity_limits_and_stand_still_at_the_end() -> None:
    robot = ArmRobot()
    fastest = np.zeros(6)
    for _ in range(600):
        robot.command(POSITIONS, float64_array(DEFAULT_POSE + [3.0, 0.9, -1.5, 1.0, 1.5, 3.0]))
        robot.step()
        fastest = np.maximum(fastest, np.abs(robot.data.qvel))
    assert np.all(fastest <= 1.1 * VELOCITY_MAX)
    assert fastest[0] > 0.9 * VELOCITY_MAX[0]
    assert np.abs(robot.data.qvel).max() < 1e-2


def test_joint_limits_cut_a_command_off() -> None:
    robot = ArmRobot()
    target = DEFAULT_POSE.copy()
    target[0] = 100.0
    reached = settle(robot, POSITIONS, float64_array(target), 800)
    assert reached[0] == pytest.approx(robot.model.joint('shoulder_pan').range[1], abs=2e-2)


def test_without_commands_the_arm_stops_after_500_ms_and_holds() -> None:
    robot = ArmRobot()
    target = DEFAULT_POSE.copy()
    target[0] = 3.0
    robot.command(POSITIONS, float64_array(target))
    for _ in range(100):
        robot.step()
    at_timeout = robot.data.qpos[0]
    assert 0.8 < at_timeout < 1.5
    for _ in range(200):
        robot.step()
    assert robot.data.qpos[0] == pytest.approx(at_timeout, abs=0.3)  # what the servo lags behind
    assert abs(robot.data.qvel[0]) < 1e-2
    assert settle(robot, POSITIONS, float64_array(target))[0] == pytest.approx(3.0, abs=2e-2)


@pytest.mark.parametrize(
    'bad',
    [
        (POSITIONS, float64_array([math.nan] * 6)),
        (POSITIONS, float64_array([0.0, math.inf, 0.0, 0.0, 0.0, 0.0])),
        (POSITIONS, float64_array([0.0] * 5)),
        (POSITIONS, float64_array([])),
        (TRAJECTORY, trajectory(JOINTS, [math.nan] * 6)),
        (TRAJECTORY, trajectory(JOINTS, [0.0] * 5)),
        (TRAJECTORY, trajectory(JOINTS[:5], [0.0] * 5)),
        (TRAJECTORY, trajectory([*JOINTS[:5], 'gripper'], [0.0] * 6)),
        (TRAJECTORY, trajectory([*JOINTS[:5], JOINTS[0]], [0.0] * 6)),
        (TRAJECTORY, trajectory(JOINTS, [0.0] * 6, -1)),
    ],
)
def test_a_bad_command_is_ignored_and_does_not_prolong_the_one_before(
    bad: tuple[str, Any],
) -> None:
    undisturbed, robot = ArmRobot(), ArmRobot()
    target = DEFAULT_POSE.copy()
    target[0] = 3.0
    for one in (undisturbed, robot):
        one.command(POSITIONS, float64_array(target))
    for _ in range(150):
        robot.command(*bad)
        robot.step()
        undisturbed.step()
        assert robot.data.qpos.tolist() == undisturbed.data.qpos.tolist()


def test_a_trajectory_without_points_is_ignored() -> None:
    robot = ArmRobot()
    message = trajectory(JOINTS, POSE)
    message.points.clear()
    before = robot.data.qpos.copy()
    assert settle(robot, TRAJECTORY, message, 100) == pytest.approx(before, abs=1e-2)


def test_a_topic_that_it_does_not_have_is_refused() -> None:
    robot = ArmRobot()
    with pytest.raises(KeyError, match='imu'):
        robot.sense('imu', 0)
    with pytest.raises(KeyError, match='cmd_vel'):
        robot.command('cmd_vel', float64_array([0.0]))


def test_holding_each_target_for_half_a_second_is_success() -> None:
    robot = ArmRobot(targets_per_episode=2)
    robot.reset(11)
    revision = robot.revision('target')
    for _ in range(2):
        target = robot.target
        message = float64_array(joints_for(target))
        within = 0
        while robot.target.tolist() == target.tolist() and not robot.outcome().done:
            robot.command(POSITIONS, message)
            robot.step()
            arrived = np.linalg.norm(robot.tip - target) <= TARGET_RADIUS_M
            within = within + 1 if arrived else 0
        assert within * robot.step_ns == 500_000_000
    outcome = robot.outcome()
    assert outcome.success
    assert outcome.detail['targets_reached'] == 2.0
    assert outcome.detail['tip_error_m'] <= TARGET_RADIUS_M
    assert outcome.detail['time_s'] < 8.0
    assert robot.revision('target') == revision + 1


def test_a_target_that_is_not_reached_in_4_s_ends_the_episode() -> None:
    robot = ArmRobot(targets_per_episode=3)
    robot.reset(11)
    steps = 0
    while not robot.outcome().done:
        robot.step()
        steps += 1
    outcome = robot.outcome()
    assert steps * robot.step_ns == 4_000_000_000
    assert not outcome.success
    assert outcome.detail['targets_reached'] == 0.0
    assert outcome.detail['tip_error_m'] > TARGET_RADIUS_M


def test_reward_is_highest_at_rest_at_the_target_and_touching_the_table_costs() -> None:
    robot = ArmRobot()
    robot.reset(11)
    far = np.array(robot.data.qpos)
    near = joints_for(robot.target)

    def period_at(position: np.ndarray) -> float:
        robot.reset(11)
        settle(robot, POSITIONS, float64_array(position))
        return float(robot.sense('reward', 0).data)

    pressed = far.copy()
    pressed[1] += 0.6
    assert 0.8 < period_at(near) <= 1.0
    assert period_at(far) < 0.5
    assert period_at(pressed) < period_at(far) - 0.4


def test_at_least_one_target() -> None:
    with pytest.raises(ValueError, match='at least one'):
        ArmRobot(targets_per_episode=0)


_COMPARE_TIPS = """
import mujoco, numpy, torch
from examples.arm.critic import Geometry
from fournex_runtime.sim.arm import ArmRobot
robot, random = ArmRobot(), numpy.random.default_rng(0)
positions = random.uniform(-3.0, 3.0, (100, 6))
computed = Geometry()(torch.tensor(positions)).numpy()
worst = 0.0
for position, tip in zip(positions, computed):
    robot.data.qpos[:] = position
    mujoco.mj_forward(robot.model, robot.data)
    worst = max(worst, float(abs(tip - robot.tip).max()))
print(worst)
"""


@pytest.mark.torch
def test_the_geometry_that_the_critic_is_told_is_that_of_the_robot(
    torch_python: Any, torch_environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [torch_python, '-c', _COMPARE_TIPS],
        env=torch_environment,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-9
