"""Choices, gains, poses and messages of several terms, from the policy's answer to the bytes."""

import math
import pathlib

import numpy as np
import pytest
from tiny_session import CONTRACT, WIRING, Run, make_bundle, make_engine

from fournex_runtime.errors import WiringError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.session.tick import Answer, AnswerKind, Mode
from fournex_runtime.session.wiring import parse_wiring

HEAD, ARTIFACT = CONTRACT.split('state:\n')[0], 'artifact:' + CONTRACT.split('artifact:')[1]
UNLIMITED = 'all: {min: -10, max: 10, rate: unlimited}'


def engine(outputs, wired, limits):
    contract = f'{HEAD}outputs:\n{outputs}\n{ARTIFACT}'
    wiring = f"""\
robot: tiny
sessions:
  tiny:
    policy: bundle
    inputs:
      joint_position: {{topic: joint_states, type: sensor_msgs/msg/JointState, budget: 50 ms}}
    outputs:
      {wired}
    limits:
      {limits}
    reactions: {{default: stop}}
"""
    return make_engine(contract, wiring)


def ticked(run, values, dtype=np.float32, **options):
    outputs = {'action': np.array(values, dtype)[np.newaxis]}
    return run.tick(run.joints(), answer=Answer(AnswerKind.RESULT, outputs), **options)


def sent(record, kind, index=0):
    return messages().decode(record.commands[index], kind)


# --- choices -------------------------------------------------------------------------------------

TWIST = 'geometry_msgs/msg/Twist'
DRIVE = (
    '  action: {dtype: int64, shape: SHAPE, terms: [{term: discrete, as: twist, axes: [linear_x, '
    'angular_z], actions: [[0.4, 0], [0, 1.5], [0, -1.5]]}]}'
)


def drive(shape='[1]'):
    return engine(
        DRIVE.replace('SHAPE', shape),
        f'discrete: {{topic: cmd_vel, type: {TWIST}, stop: zero}}',
        f'discrete: {{{UNLIMITED}}}',
    )


@pytest.mark.parametrize(('choice', 'expected'), [(0, (0.4, 0.0)), (2, (0.0, -1.5))])
def test_a_choice_is_looked_up(choice, expected):
    for shape, values in (('[1]', [choice]), ('[]', choice)):
        record = ticked(Run(drive(shape)), values, np.int64)
        assert record.mode is Mode.POLICY
        twist = sent(record, TWIST)
        assert (twist.linear.x, twist.angular.z) == expected


@pytest.mark.parametrize('choice', [-1, 3, 2**62])
def test_a_choice_that_is_not_in_the_table_is_a_fault(choice):
    record = ticked(Run(drive()), [choice], np.int64)
    assert record.mode is Mode.STOPPED and 'discrete: not finite at linear_x' in record.cause


def test_a_choice_of_another_dtype_is_a_fault():
    record = ticked(Run(drive()), [1.0])
    assert 'action has dtype float32, expected int64' in record.cause


def test_the_last_action_is_the_number_of_the_choice():
    run = Run(drive())
    ticked(run, [2], np.int64)
    ticked(run, [0], np.int64)
    assert run.request.observation.inputs['obs'][0][-1] == 2.0


def test_several_choices_of_one_output():
    one = '{term: discrete, name: NAME, as: value, size: 1, actions: [-1, 0, 1]}'
    run = Run(
        engine(
            f'  action: {{dtype: int64, terms: [{one.replace("NAME", "p")}, '
            f'{one.replace("NAME", "q")}]}}',
            'p: {topic: p, type: std_msgs/msg/Float64, stop: zero}\n'
            '      q: {topic: q, type: std_msgs/msg/Float64, stop: zero}',
            f'p: {{{UNLIMITED}}}\n      q: {{{UNLIMITED}}}',
        )
    )
    record = ticked(run, [2, 0], np.int64)
    assert [sent(record, 'std_msgs/msg/Float64', index).data for index in (0, 1)] == [1.0, -1.0]


# --- gains and several terms in one message ------------------------------------------------------

STATE, TRAJECTORY = 'sensor_msgs/msg/JointState', 'trajectory_msgs/msg/JointTrajectory'
TOGETHER = (
    '  action:\n'
    '    - {term: joint_position_target, joints: [a, b]}\n'
    '    - {term: joint_effort_target, joints: [b, a]}\n'
    '    - {term: joint_stiffness, joints: [a, b], scale: 10}'
)


def together(kind=STATE, second='', outputs=TOGETHER):
    more = ', time_from_start: 60 ms' if kind == TRAJECTORY else ''
    return engine(
        outputs,
        f'joint_position_target: {{topic: cmd, type: {kind}, stop: hold{more}}}\n'
        f'      joint_effort_target: {{topic: cmd, type: {second or kind}, stop: zero{more}}}\n'
        '      joint_stiffness: {topic: gains, type: std_msgs/msg/Float64MultiArray, '
        'joints: [b, a], stop: hold}',
        f'joint_position_target: {{{UNLIMITED}}}\n      joint_effort_target: {{{UNLIMITED}}}\n'
        '      joint_stiffness: {all: {min: 0, max: 50, rate: unlimited}}',
    )


def test_one_message_carries_positions_and_efforts_of_the_same_joints():
    run = Run(together())
    assert [target.topic for target in run.engine.wiring.targets] == ['cmd', 'gains']
    record = ticked(run, [1.0, 2.0, 3.0, 4.0, 5.0, 9.0])
    assert len(record.commands) == len(record.command_indices) == 2
    state = sent(record, STATE)
    assert list(state.name) == ['a', 'b']
    assert state.position.tolist() == [1.0, 2.0]
    assert state.effort.tolist() == [4.0, 3.0]  # in the order of the message's names
    assert state.velocity.size == 0
    gains = sent(record, 'std_msgs/msg/Float64MultiArray', 1)
    assert gains.data.tolist() == [50.0, 50.0]  # b, a; 90 is above the limit
    assert list(record.safe_action) == [
        'joint_position_target', 'joint_effort_target', 'joint_stiffness'
    ]  # fmt: skip


def test_a_trajectory_likewise():
    record = ticked(Run(together(TRAJECTORY)), [1.0, 2.0, 3.0, 4.0, 1.0, 1.0])
    point = sent(record, TRAJECTORY).points[0]
    assert (point.positions.tolist(), point.effort.tolist()) == ([1.0, 2.0], [4.0, 3.0])


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'kind': 'std_msgs/msg/Float64MultiArray'}, 'cmd is commanded by two action terms'),
        ({'second': TRAJECTORY}, 'topic: cmd is shared with joint_position_target: expected the'),
        ({'outputs': TOGETHER.replace('[b, a]', '[b]')}, 'joint_effort_target commands b, and jo'),
        ({'outputs': TOGETHER.replace('joint_position_target', 'joint_effort_target, name: '
          'joint_position_target')}, 'two terms would fill the field effort of one message'),
    ],
)  # fmt: skip
def test_what_one_message_cannot_carry(change, words):
    with pytest.raises(WiringError) as caught:
        together(**change)
    assert words in str(caught.value)


# --- poses ---------------------------------------------------------------------------------------

POSE = 'geometry_msgs/msg/PoseStamped'


def reach(
    kind=POSE, layout='position+quaternion_xyzw', more=', frame: base', turn='unlimited', of_q=''
):
    turn = f', orientation: {{rate: {turn}}}' if turn else ''
    more = more if 'stop:' in more else f'{more}, stop: hold'
    return engine(
        f'  action: [{{term: pose_target, layout: {layout}}}]',
        f'pose_target: {{topic: target, type: {kind}{more}}}',
        f'pose_target: {{{UNLIMITED}{turn}{of_q}}}',
    )


def test_a_pose_has_a_quaternion_of_norm_one_and_one_sign():
    found = sent(ticked(Run(reach()), [1.0, 2.0, 3.0, 0.0, 0.0, 1.0, -1.0]), POSE)
    assert found.header.frame_id == 'base'
    assert (found.pose.position.x, found.pose.position.z) == (1.0, 3.0)
    q = found.pose.orientation
    half = math.sqrt(0.5)
    assert (q.x, q.y, q.z, q.w) == pytest.approx((0.0, 0.0, -half, half))


@pytest.mark.parametrize('scale', [0.0, 0.4])
def test_too_short_a_quaternion_is_no_rotation(scale):
    record = ticked(Run(reach()), [1.0, 2.0, 3.0, 0.0, 0.0, 0.0, scale])
    assert record.mode is Mode.STOPPED and 'pose_target: not finite at qx' in record.cause


def test_a_pose_turns_as_fast_as_it_may_and_what_is_recorded_is_what_is_sent():
    run = Run(reach(turn=0.5))  # 0.01 rad a period
    ticked(run, [0, 0, 0, 0, 0, 0, 1])
    for count in (1, 2):
        record = ticked(run, [0, 0, 0, 1, 0, 0, 0])
        assert record.limited == ('pose_target/qx: orientation', 'pose_target/qw: orientation')
        q = sent(record, POSE).pose.orientation
        assert [q.x, q.y, q.z, q.w] == record.safe_action['pose_target'][3:].tolist()
        assert 2 * math.atan2(q.x, q.w) == pytest.approx(0.01 * count, abs=1e-12)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'turn': ''}, 'pose_target: orientation is missing: say how fast the pose may turn'),
        ({'of_q': ', qx: {max: 0.5}'}, 'pose_target.qx: is no number that can be limited alone: '),
        ({'layout': 'position'}, 'pose_target.orientation: is for a pose_target of layout posi'),
        ({'turn': '0'}, 'pose_target.orientation.rate: 0.0 is not above 0'),
        ({'more': ', frame: b, stop: {x: 0, y: 0, z: 0, qx: 0.5, qy: 0, qz: 0, qw: 0.5}'},
         'pose_target.stop: its quaternion (qx, qy, qz, qw) has norm 0.7071, expected 1'),
    ],
)  # fmt: skip
def test_limits_and_places_that_are_no_orientations(options, words):
    with pytest.raises(WiringError) as caught:
        reach(**options)
    assert words in str(caught.value)


def test_a_stop_command_is_sent_with_norm_one_and_recorded_like_that():
    stop = '{x: 0, y: 0, z: 0, qx: 0, qy: 0, qz: 0.7071, qw: -0.7071}'
    record = ticked(Run(reach(more=f', frame: b, stop: {stop}')), [0] * 7, stop='a test')
    q = sent(record, POSE).pose.orientation
    assert [q.x, q.y, q.z, q.w] == record.safe_action['pose_target'][3:].tolist()
    assert [q.z, q.w] == [-math.sqrt(0.5), math.sqrt(0.5)]


def test_a_position_is_sent_as_a_point():
    kind = 'geometry_msgs/msg/PointStamped'
    found = sent(ticked(Run(reach(kind, 'position', turn='')), [1.0, 2.0, 3.0]), kind)
    assert (found.point.x, found.point.y, found.point.z) == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'more': ''}, 'frame: is missing: say in which frame the pose is'),
        ({'layout': 'position', 'turn': ''}, 'of layout position cannot be sent as geometry_msgs'),
        ({'kind': 'geometry_msgs/msg/Point', 'more': ''}, 'cannot be sent as geometry_msgs/m'),
    ],
)
def test_poses_that_cannot_be_sent(options, words):
    with pytest.raises(WiringError) as caught:
        reach(**options)
    assert words in str(caught.value)


def test_zero_is_a_pose_to_move_to():
    contract = f'{HEAD}outputs: {{action: [{{term: pose_target, layout: position}}]}}\n{ARTIFACT}'
    text = WIRING.replace('joint_velocity_target', 'pose_target')
    with pytest.raises(WiringError, match='stop: zero is a position to move to; write hold'):
        parse_wiring(text, pathlib.Path('wiring.yaml'), {'tiny': make_bundle(contract)})


# --- any message ---------------------------------------------------------------------------------


def test_positions_and_gains_of_motors_in_one_message_of_another_type():
    motors, kind = 'basic_types_values', 'test_msgs/msg/Arrays'
    wired = '\n      '.join(
        f'{term}: {{topic: motors, type: {kind}, stop: {stop}, fields: {{{fields}}}{more}}}'
        for term, stop, fields, more in (
            ('joint_position_target', 'hold', f"a: '{motors}[0].float64_value', "
             f"b: '{motors}[1].float64_value'", ', unit: deg'),
            ('joint_stiffness', 'zero', f"a: '{motors}[0].float32_value', "
             f"b: '{motors}[1].float32_value'", f", set: {{'{motors}[1].uint8_value': 1}}"),
        )
    )  # fmt: skip
    run = Run(
        engine(
            '  action: [{term: joint_position_target, joints: [a, b]}, '
            '{term: joint_stiffness, joints: same}]',
            wired,
            f'joint_position_target: {{{UNLIMITED}}}\n      joint_stiffness: {{{UNLIMITED}}}',
        )
    )
    record = ticked(run, [0.5, -0.5, 3.0, 20.0])
    assert len(record.commands) == 1
    first, second, _ = sent(record, kind).basic_types_values
    assert (first.float64_value, second.float64_value) == (math.degrees(0.5), -math.degrees(0.5))
    assert (first.float32_value, second.float32_value) == (3.0, 10.0)  # the limit
    assert (first.uint8_value, second.uint8_value) == (0, 1)
