"""The simulated cart-pole: what it measures, what it obeys, and its task."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.sim.pendulum import CART_OFF, EFFORT_MAX, POLE_FALLEN, PendulumRobot
from fournex_runtime.sim.sensor_messages import float64_array

COMMAND = 'effort_controller/commands'


def push(robot: PendulumRobot, *efforts: float) -> None:
    robot.command(COMMAND, float64_array(efforts))


def balance(robot: PendulumRobot) -> None:
    """Push as a state feedback would that, unlike the policy, is told the velocities."""
    cart, pole = robot.data.qpos
    cart_velocity, pole_velocity = robot.data.qvel
    push(robot, 2.0 * cart + 4.0 * cart_velocity + 45.0 * pole + 12.0 * pole_velocity)


def run(robot: PendulumRobot, seed: int, steps: int = 400) -> list[tuple[float, ...]]:
    random = np.random.default_rng(3)
    robot.reset(seed)
    path = []
    for step in range(steps):
        if step % 4 == 0:
            push(robot, random.uniform(-5.0, 5.0))
        robot.step()
        path.append((*robot.data.qpos, *robot.data.qvel, robot.take_reward()))
    return path


def test_same_seed_and_commands_give_the_same_bits() -> None:
    robot = PendulumRobot()
    first = run(robot, 5)
    run(robot, 6)
    assert run(robot, 5) == first
    assert run(PendulumRobot(), 5) == first
    assert run(robot, 6) != first


def test_starts_differ_and_lie_where_the_task_says() -> None:
    robot = PendulumRobot()
    starts = []
    for seed in range(50):
        robot.reset(seed)
        starts.append(robot.data.qpos.copy())
    greatest = np.abs(starts).max(axis=0)
    assert np.all(greatest <= (0.4, 0.12))
    assert np.all(greatest > (0.3, 0.09))


def test_joint_states_have_positions_only() -> None:
    robot = PendulumRobot()
    robot.reset(1)
    message = robot.sense('joint_states', 12_000_000_345)
    assert message.name == ['cart', 'pole']
    assert message.position.tolist() == robot.data.qpos.tolist()
    assert len(message.velocity) == len(message.effort) == 0
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 345)


def test_a_sensed_message_does_not_change_afterwards() -> None:
    robot = PendulumRobot()
    message = robot.sense('joint_states', 0)
    before = message.position.tolist()
    push(robot, 10.0)
    for _ in range(20):
        robot.step()
    assert message.position.tolist() == before


@pytest.mark.parametrize('sensor', PendulumRobot.sensors, ids=lambda sensor: sensor.topic)
def test_every_sensor_has_the_type_and_the_period_that_it_declares(sensor) -> None:
    robot = PendulumRobot()
    data = messages().encode(robot.sense(sensor.topic, 5), sensor.type)
    assert messages().encode(messages().decode(data, sensor.type), sensor.type) == data
    assert sensor.period_ns > 0
    assert sensor.period_ns % robot.step_ns == 0


def test_a_push_to_the_right_moves_the_cart_right_and_leans_the_pole_left() -> None:
    robot = PendulumRobot()
    robot.data.qpos[:] = robot.data.qvel[:] = 0.0
    push(robot, 10.0)
    for _ in range(4):
        robot.step()
    cart, pole = robot.data.qpos
    assert cart > 0.0
    assert pole < 0.0


def test_without_commands_the_push_ends_after_100_ms() -> None:
    robot = PendulumRobot()
    push(robot, 5.0)
    pushed = []
    for _ in range(40):
        robot.step()
        pushed.append(robot.data.ctrl[0])
    assert pushed == [5.0] * 20 + [0.0] * 20
    push(robot, -2.0)
    robot.step()
    assert robot.data.ctrl[0] == -2.0


@pytest.mark.parametrize('efforts', [(math.nan,), (math.inf,), (), (1.0, 2.0)])
def test_a_bad_command_is_ignored_and_does_not_prolong_the_one_before(efforts) -> None:
    robot = PendulumRobot()
    push(robot, 5.0)
    for _ in range(20):
        push(robot, *efforts)
        robot.step()
        assert robot.data.ctrl[0] == 5.0
    push(robot, *efforts)
    robot.step()
    assert robot.data.ctrl[0] == 0.0


def test_a_push_beyond_the_motor_is_cut_off() -> None:
    robot = PendulumRobot()
    push(robot, -1e6)
    robot.step()
    assert robot.data.ctrl[0] == -EFFORT_MAX


def test_a_topic_that_it_does_not_have_is_refused() -> None:
    robot = PendulumRobot()
    with pytest.raises(KeyError, match='imu'):
        robot.sense('imu', 0)
    with pytest.raises(KeyError, match='cmd_vel'):
        robot.command('cmd_vel', float64_array([0.0]))


def test_staying_up_for_20_s_is_success() -> None:
    robot = PendulumRobot()
    robot.reset(4)
    steps = 0
    while not robot.outcome().done:
        balance(robot)
        robot.step()
        steps += 1
        assert steps <= 4000
    outcome = robot.outcome()
    assert outcome.success
    assert steps * robot.step_ns == 20_000_000_000
    assert outcome.detail['time_up_s'] == 20.0
    assert outcome.detail['cart_max_m'] < CART_OFF
    assert outcome.detail['pole_max_rad'] < POLE_FALLEN


def test_left_alone_the_pole_falls_and_the_episode_ends_there() -> None:
    robot = PendulumRobot()
    robot.reset(4)
    for _ in range(2000):
        robot.step()
        if robot.outcome().done:
            break
    outcome = robot.outcome()
    assert outcome.done and not outcome.success
    assert 0.1 < outcome.detail['time_up_s'] < 5.0
    robot.take_reward()
    for _ in range(400):
        robot.step()
    assert robot.outcome() == outcome
    assert robot.take_reward() == 0.0


def test_reward_is_one_a_control_period_at_best_and_the_topic_has_the_last_whole_one() -> None:
    robot = PendulumRobot()
    robot.data.qpos[:] = robot.data.qvel[:] = 0.0
    for _ in range(4):
        robot.step()
    assert robot.sense('reward', 0).data == pytest.approx(1.0, abs=1e-9)
    robot.data.qpos[1] = 0.2
    robot.step()
    assert robot.sense('reward', 0).data == pytest.approx(1.0, abs=1e-9)
    for _ in range(3):
        robot.step()
    assert robot.sense('reward', 0).data < 0.9
    assert robot.take_reward() == pytest.approx(1.0 + robot.sense('reward', 0).data, abs=1e-9)
    assert robot.take_reward() == 0.0
