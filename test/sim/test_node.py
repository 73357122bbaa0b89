"""Simulated robots as processes, over DDS."""

from __future__ import annotations

import ctypes.util
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from rcl_interfaces.srv import DescribeParameters
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.sim import sensor_messages as msg
from fournex_runtime.sim.rover import RoverRobot

SCAN = 'sensor_msgs/msg/LaserScan'
ODOM = 'nav_msgs/msg/Odometry'
TWIST = 'geometry_msgs/msg/TwistStamped'
STATUS = 'fournex_msgs/msg/SimulationStatus'
CLOCK = 'rosgraph_msgs/msg/Clock'
EFFORTS = 'effort_controller/commands'
POSITIONS = 'forward_position_controller/commands'
TRAJECTORY = 'joint_trajectory_controller/joint_trajectory'


def stamp_ns(message) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def twist(stamp: int, forward: float, turn: float):
    vector = messages().type('geometry_msgs/msg/Vector3')
    return messages().type(TWIST)(
        header=msg.header('base_link', stamp),
        twist=messages().type('geometry_msgs/msg/Twist')(
            linear=vector(x=forward, y=0.0, z=0.0), angular=vector(x=0.0, y=0.0, z=turn)
        ),
    )


# --- real time ----------------------------------------------------------------------------------


def test_sensors_come_at_their_rates_stamped_by_the_system_clock(simulate, peer):
    simulate('rover')
    peer.watch(scan=SCAN, odom=ODOM, reward=msg.FLOAT64)
    peer.next('scan'), peer.next('odom'), peer.next('reward')
    scans, odoms, rewards = [], [], []
    until_s = time.monotonic() + 2.0
    while time.monotonic() < until_s:
        for scan in peer.take('scan'):
            assert abs(time.time_ns() - stamp_ns(scan)) < 500_000_000
            scans.append(scan)
        odoms += peer.take('odom')
        rewards += peer.take('reward')
        time.sleep(0.002)
    for found, rate in ((scans, 20.0), (odoms, 50.0)):
        stamps = np.array([stamp_ns(message) for message in found])
        assert (np.diff(stamps) > 0).all()
        measured = (len(found) - 1) / (stamps[-1] - stamps[0]) * 1e9
        assert measured == pytest.approx(rate, rel=0.1)
    assert len(rewards) == pytest.approx(40, abs=5)
    assert scans[0].header.frame_id == 'laser'
    assert len(scans[0].ranges) == 180
    assert (odoms[0].header.frame_id, odoms[0].child_frame_id) == ('odom', 'base_link')


def test_topics_offer_what_the_documentation_says(simulate, peer):
    simulate('rover')
    peer.watch(scan=SCAN)
    peer.next('scan')
    offered = {}
    for topic in ('scan', 'odom', 'goal', 'reward', 'sim/status'):
        (offer,) = peer.node.get_publishers_info_by_topic(topic)
        offered[topic] = (offer.qos_profile.reliability, offer.qos_profile.durability)
    live = (ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
    latched = (ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
    assert offered == {
        'scan': live, 'odom': live, 'reward': live, 'goal': latched, 'sim/status': latched,
    }  # fmt: skip
    (command,) = peer.node.get_subscriptions_info_by_topic('cmd_vel')
    assert command.topic_type == TWIST
    assert command.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert not peer.node.get_publishers_info_by_topic('/clock')


def test_who_comes_late_gets_the_goal_and_the_status(simulate, peer):
    simulate('rover', seed=4, goals=2, hold_start=False)
    peer.watch(scan=SCAN)
    peer.next('scan')
    time.sleep(0.5)
    peer.watch(goal=msg.POSE_STAMPED, latched=True)
    peer.watch_absolute('status', 'sim/status', STATUS, latched=True)
    goal, status = peer.next('goal'), peer.next('status')
    twin = RoverRobot(2)
    twin.reset(4)
    assert (goal.pose.position.x, goal.pose.position.y) == twin.goal
    assert (status.robot, status.seed, status.episode, status.done) == ('rover', 4, 1, False)
    assert status.time > 0.3
    assert {entry.key: entry.value for entry in status.detail}['goals_reached'] == '0'
    time.sleep(1.0)
    assert 4 <= len(peer.take('status')) <= 7


def test_a_command_moves_the_rover_and_it_stops_when_commands_cease(simulate, peer):
    simulate('rover', seed=4)
    peer.watch(odom=ODOM)
    peer.drives('cmd_vel', TWIST)
    assert peer.next('odom').twist.twist.linear.x == pytest.approx(0.0, abs=1e-6)
    for _ in range(20):
        peer.command('cmd_vel', twist(time.time_ns(), 0.0, 1.0))
        time.sleep(0.05)
    ceased_s = time.monotonic()
    assert peer.next('odom').twist.twist.angular.z == pytest.approx(1.0, abs=0.1)
    while peer.next('odom').twist.twist.angular.z > 0.02:
        assert time.monotonic() - ceased_s < 10.0
    assert time.monotonic() - ceased_s > 0.45


def test_reset_begins_the_episode_of_a_seed(simulate, peer):
    simulate('rover', seed=4)
    peer.watch(goal=msg.POSE_STAMPED, latched=True)
    peer.watch_absolute('status', 'sim/status', STATUS, latched=True)
    before = peer.next('goal')
    response = peer.reset(9)
    assert response.episode == 'episode-0002'
    after = peer.next('goal')
    twin = RoverRobot()
    twin.reset(9)
    assert before.pose.position.x != after.pose.position.x
    assert (after.pose.position.x, after.pose.position.y) == twin.goal
    status = peer.next('status')
    assert (status.seed, status.episode) == (9, 2)


def test_clock_and_stamps_follow_simulated_time_at_its_speed(simulate, peer):
    simulate('rover', clock=True, speed=4.0)
    peer.watch(odom=ODOM)
    peer.watch_absolute('clock', '/clock', CLOCK)
    peer.next('clock'), peer.next('odom')
    begun_s = time.monotonic()
    first = peer.next('clock').clock
    time.sleep(2.0)
    odoms = peer.take('odom')
    clocks = [item.clock.sec * 1_000_000_000 + item.clock.nanosec for item in peer.take('clock')]
    clocks.append(_nanoseconds(peer.next('clock').clock))
    elapsed_s = time.monotonic() - begun_s
    assert (np.diff(clocks) > 0).all()
    assert (clocks[-1] - _nanoseconds(first)) * 1e-9 / elapsed_s == pytest.approx(4.0, rel=0.1)
    assert len(odoms) > 100
    assert all(stamp_ns(odom) % 5_000_000 == 0 for odom in odoms)
    assert {stamp_ns(odom) for odom in odoms[-20:-1]} <= set(clocks)


def test_two_robots_live_side_by_side_in_namespaces(simulate, peers):
    first, second = peers('/r1'), peers('/r2')
    for name, peer in (('r1', first), ('r2', second)):
        simulate('rover', '-r', f'__ns:=/{name}', seed=4, frame_prefix=f'{name}/')
        peer.watch(scan=SCAN, odom=ODOM)
    first.drives('cmd_vel', TWIST)
    scan, odom = first.next('scan'), first.next('odom')
    assert (scan.header.frame_id, odom.header.frame_id) == ('r1/laser', 'r1/odom')
    assert odom.child_frame_id == 'r1/base_link'
    assert second.next('scan').header.frame_id == 'r2/laser'
    first.command('cmd_vel', twist(0, 0.0, 1.0))
    time.sleep(0.3)
    assert first.next('odom').twist.twist.angular.z > 0.5
    assert second.next('odom').twist.twist.angular.z == pytest.approx(0.0, abs=1e-6)
    assert second.reset(5).episode == 'episode-0002'


def test_parameters_describe_themselves(simulate, peer):
    simulate('pendulum')
    request = DescribeParameters.Request(names=['seed', 'speed', 'pacing'])
    response = peer.call(DescribeParameters, 'sim/describe_parameters', request)
    seed, speed, pacing = response.descriptors
    assert all(one.description and one.read_only for one in (seed, speed, pacing))
    assert seed.integer_range[0].to_value == 2**63 - 1
    assert speed.floating_point_range[0].from_value == pytest.approx(0.01)


# --- lockstep -----------------------------------------------------------------------------------


def _drive_rover(simulate, peer, steps: int) -> dict[str, list[bytes]]:
    """Drive in lockstep by a rule on the scan; return all that was published, by topic."""
    started = simulate('rover', seed=11, goals=3, pacing='lockstep')
    peer.watch(scan=SCAN, odom=ODOM, reward=msg.FLOAT64, goal=msg.POSE_STAMPED, latched=True)
    peer.drives('cmd_vel', TWIST)
    for _ in range(steps):
        scan = peer.next('scan')
        odom = peer.next('odom')
        peer.next('reward')
        peer.take('goal')
        assert stamp_ns(scan) == stamp_ns(odom)
        ahead = float(min(scan.ranges[80:100]))
        command = twist(stamp_ns(scan), 0.5 if ahead > 0.7 else 0.0, 0.0 if ahead > 0.7 else 1.0)
        peer.command('cmd_vel', command)
    peer.next('scan'), peer.next('odom'), peer.next('reward')
    started.signal(signal.SIGINT)
    assert started.wait(5.0) == 0
    return {name: list(found) for name, found in peer.bytes.items()}


def test_lockstep_is_the_same_bit_for_bit_in_two_runs(simulate, peers):
    first = _drive_rover(simulate, peers('/'), 200)
    second = _drive_rover(simulate, peers('/'), 200)
    assert {name: len(found) for name, found in first.items()} == {
        'scan': 201, 'odom': 201, 'reward': 201, 'goal': 1,
    }  # fmt: skip
    assert first == second
    stamps = [stamp_ns(messages().decode(data, SCAN)) for data in first['scan']]
    assert stamps == [1_000_000_000 + 50_000_000 * step for step in range(201)]
    ends = [messages().decode(first['odom'][k], ODOM).pose.pose.position for k in (0, -1)]
    assert abs(ends[0].x - ends[1].x) + abs(ends[0].y - ends[1].y) > 0.5


def test_lockstep_waits_for_the_command_that_carries_its_stamp(simulate, peer):
    simulate('rover', pacing='lockstep')
    peer.drives('cmd_vel', TWIST)
    peer.watch(scan=SCAN, latched=True)  # late, and yet it gets the first scan
    peer.watch_absolute('clock', '/clock', CLOCK)
    now_ns = stamp_ns(peer.next('scan'))
    peer.command('cmd_vel', twist(now_ns, 0.1, 0.0))
    assert stamp_ns(peer.next('scan')) == now_ns + 50_000_000
    for wrong_ns in (now_ns, now_ns + 100_000_000, 0):
        peer.command('cmd_vel', twist(wrong_ns, 0.1, 0.0))
    assert peer.quiet('scan', 0.4)
    assert _nanoseconds(peer.next('clock').clock) == now_ns + 50_000_000, 'repeated as it waits'
    peer.command('cmd_vel', twist(now_ns + 50_000_000, 0.1, 0.0))
    assert stamp_ns(peer.next('scan')) == now_ns + 100_000_000


def test_lockstep_reset_gives_the_same_start_again_and_time_goes_on(simulate, peer):
    simulate('pendulum', pacing='lockstep')
    peer.watch(joint_states=msg.JOINT_STATE, latched=True)
    peer.drives(EFFORTS, msg.FLOAT64_ARRAY)
    starts = []
    before_ns = 0
    for seed in (5, 6, 5):
        peer.next('joint_states')
        peer.reset(seed)
        for step in range(3):
            state = peer.next('joint_states')
            assert stamp_ns(state) > before_ns
            before_ns = stamp_ns(state)
            if step == 0:
                starts.append(tuple(state.position))
            peer.command(EFFORTS, msg.float64_array([2.0]))
    assert starts[0] == starts[2]
    assert starts[0] != starts[1]


def test_lockstep_takes_commands_without_a_stamp_as_they_come(simulate, peer):
    simulate('arm', pacing='lockstep')
    peer.watch(joint_states=msg.JOINT_STATE, latched=True)
    peer.drives(POSITIONS, msg.FLOAT64_ARRAY)
    peer.drives(TRAJECTORY, msg.JOINT_TRAJECTORY)
    state = peer.next('joint_states')
    begun_ns, target = stamp_ns(state), np.array(state.position) + 0.2
    for _ in range(30):
        peer.command(POSITIONS, msg.float64_array(target))
        state = peer.next('joint_states')
    assert np.array(state.position) == pytest.approx(target, abs=0.05)
    point = messages().type('trajectory_msgs/msg/JointTrajectoryPoint')
    duration = messages().type('builtin_interfaces/msg/Duration')
    back = target - 0.2
    for _ in range(30):
        trajectory = messages().type(msg.JOINT_TRAJECTORY)(
            header=msg.header('', 0),
            joint_names=list(state.name),
            points=[
                point(
                    positions=back, velocities=np.empty(0), accelerations=np.empty(0),
                    effort=np.empty(0), time_from_start=duration(sec=0, nanosec=20_000_000),
                )
            ],
        )  # fmt: skip
        peer.command(TRAJECTORY, trajectory)
        state = peer.next('joint_states')
    assert np.array(state.position) == pytest.approx(back, abs=0.05)
    assert stamp_ns(state) == begun_ns + 60 * 20_000_000


def test_lockstep_ends_with_an_error_when_commands_cease(simulate, peer):
    started = simulate('rover', pacing='lockstep', lockstep_timeout=0.5)
    peer.watch(scan=SCAN, latched=True)
    peer.drives('cmd_vel', TWIST)
    now_ns = stamp_ns(peer.next('scan'))
    time.sleep(1.0)  # the first command may take longer than the timeout
    peer.command('cmd_vel', twist(now_ns, 0.1, 0.0))
    peer.next('scan')
    peer.command('cmd_vel', twist(now_ns, 0.1, 0.0))
    assert started.wait(5.0) == 2
    (line,) = started.text().splitlines()
    assert line.startswith('sim: lockstep: no command for t = 1.050 s on cmd_vel for 0.5 s')
    assert line.endswith('the last command on cmd_vel was stamped 1.000 s')


# --- beginning and end --------------------------------------------------------------------------


@pytest.mark.parametrize('pacing', ['real_time', 'lockstep'])
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_quickly_and_quietly(simulate, peer, pacing, number):
    started = simulate('pendulum', pacing=pacing)
    peer.watch(joint_states=msg.JOINT_STATE, latched=pacing == 'lockstep')
    peer.next('joint_states')
    started.signal(number)
    assert started.wait(5.0) == 0
    said = [line for line in started.text().splitlines() if 'this machine is too slow' not in line]
    assert not said


def test_it_ends_with_its_parent(simulate, peer, start):
    parent = (
        'import subprocess, sys, time\n'
        'child = subprocess.Popen([sys.executable, "-m", "fournex_runtime.sim.node", "--ros-args",'
        ' "-p", "robot:=pendulum", "-p", "exit_with_parent:=true"])\n'
        'print("child", child.pid, flush=True)\n'
        'time.sleep(60)'
    )
    started = start('parent', [sys.executable, '-c', parent])
    pid = int(started.wait_for('\n').split()[1])
    peer.watch(joint_states=msg.JOINT_STATE)
    peer.next('joint_states')
    started.signal(signal.SIGKILL)
    deadline_s = time.monotonic() + 3.0
    while pathlib.Path(f'/proc/{pid}').exists() and not _is_zombie(pid):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'robot': 'rovr'}, "robot: there is no simulated robot 'rovr'. Did you mean rover?"),
        ({'robot': 'rover', 'goals': -1}, 'goals: Invalid parameter value (-1)'),
        ({'robot': 'rover', 'speed': 2}, "speed: Trying to set parameter 'speed'"),
        ({'robot': 'rover', 'pacing': 'fast'}, "expected real_time or lockstep, found 'fast'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(simulate, parameters, words):
    started = simulate(**parameters)
    assert started.wait(20.0) == 2
    (line,) = started.text().splitlines()
    assert line.startswith('sim: ')
    assert words in line


# --- pictures -----------------------------------------------------------------------------------


def test_render_draws_frames_or_says_what_is_missing(simulate, peer, tmp_path):
    without_ffmpeg = {**os.environ, 'PATH': str(tmp_path), 'MUJOCO_GL': 'osmesa'}
    folder = tmp_path / 'frames'
    started = simulate('pendulum', environment=without_ffmpeg, render=folder)
    if ctypes.util.find_library('OSMesa') is None:
        assert started.wait(20.0) == 2
        (line,) = started.text().splitlines()
        assert 'apt install' in line
        assert 'MUJOCO_GL=osmesa' in line
        return
    deadline_s = time.monotonic() + 20.0
    while not (folder / 'frame-00003.png').exists():
        assert time.monotonic() < deadline_s, started.text()
        time.sleep(0.05)
    picture = _read_png(folder / 'frame-00002.png')
    assert picture.shape == (480, 640, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    started.signal(signal.SIGINT)
    assert started.wait(5.0) == 0
    again = simulate('pendulum', environment=without_ffmpeg, render=folder)
    assert again.wait(20.0) == 2
    assert 'is not empty' in again.text()


def _read_png(path: pathlib.Path) -> np.ndarray:
    data = path.read_bytes()
    width, height = struct.unpack('>II', data[16:24])
    begin = data.index(b'IDAT')
    (length,) = struct.unpack('>I', data[begin - 4 : begin])
    lines = np.frombuffer(zlib.decompress(data[begin + 4 : begin + 4 + length]), np.uint8)
    return lines.reshape(height, 1 + 3 * width)[:, 1:].reshape(height, width, 3)


def _nanoseconds(time_message) -> int:
    return time_message.sec * 1_000_000_000 + time_message.nanosec


def _is_zombie(pid: int) -> bool:
    answer = subprocess.run(
        ['ps', '-o', 'stat=', '-p', str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip().startswith('Z')
