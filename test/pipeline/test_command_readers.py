"""A command that somebody sends is read as the runtime would have sent it: the two are inverse."""

import numpy as np
import pytest
from ros_messages import make
from sent_command import encoded, part

from fournex_runtime.errors import MessageError
from fournex_runtime.pipeline.command_readers import command_reader
from fournex_runtime.pipeline.joint_names import JointNames

JOINTS = 'term: joint_position_target, joints: [a, b, c]'
VELOCITIES = 'term: joint_velocity_target, joints: [a, b, c]'
TWIST = 'term: twist, axes: [angular_z, linear_x]'
WHOLE = 'term: pose_target, frame: map, layout: position+quaternion_xyzw'
PLACE = 'term: pose_target, frame: map, layout: position'
ARRAY = 'std_msgs/msg/Float64MultiArray'
JOINT_STATE = 'sensor_msgs/msg/JointState'
TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'
POINT = 'trajectory_msgs/msg/JointTrajectoryPoint'
WRENCH = 'geometry_msgs/msg/WrenchStamped'


@pytest.mark.parametrize(
    ('yaml', 'kind', 'values', 'more'),
    [
        (JOINTS, ARRAY, [1.0, 2.0, 0.5], {'joints': ['c', 'a', 'b']}),
        ('term: value, size: 2', 'std_msgs/msg/Float32MultiArray', [1.5, -2.0], {}),
        ('term: joint_effort_target, joints: [a]', 'std_msgs/msg/Float64', [2.5], {}),
        (JOINTS, JOINT_STATE, [1.0, 2.0, 3.0], {'names': JointNames({'a': 'motor'})}),
        (VELOCITIES, TRAJECTORY, [1.0, 2.0, 3.0], {'time_from_start_ns': 10**9}),
        (TWIST, 'geometry_msgs/msg/Twist', [0.5, -1.0], {}),
        (TWIST, 'geometry_msgs/msg/TwistStamped', [0.5, -1.0], {'frame': 'base'}),
        (WHOLE, 'geometry_msgs/msg/PoseStamped', [1, 2, 3, 0.0, 0.6, 0.0, 0.8], {'frame': 'map'}),
        (WHOLE, 'geometry_msgs/msg/Pose', [1, 2, 3, 0.0, 0.6, 0.0, 0.8], {}),
        (PLACE, 'geometry_msgs/msg/Point', [1.0, 2.0, 3.0], {}),
        (JOINTS, POINT, [1.0, 2.0, 3.0], {'field': 'velocities', 'joints': ['c', 'a', 'b']}),
        (TWIST, WRENCH, [0.5, -1.0], {'fields': {'angular_z': 'wrench.torque.y',
                                                 'linear_x': 'wrench.force.x'}}),
        (JOINTS, ARRAY, [1.0, 0.5, 2.0], {'joints': ['a', 'b', 'c'], 'unit': 'deg'}),
    ],
)  # fmt: skip
def test_what_is_sent_is_read_again(yaml, kind, values, more):
    read = command_reader(part(yaml, kind, **more))
    assert read(encoded(yaml, kind, values, **more)).tolist() == pytest.approx(values)


@pytest.mark.parametrize(
    ('yaml', 'kind', 'more', 'message', 'words'),
    [
        (JOINTS, ARRAY, {'joints': ['a', 'b', 'c']}, {'data': [1.0]}, 'has 1 values, expected 3'),
        (JOINTS, JOINT_STATE, {}, {'name': ['a'], 'position': [1.0]}, 'commands no joint b, c'),
        (JOINTS, JOINT_STATE, {}, {'name': ['a', 'b', 'c']}, 'position has 0 values for 3 joints'),
        (JOINTS, TRAJECTORY, {'time_from_start_ns': 1}, {'joint_names': ['a', 'b', 'c']},
         'a trajectory of 0 points, expected one'),
        (WHOLE, 'geometry_msgs/msg/PoseStamped', {'frame': 'map'}, {},
         "is in the frame '', expected 'map'"),
    ],
)  # fmt: skip
def test_what_is_no_command(yaml, kind, more, message, words):
    read = command_reader(part(yaml, kind, **more))
    with pytest.raises(MessageError, match=words):
        read(make(kind, **message))


def test_what_is_not_finite_is_left_to_who_asks():
    read = command_reader(part('term: value, size: 2', ARRAY))
    assert np.isnan(read(make(ARRAY, data=[np.nan, 1.0]))[0])
