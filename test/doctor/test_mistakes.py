"""Three simulated robots: sound ones have no failure, and each mistake is found by its name."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from rclpy.parameter import Parameter
from relay import ARRAY, JOINT_STATE, every, moving, set_stamp, shift_stamp
from ros_messages import make

from fournex_runtime.doctor.finding import Level

URDF = '<robot name="arm">{}</robot>'
JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow', 'wrist_1', 'wrist_2', 'wrist_3')


def urdf(lower: float = -3.1, upper: float = 3.1, velocity: float = 3.0) -> str:
    """Return a description of the arm with one limit for all of its joints."""
    limit = f'<limit lower="{lower}" upper="{upper}" velocity="{velocity}" effort="100"/>'
    return URDF.format(
        ''.join(f'<joint name="{name}" type="revolute">{limit}</joint>' for name in JOINTS)
    )


def renamed(old: str, new: str):
    def change(message):
        message.name = [new if name == old else name for name in message.name]
        return message

    return change


def in_degrees(message):
    message.position = np.degrees(message.position)
    return message


def with_values(name: str, **fields: float):
    """Return what overwrites fields that are numbers, in the nested message of that path."""

    def change(message):
        part = message
        for step in name.split('.') if name else ():
            part = getattr(part, step)
        for key, value in fields.items():
            setattr(part, key, value)
        return message

    return change


def not_a_number(message):
    message.position[2] = math.nan
    return message


def backwards():
    """Return what stamps each third message 50 ms before the one in front of it."""
    count = [0]

    def change(message):
        count[0] += 1
        return shift_stamp(-0.05)(message) if count[0] % 3 == 0 else message

    return change


def again(message):
    """Stamp as a driver does that repeats its last value: ten times a second."""
    message.header.stamp.nanosec -= message.header.stamp.nanosec % 100_000_000
    return message


def half_the_scan(message):
    message.ranges = message.ranges[:90]
    return message


def other_array(relay):
    """Publish the arm's positions as an array, in an order of its own."""
    order = ('elbow', 'shoulder_pan', 'shoulder_lift', 'wrist_1', 'wrist_2', 'wrist_3')
    pose = dict(zip(JOINTS, (0.1, -1.5, 1.9, 1.17, 0.3, -0.3)))
    relay.publishes('positions', ARRAY, lambda: make(ARRAY, data=[pose[j] for j in order]), 50)
    relay.publishes(
        'names',
        JOINT_STATE,
        lambda: make(JOINT_STATE, name=list(pose), position=list(pose.values())),
        50,
    )


def sim_clock(relay):
    clock = 'rosgraph_msgs/msg/Clock'
    relay.publishes(
        '/clock', clock, lambda: make(clock, clock={'sec': 100 + int(time.monotonic() % 2)}), 50
    )


def commands(relay):
    topic = 'forward_position_controller/commands'
    relay.publishes(topic, ARRAY, lambda: make(ARRAY, data=[0.0] * 6), 20)


def second_driver(relay):
    relay.publishes(
        'joint_states',
        JOINT_STATE,
        lambda: make(JOINT_STATE, name=list(JOINTS), position=[0.0] * 6, velocity=[0.0] * 6),
        20,
    )


def states(change):
    return {'messages': {'joint_states': change}}


ANGLES = 'joint_position: {topic: joint_states, type: sensor_msgs/msg/JointState, budget: 50 ms}'
TWIST = (
    'base_linear_velocity: {topic: odom, type: nav_msgs/msg/Odometry',
    'base_linear_velocity: {topic: cmd_vel, type: geometry_msgs/msg/TwistStamped',
)
ARRAY_WIRED = (
    ANGLES,
    'joint_position: {topic: positions, type: std_msgs/msg/Float64MultiArray, budget: 50 ms, '
    f'joints: [{", ".join(JOINTS)}]}}',
)
SIM_TIME = {'beside': sim_clock, 'messages': {'joint_states': set_stamp(lambda: 100 * 10**9)}}
NO_ROTATION = with_values('pose.pose.orientation', w=0.0, z=0.0)
F, W = Level.FAILURE, Level.WARNING

MISTAKES = {
    # mistakes in the wiring
    'a topic misspelt': (
        'arm', [(ANGLES, ANGLES.replace('joint_states', 'joint_state'))], {},
        'topic', F, 'Did you mean /case_'),
    'another type than is published': (
        'pendulum', [('type: sensor_msgs/msg/JointState',
                      'type: std_msgs/msg/Float64MultiArray, joints: [cart, pole]')], {},
        'type', F, 'is published as sensor_msgs/msg/JointState'),
    'a quality of service that is not offered': (
        'pendulum', [('budget: 50 ms', 'budget: 50 ms, qos: {reliability: reliable}')],
        {'best_effort': True}, 'qos', F, 'reliable delivery, not best effort'),
    'an array in another order': (
        'arm', [ARRAY_WIRED], {'beside': other_array},
        'joint_order', F, 'joints: [elbow, shoulder_pan, shoulder_lift'),
    'the type of the command': (
        'arm', [], {'listens': 'trajectory_msgs/msg/JointTrajectory'},
        'type', F, 'is subscribed as trajectory_msgs/msg/JointTrajectory'),
    'a command read as a sensor': ('rover', [TWIST], {}, 'loop_back', F, 'its own commands'),
    'limits beyond the robot': (
        'arm', [], {'description': urdf(-2.0, 2.0)}, 'limits', F, 'shoulder_lift -2.4 to -0.6'),
    'a rate beyond the robot': (
        'arm', [], {'description': urdf()}, 'limits', W, 'rate is unlimited'),
    'a budget too small': (
        'pendulum', [('budget: 50 ms', 'budget: 5 ms')], {}, 'rate', F, 'budget above'),
    'lockstep with a topic of other stamps': (
        'rover', [('    reward:', '    pacing: {lockstep: odom, with: [scan]}\n    reward:')],
        {'messages': {'scan': shift_stamp(0.0013)}}, 'lockstep', F, 'no stamp is on all of'),
    # mistakes on the robot's side
    'a joint renamed': (
        'arm', [], states(renamed('elbow', 'elbow_joint')),
        'joint_names', F, 'Did you mean elbow_joint?'),
    'positions in degrees': (
        'arm', [], states(in_degrees), 'units', F, 'unit: deg'),
    'positions in degrees, by the limits of the robot': (
        'pendulum', [],
        {'messages': {'joint_states': with_values('', position=np.array([0.1, 45.0]))},
         'description': '<robot><joint name="pole" type="revolute"><limit lower="-1" upper="1"/>'
                        '</joint><joint name="cart" type="prismatic"><limit lower="-2" upper="2"/>'
                        '</joint></robot>'},
        'units', F, 'beyond the robot'),
    'velocities in degrees': (
        'arm', [], states(moving(velocity_factor=180 / math.pi)),
        'units', F, 'unit: deg/s'),
    'velocities with the sign turned round': (
        'arm', [], {'messages': {'joint_states': moving(velocity_factor=-1.0)}, 'seconds': 1.0},
        'velocity', F, 'the sign is turned round'),
    'a sensor too slow for the policy': (
        'pendulum', [('budget: 50 ms', 'budget: 200 ms')],
        states(every(10)), 'rate', W, 'sees each message 5'),
    'a sensor that stops': (
        'arm', [], states(lambda message: None),
        'message', F, 'no message on'),
    'stamps in the past': (
        'arm', [], states(shift_stamp(-0.7)), 'stamp', F, 'by its stamp'),
    'stamps in the future': (
        'arm', [], states(shift_stamp(0.4)), 'stamp', F, 'in the future'),
    'stamps of zero': (
        'arm', [], states(set_stamp(lambda: 0)), 'stamp', W, 'stamped zero'),
    'stamps that go back': (
        'arm', [], states(backwards()), 'stamp_order', F, 'in front of'),
    'stamps twice': (
        'arm', [], states(again), 'stamp_order', W, 'of the one before'),
    'simulated time and a runtime in system time': (
        'arm', [], SIM_TIME, 'clock', F, 'use_sim_time:=true'),
    'another frame': (
        'arm', [], {'messages': {'target': with_values('header', frame_id='world')}},
        'frame', F, "in frame 'world'"),
    'an orientation that nobody filled in': (
        'rover', [], {'messages': {'odom': NO_ROTATION}},
        'quaternion', F, 'squared norm 0'),
    'half a scan': (
        'rover', [], {'messages': {'scan': half_the_scan}}, 'shape', F, 'the scan covers'),
    'a value that is none': (
        'arm', [], states(not_a_number), 'finite', F, 'elbow'),
    'a target where none was in training': (
        'arm', [], {'messages': {'target': with_values('pose.position', x=5.0)}},
        'range', F, 'x is 5; trained on'),
    'a goal beyond the clip': (
        'rover', [], {'messages': {'goal': with_values('pose.position', x=40.0)}},
        'clip', W, 'always cut off'),
    'a robot that is not where the policy begins': (
        'arm', [], states(with_values('', position=np.full(6, 0.5))),
        'start_pose', F, 'the policy begins at'),
    'a sensor that says the same all the time': ('rover', [], {}, 'unchanged', W, '/odom'),
    'a second commander': ('arm', [], {'beside': commands}, 'commander', F, 'fight over'),
    'a second driver': ('arm', [], {'beside': second_driver}, 'publishers', W, '2 publishers'),
    'nobody listens': ('arm', [], {'listens': None}, 'listener', W, 'nobody subscribes'),
    'the order of the controller': (
        'arm', [], {'controller': {'joints': [*reversed(JOINTS)]}},
        'controller_joints', F, 'joints: [wrist_3, wrist_2'),
    'the interface of the controller': (
        'arm', [], {'controller': {'joints': list(JOINTS), 'interface_name': 'velocity'}},
        'controller', F, 'commands velocity'),
}  # fmt: skip


@pytest.mark.parametrize('mistake', MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found_and_named(doctor, mistake):
    robot, changes, options, check, level, words = mistake
    found = doctor(robot, *changes, **options)
    named = [one for one in found if one.check == check and one.level is level]
    assert any(words in f'{one.found} {one.mend}' for one in named), [
        one.text for one in found if one.level in (F, W)
    ]
    assert all(one.mend for one in found if one.level is F)


MENDED = {
    'degrees': ([(ANGLES, ANGLES.replace('50 ms', '50 ms, unit: deg'))], in_degrees),
    'a joint name': (
        [
            ('    inputs:\n', '    joint_names: {elbow: elbow_joint}\n    inputs:\n'),
            ('[shoulder_pan, shoulder_lift, elbow,', '[shoulder_pan, shoulder_lift, elbow_joint,'),
        ],
        renamed('elbow', 'elbow_joint'),
    ),
}


@pytest.mark.parametrize('mended', MENDED.values(), ids=MENDED)
def test_what_the_doctor_says_mends_it(doctor, mended):
    changes, mistake = mended
    found = doctor('arm', *changes, **states(mistake))
    assert [one.text for one in found if one.level is F] == []


def test_simulated_time_is_well_where_the_runtime_follows_it(doctor):
    parameters = [Parameter('use_sim_time', value=True)]
    found = doctor('arm', parameters=parameters, **SIM_TIME)
    assert [one.text for one in found if one.check == 'clock' and one.level is F] == []


@pytest.mark.parametrize('robot', ['arm', 'pendulum', 'rover'])
def test_a_sound_robot_has_no_failure(doctor, robot):
    found = doctor(robot)
    assert [one.text for one in found if one.level is F] == []
    assert sum(one.level is Level.PASS for one in found) > 15
    (tick,) = (one for one in found if one.check == 'tick')
    assert 'a tick takes' in tick.found and 'observe' in tick.found


def test_a_sound_arm_in_motion_with_all_that_can_be_compared(doctor):
    found = doctor(
        'arm',
        *[(f'{low}, max: {high}, rate: unlimited', f'{low}, max: {high}, rate: 2.0')
          for low, high in (('-1.8', '1.8'), ('-2.4', '-0.6'), ('1.0', '2.8'), ('0.57', '1.77'),
                            ('-0.3', '0.3'))],
        messages={'joint_states': moving()},
        description=urdf(),
        controller={'joints': list(JOINTS), 'interface_name': 'position'},
        seconds=1.0,
    )  # fmt: skip
    by_check = {one.check: one.level for one in found}
    for check in ('units', 'velocity', 'limits', 'controller_joints', 'unchanged', 'range'):
        assert by_check[check] is Level.PASS, [one.text for one in found if one.check == check]
