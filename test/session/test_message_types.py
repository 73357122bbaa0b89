"""Every pair of kind and message type in docs/wiring.md works, and every other says which do."""

import math
import re

import numpy as np
import pytest
from ros_messages import cdr, header, make, pose
from sent_command import encoded
from wired_term import WiredTerm

from fournex_runtime.errors import WiringError

HALF = math.sqrt(0.5)
TWIST = {'linear': {'x': 1.0, 'y': 2.0, 'z': 3.0}, 'angular': {'x': 4.0, 'y': 5.0, 'z': 6.0}}
POSE = pose((7.0, 8.0, 9.0), (0.0, 0.0, HALF, HALF))  # turned to the left
STAMPED = {'header': header(1, 'map')}

TYPES = {
    'Float32MultiArray': 'std_msgs', 'Float64MultiArray': 'std_msgs',
    'Float32': 'std_msgs', 'Float64': 'std_msgs',
    'JointState': 'sensor_msgs', 'Imu': 'sensor_msgs', 'LaserScan': 'sensor_msgs',
    'Range': 'sensor_msgs', 'PointCloud2': 'sensor_msgs', 'Image': 'sensor_msgs',
    'CompressedImage': 'sensor_msgs', 'Odometry': 'nav_msgs',
    'JointTrajectory': 'trajectory_msgs',
    'Twist': 'geometry_msgs', 'TwistStamped': 'geometry_msgs',
    'TwistWithCovarianceStamped': 'geometry_msgs', 'Pose': 'geometry_msgs',
    'PoseStamped': 'geometry_msgs', 'PoseWithCovarianceStamped': 'geometry_msgs',
    'Point': 'geometry_msgs', 'PointStamped': 'geometry_msgs',
}  # fmt: skip
"""Every message type that the page names, and the package that it is in."""


def full(name):
    return f'{TYPES[name]}/msg/{name}'


def documented(page, heading):
    """Return the message types of each kind, as the second table of a chapter has them."""
    chapter = page.split(f'\n## `{heading}`\n')[1].split('\n## ')[0]
    rows = chapter.split('| kind | message types |\n| --- | --- |\n')[1].split('\n\n')[0]
    found, before = {}, set()
    for row in rows.splitlines():
        kinds, types = (re.findall('`(.*?)`', cell) for cell in row.strip('|').split('|'))
        named = {one for one in types if one in TYPES}
        if 'arrays with' in row:
            named |= {'Float32MultiArray', 'Float64MultiArray'}
        if 'the same, and' in row:
            named |= before
        found.update(dict.fromkeys(kinds, named))
        before = named
    return found


# --- inputs --------------------------------------------------------------------------------------

CLOUD = np.array([[0.0, 0.0, 2.5]], np.float32)
MESSAGES = {
    'JointState': {**STAMPED, 'name': ['b', 'a'], 'position': [2.0, 1.0],
                   'velocity': [4.0, 3.0], 'effort': [6.0, 5.0]},
    'Float64MultiArray': {'data': [2.0, 1.0]},
    'Float32MultiArray': {'data': [2.0, 1.0]},
    'Twist': TWIST,
    'TwistStamped': {**STAMPED, 'twist': TWIST},
    'TwistWithCovarianceStamped': {**STAMPED, 'twist': {'twist': TWIST}},
    'Odometry': {**STAMPED, 'twist': {'twist': TWIST}, 'pose': {'pose': POSE}},
    'Imu': {**STAMPED, 'angular_velocity': TWIST['angular'], 'orientation': POSE['orientation']},
    'PoseStamped': {**STAMPED, 'pose': POSE},
    'PoseWithCovarianceStamped': {**STAMPED, 'pose': {'pose': POSE}},
    'LaserScan': {**STAMPED, 'angle_increment': 0.5, 'ranges': [3.0, 2.0]},
    'Range': {**STAMPED, 'range': 0.5},
    'PointCloud2': {
        **STAMPED, 'height': 1, 'width': 1, 'point_step': 12, 'row_step': 12,
        'data': CLOUD.view(np.uint8).ravel(),
        'fields': [
            {'name': name, 'offset': 4 * index, 'datatype': 7, 'count': 1}
            for index, name in enumerate('xyz')
        ],
    },
    'Image': {**STAMPED, 'height': 1, 'width': 1, 'encoding': 'mono8', 'step': 1, 'data': [7]},
}  # fmt: skip
TERMS = {
    'joint_position': ('joints: [a, b]', [1.0, 2.0]),
    'joint_velocity': ('joints: [a, b]', [3.0, 4.0]),
    'joint_effort': ('joints: [a, b]', [5.0, 6.0]),
    'base_linear_velocity': ('', [1.0, 2.0, 3.0]),
    'base_angular_velocity': ('', [4.0, 5.0, 6.0]),
    'velocity_command': ('axes: [linear_x, angular_z]', [1.0, 6.0]),
    'projected_gravity': ('', [0.0, 0.0, -1.0]),
    'orientation': ('layout: roll_pitch_yaw', [0.0, 0.0, math.pi / 2]),
    'goal_relative': ('layout: xy', [0.0, 0.0]),
    'goal_pose': ('layout: position+quaternion_xyzw', [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
    'target_pose': ('layout: position, frame: map', [7.0, 8.0, 9.0]),
    'base_height': ('', [9.0]),
    'range_scan': ('sectors: 2, angle_min: 0, angle_max: 1, range_max: 5', [3.0, 2.0]),
    'range': ('range_max: 5', [0.5]),
    'height_scan': ('size: [0, 0], resolution: 1, grid_order: x_fastest, reduce: max, fill: 0, '
                    'frame: map', [2.5]),
    'image': ('height: 1, width: 1, channels: gray, layout: hwc, range: 0-255, resize: none',
              [[[7.0]]]),
    'value': ('size: 2', [2.0, 1.0]),
}  # fmt: skip


def message(name):
    """Return the bytes of a message with what :data:`TERMS` expects."""
    fields = dict(MESSAGES[name])
    if name == 'PointCloud2':
        fields['fields'] = [make('sensor_msgs/msg/PointField', **one) for one in fields['fields']]
    return cdr(full(name), **fields)


def wired(kind, name):
    options, _ = TERMS[kind]
    joints = ('b', 'a') if 'joints' in options and name.endswith('Array') else ()
    types = [full(name)] * (2 if kind.startswith('goal') else 1)
    return WiredTerm(f'term: {kind}' + (f', {options}' if options else ''), *types, joints=joints)


@pytest.mark.parametrize('kind', sorted(TERMS))
def test_an_input_is_read_from_every_type_of_the_page_and_from_no_other(kind, checkout):
    types = documented((checkout / 'docs/wiring.md').read_text(), 'inputs')[kind]
    assert types
    for name in sorted(types - {'CompressedImage'}):  # test_image_terms has it
        term = wired(kind, name)
        expected = TERMS[kind][1]
        if name.endswith('Array'):
            expected = [1.0, 2.0] if kind.startswith('joint') else expected
        found = term(*[message(name)] * len(term.types))
        assert np.allclose(found, expected, atol=1e-12), name
    for name in sorted(set(TYPES) - types):
        if kind == 'value':
            with pytest.raises(WiringError, match=f'say which field of {full(name)}'):
                wired(kind, name)
            continue
        with pytest.raises(WiringError) as caught:
            wired(kind, name)
        assert f'a {kind} cannot be read from {full(name)}; expected one of ' in str(caught.value)
        for other in types:
            assert full(other) in str(caught.value), (name, other)


# --- outputs -------------------------------------------------------------------------------------


def array_of(message):
    return np.atleast_1d(message.data).tolist()


def axes_of(message):
    twist = getattr(message, 'twist', message)
    return [twist.linear.x, twist.angular.z]


def place_of(message):
    found = getattr(message, 'pose', getattr(message, 'point', message))
    found = getattr(found, 'position', found)
    return [found.x, found.y, found.z]


def joints_of(field, trajectory_field):
    def read(message):
        if hasattr(message, 'points'):
            return getattr(message.points[0], trajectory_field).tolist()
        return getattr(message, field).tolist() if hasattr(message, 'name') else array_of(message)

    return read


WHOLE, PLACE = 'position+quaternion_xyzw', 'position'
COMMANDS = {
    'joint_position_target': ('joints: [a]', [0.5], joints_of('position', 'positions')),
    'joint_velocity_target': ('joints: [a]', [0.5], joints_of('velocity', 'velocities')),
    'joint_effort_target': ('joints: [a]', [0.5], joints_of('effort', 'effort')),
    'joint_stiffness': ('joints: [a]', [0.5], array_of),
    'joint_damping': ('joints: [a]', [0.5], array_of),
    'value': ('size: 1', [0.5], array_of),
    'twist': ('axes: [linear_x, angular_z]', [0.5, 0.25], axes_of),
    'pose_target': ('', [1.0, 2.0, 3.0], place_of),
}


def command(kind, name):
    options, values, _ = COMMANDS[kind]
    if kind == 'pose_target':
        options = f'layout: {PLACE if name.startswith("Point") else WHOLE}'
        values = values if name.startswith('Point') else [*values, 0.0, 0.0, 0.0, 1.0]
    target = {'joints': ['a']} if 'joints' in options and name.endswith('Array') else {}
    if name == 'JointTrajectory':
        target['time_from_start_ns'] = 1
    if kind == 'pose_target' and name.endswith('Stamped'):
        target['frame'] = 'map'
    return encoded(f'term: {kind}, {options}', full(name), values, **target)


@pytest.mark.parametrize('kind', sorted(COMMANDS))
def test_an_output_is_sent_as_every_type_of_the_page_and_as_no_other(kind, checkout):
    page = documented((checkout / 'docs/wiring.md').read_text(), 'outputs')
    types = page.get(kind) or page['joint_*_target']
    _, values, read = COMMANDS[kind]
    for name in sorted(types):
        assert read(command(kind, name)) == values, name
    for name in sorted(set(TYPES) - types):
        with pytest.raises(WiringError) as caught:
            command(kind, name)
        assert f'a {kind} cannot be sent as {full(name)}; expected one of ' in str(caught.value)
        for other in types:
            assert full(other) in str(caught.value), (name, other)
