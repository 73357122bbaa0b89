"""Every encoder, decoded again by the rosbags library alone."""

import math

import numpy as np
import pytest
from sent_command import ROS_NS, action_term, encoded, stamp_ns

from fournex_runtime.errors import WiringError
from fournex_runtime.pipeline.action_terms import ActionTerm

JOINTS = 'term: joint_position_target, joints: [a, b, c]'


@pytest.mark.parametrize(('bits', 'dtype'), [(64, np.float64), (32, np.float32)])
def test_an_array_is_in_the_robots_order_of_joints(bits, dtype):
    kind = f'std_msgs/msg/Float{bits}MultiArray'
    message = encoded(JOINTS, kind, [1.0, 2.0, 0.1], joints=['c', 'a', 'b'])
    assert message.data.tolist() == [float(dtype(0.1)), 1.0, 2.0]
    assert message.layout.dim == [] and message.layout.data_offset == 0


def test_an_array_of_plain_values_keeps_their_order():
    message = encoded('term: value, size: 2', 'std_msgs/msg/Float64MultiArray', [1.0, 2.0])
    assert message.data.tolist() == [1.0, 2.0]


@pytest.mark.parametrize('kind', ['std_msgs/msg/Float64', 'std_msgs/msg/Float32'])
def test_a_single_number(kind):
    assert encoded('term: joint_effort_target, joints: [a]', kind, [2.5]).data == 2.5
    with pytest.raises(WiringError, match='takes one value, the term has 3'):
        encoded(JOINTS, kind, [1.0, 2.0, 3.0])
    with pytest.raises(WiringError, match='joints: lists b; the contract commands a'):
        encoded('term: joint_effort_target, joints: [a]', kind, [2.5], joints=['b'])


def test_a_twist_fills_the_axes_of_the_term_and_leaves_the_others_zero():
    yaml = 'term: twist, axes: [angular_z, linear_x]'
    stamped = encoded(yaml, 'geometry_msgs/msg/TwistStamped', [0.5, -1.0], frame='base')
    assert (stamp_ns(stamped), stamped.header.frame_id) == (ROS_NS, 'base')
    bare = encoded(yaml, 'geometry_msgs/msg/Twist', [0.5, -1.0])
    for twist in (stamped.twist, bare):
        linear, angular = twist.linear, twist.angular
        assert (linear.x, linear.y, linear.z) == (-1.0, 0.0, 0.0)
        assert (angular.x, angular.y, angular.z) == (0.0, 0.0, 0.5)


@pytest.mark.parametrize('field', ['position', 'velocity', 'effort'])
def test_a_joint_state_names_its_joints(field):
    yaml = f'term: joint_{field}_target, joints: [b, a]'
    message = encoded(yaml, 'sensor_msgs/msg/JointState', [1.0, 2.0])
    assert message.name == ['b', 'a']
    assert stamp_ns(message) == ROS_NS
    for other in ('position', 'velocity', 'effort'):
        expected = [1.0, 2.0] if other == field else []
        assert getattr(message, other).tolist() == expected


@pytest.mark.parametrize(
    ('kind', 'field'),
    [('position', 'positions'), ('velocity', 'velocities'), ('effort', 'effort')],
)
def test_a_trajectory_begins_when_it_arrives(kind, field):
    message = encoded(
        f'term: joint_{kind}_target, joints: [b, a]',
        'trajectory_msgs/msg/JointTrajectory',
        [1.0, 2.0],
        time_from_start_ns=1_500_000_000,
    )
    assert message.joint_names == ['b', 'a']
    assert stamp_ns(message) == 0
    (point,) = message.points
    assert (point.time_from_start.sec, point.time_from_start.nanosec) == (1, 500_000_000)
    for other in ('positions', 'velocities', 'accelerations', 'effort'):
        assert getattr(point, other).tolist() == ([1.0, 2.0] if other == field else [])


@pytest.mark.parametrize(
    ('yaml', 'kind', 'words'),
    [
        (JOINTS, 'geometry_msgs/msg/Twist', 'a joint_position_target cannot be sent as geometry_'),
        ('term: twist, axes: [linear_x]', 'std_msgs/msg/Float64', 'a twist cannot be sent as std'),
        ('term: value, size: 1', 'sensor_msgs/msg/JointState', 'expected one of std_msgs/msg/Flo'),
        (JOINTS, 'no_msgs/msg/Thing', 'cannot be sent as no_msgs/msg/Thing; expected one of'),
        (JOINTS, 'std_msgs/msg/Float64MultiArray', 'names no joints: give joints:'),
    ],
)
def test_what_cannot_be_sent(yaml, kind, words):
    with pytest.raises(WiringError) as caught:
        encoded(yaml, kind, [0.0])
    assert words in str(caught.value)


def test_an_action_is_clipped_then_scaled_then_offset():
    term = ActionTerm(
        action_term('term: value, size: 2, clip: [-1, 1], scale: [2, 10], offset: [0.5, -1]')
    )
    clipped = term.clip(np.array([3.0, -0.25]))
    assert clipped.tolist() == [1.0, -0.25]
    assert term.command(clipped).tolist() == [2.5, -3.5]


def test_without_a_clip_the_action_is_as_it_came():
    term = ActionTerm(action_term('term: value, size: 2, scale: 1e30'))
    raw = np.array([1e30, math.ldexp(1.0, -1074)])
    assert term.clip(raw).tolist() == raw.tolist()
    with np.errstate(over='raise'):  # what overflows is for the gate to refuse
        assert not np.isfinite(term.command(np.array([1e300, 0.0]))).all()
