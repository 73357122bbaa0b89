"""A robot with a clock, its settings and its name: no ROS, no processes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from fournex_runtime.errors import ConfigurationError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.sim import sensor_messages as msg
from fournex_runtime.sim.registry import ROBOTS, has_goals, make_robot
from fournex_runtime.sim.settings import SETTINGS, Settings
from fournex_runtime.sim.simulation import START_NS, STATUS, Simulation

DEFAULTS = {setting.name: setting.default for setting in SETTINGS}


@pytest.mark.parametrize('name', sorted(ROBOTS))
def test_every_robot_can_be_paced_and_drawn(name):
    robot = make_robot(name)
    assert robot.name == name
    assert robot.control_ns % robot.step_ns == 0
    assert all(sensor.period_ns % robot.step_ns == 0 for sensor in robot.sensors)
    assert robot.model.ncam >= 1
    simulation = Simulation(robot, seed=3)
    topics = [topic for topic, _ in simulation.messages_due(0)]
    assert sorted(topics) == sorted(sensor.topic for sensor in robot.sensors)
    detail = messages().decode(simulation.status(7), STATUS).detail
    assert {entry.key for entry in detail} == set(robot.outcome().detail)


@pytest.mark.parametrize('name', ['rover', 'arm'])
def test_goals_make_an_episode_longer(name):
    assert has_goals(name)
    one, three = make_robot(name, 1), make_robot(name, 3)
    assert vars(one) != vars(three)
    with pytest.raises(ConfigurationError, match='goals: expected 0 or more, found -1'):
        make_robot(name, -1)


def test_a_robot_without_goals_takes_no_notice_of_them():
    assert not has_goals('pendulum')
    assert make_robot('pendulum', 3).name == 'pendulum'


def test_sensors_are_due_at_their_periods_and_latched_ones_when_they_change():
    simulation = Simulation(make_robot('rover'), seed=3)
    assert [topic for topic, _ in simulation.messages_due(0)] == ['goal', 'reward', 'scan', 'odom']
    due = []
    for step in range(1, 41):
        simulation.step(1)
        due += [(5 * step, topic) for topic, _ in simulation.messages_due(0)]
    assert [at for at, topic in due if topic == 'odom'] == list(range(20, 201, 20))
    assert [at for at, topic in due if topic == 'scan'] == [50, 100, 150, 200]
    assert [at for at, topic in due if topic == 'reward'] == [50, 100, 150, 200]
    assert not [at for at, topic in due if topic == 'goal']
    assert simulation.time_ns == START_NS + 200_000_000
    simulation.reset(4)
    assert [topic for topic, _ in simulation.messages_due(0)] == ['goal', 'reward', 'scan', 'odom']
    assert simulation.time_ns == START_NS + 200_000_000
    assert simulation.episode == 2


def test_what_was_due_several_times_comes_once():
    simulation = Simulation(make_robot('rover'), seed=3)
    simulation.messages_due(0)
    simulation.step(13)
    assert [topic for topic, _ in simulation.messages_due(0)] == ['reward', 'scan', 'odom']
    simulation.step(3)
    assert [topic for topic, _ in simulation.messages_due(0)] == ['odom']


def test_a_held_robot_measures_but_moves_only_with_its_first_command():
    simulation = Simulation(make_robot('pendulum'), seed=3, hold_start=True)
    simulation.messages_due(0)
    for episode in (1, 2):
        start = simulation.robot.data.qpos.copy()
        simulation.step(200)
        assert [topic for topic, _ in simulation.messages_due(0)] == ['reward', 'joint_states']
        assert (simulation.robot.data.qpos == start).all()
        assert messages().decode(simulation.status(0), STATUS).time == 0.0
        simulation.obey(simulation.robot.commands[0].topic, msg.float64_array([0.0]))
        simulation.step(200)
        assert simulation.robot.outcome().done
        assert messages().decode(simulation.status(0), STATUS).time == 1.0
        assert simulation.time_ns == START_NS + episode * 2_000_000_000
        simulation.reset(3)
        simulation.messages_due(0)


def test_the_prefix_is_before_every_frame_that_has_a_name():
    kinds = {sensor.topic: sensor.type for sensor in make_robot('rover').sensors}
    simulation = Simulation(make_robot('rover'), seed=3, frame_prefix='r1/')
    found = {t: messages().decode(data, kinds[t]) for t, data in simulation.messages_due(5)}
    assert found['scan'].header.frame_id == 'r1/laser'
    assert found['goal'].header.frame_id == 'r1/odom'
    assert (found['odom'].header.frame_id, found['odom'].child_frame_id) == (
        'r1/odom', 'r1/base_link',
    )  # fmt: skip
    simulation = Simulation(make_robot('pendulum'), seed=3, frame_prefix='r1/')
    state = dict(simulation.messages_due(5))['joint_states']
    assert messages().decode(state, msg.JOINT_STATE).header.frame_id == ''


def test_bytes_that_are_no_command_are_none():
    simulation = Simulation(make_robot('pendulum'), seed=3)
    good = messages().encode(msg.float64_array([1.0]), msg.FLOAT64_ARRAY)
    topic = simulation.robot.commands[0].topic
    assert simulation.read_command(topic, good).data == [1.0]
    assert simulation.read_command(topic, good[:-4]) is None
    assert simulation.read_command(topic, b'') is None


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'pacing': 'fast'}, "pacing: expected real_time or lockstep, found 'fast'"),
        ({'speed': 2.0}, 'speed: 2 times real time needs clock:=true'),
        ({'speed': 2.0, 'pacing': 'lockstep'}, 'speed: lockstep goes as fast as its commands'),
        ({'frame_prefix': '/r1'}, "do not begin with a slash, found '/r1'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, words):
    with pytest.raises(ConfigurationError) as caught:
        Settings(**{**DEFAULTS, **changes})
    assert words in str(caught.value)


def test_lockstep_has_a_clock_in_any_case():
    settings = Settings(**{**DEFAULTS, 'pacing': 'lockstep'})
    assert settings.simulated_time
    assert not dataclasses.replace(settings, pacing='real_time').simulated_time


def test_every_setting_is_described():
    assert [field.name for field in dataclasses.fields(Settings)] == [s.name for s in SETTINGS]
    assert all(setting.description for setting in SETTINGS)


def test_only_the_node_needs_ros():
    modules = ['pacing', 'registry', 'render', 'resets', 'settings', 'simulation']
    code = (
        'import sys\n'
        'sys.modules["rclpy"] = sys.modules["fournex_msgs"] = None\n'
        + ''.join(f'import fournex_runtime.sim.{name}\n' for name in modules)
        + 'assert "mujoco" not in sys.modules\n'
        'from fournex_runtime.sim.registry import ROBOTS, make_robot\n'
        'print(*(make_robot(name).name for name in ROBOTS))'
    )
    answer = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=30, check=False
    )
    assert answer.stdout.split() == ['arm', 'pendulum', 'rover'], answer.stderr
