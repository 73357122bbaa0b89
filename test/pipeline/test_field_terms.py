"""Terms out of any message by field path: real message types of ROS, and every refusal."""

import math

import pytest
from ros_messages import ARRAY, FLOAT64, IMU, JOINT_STATE, ODOMETRY, cdr, header, joint_state, make
from wired_term import WiredTerm

from fournex_runtime.errors import MessageError, WiringError
from fournex_runtime.pipeline.field_path import field_getter, field_path
from fournex_runtime.pipeline.joint_names import JointNames
from fournex_runtime.pipeline.messages import messages

WRENCH = 'geometry_msgs/msg/WrenchStamped'
BATTERY = 'sensor_msgs/msg/BatteryState'
NESTED = 'sensor_msgs/msg/MultiDOFJointState'
TRANSFORM = 'geometry_msgs/msg/TransformStamped'
GRIDS = 'std_msgs/msg/Float32MultiArray'


# --- one array, one number, one path a value -----------------------------------------------------


def test_a_value_can_be_anything_with_numbers():
    data = cdr(BATTERY, header=header(), voltage=12.5, present=True, cell_voltage=[3.0, 4.0])
    assert WiredTerm('term: value, size: 1', BATTERY, field='voltage')(data) == [12.5]
    assert WiredTerm('term: value, size: 1', BATTERY, field='present')(data) == [1.0]
    cells = WiredTerm('term: value, size: 2', BATTERY, field='cell_voltage')
    assert cells(data) == [3.0, 4.0]
    mixed = {'value_1': 'cell_voltage[0]', 'value_0': 'voltage'}
    assert WiredTerm('term: value, size: 2', BATTERY, fields=mixed)(data) == [12.5, 3.0]


def test_a_velocity_out_of_a_message_that_is_none():
    fields = {'x': 'wrench.force.y', 'y': 'wrench.torque.x'}
    term = WiredTerm('term: base_linear_velocity, axes: [x, y]', WRENCH, fields=fields)
    data = cdr(WRENCH, wrench={'force': {'y': 0.25}, 'torque': {'x': -1.0}})
    assert term(data) == [0.25, -1.0]


def test_joints_out_of_fields_of_their_own_in_an_array_of_messages():
    term = WiredTerm(
        'term: joint_velocity, joints: [left, right]',
        NESTED,
        fields={'left': 'twist[1].angular.z', 'right': 'twist[0].angular.z'},
        unit='rpm',
    )
    turning = [make('geometry_msgs/msg/Twist', angular={'z': speed}) for speed in (30.0, 60.0)]
    assert term(cdr(NESTED, twist=turning)) == pytest.approx([2 * math.pi, math.pi])
    with pytest.raises(MessageError, match=r'twist\[1\]\.angular\.z: has only 1 elements'):
        term(cdr(NESTED, twist=turning[:1]))


def test_joints_out_of_an_array_of_another_message():
    term = WiredTerm(
        'term: joint_effort, joints: [a, b]', BATTERY, field='cell_voltage', joints=('b', 'a')
    )
    assert term(cdr(BATTERY, cell_voltage=[3.0, 4.0])) == [4.0, 3.0]


def test_a_ring_of_ranges_is_a_scan():
    term = WiredTerm(
        'term: range_scan, sectors: 3, angle_min: -1, angle_max: 1, range_max: 2.0',
        GRIDS,
        field='data',
        unit='cm',
    )
    assert term(cdr(GRIDS, data=[50.0, math.inf, 400.0])) == [0.5, 2.0, 2.0]


def test_heights_out_of_an_array_and_where_nothing_was_measured():
    term = WiredTerm(
        'term: height_scan, size: [0.5, 0], resolution: 0.5, grid_order: x_fastest, reduce: max, '
        'fill: -1.0',
        GRIDS,
        field='data',
    )
    assert term(cdr(GRIDS, data=[0.25, math.nan])) == [0.25, -1.0]


# --- orientation ---------------------------------------------------------------------------------

TURNED = {'x': 0.0, 'y': 0.0, 'z': math.sqrt(0.5), 'w': math.sqrt(0.5)}


def test_an_orientation_out_of_a_quaternion_anywhere():
    data = cdr(TRANSFORM, transform={'rotation': TURNED})
    by_name = {f'q{one}': f'transform.rotation.{one}' for one in 'xyzw'}
    for how in ({'field': 'transform.rotation'}, {'fields': by_name}):
        found = WiredTerm('term: orientation, layout: roll_pitch_yaw', TRANSFORM, **how)(data)
        assert found == pytest.approx([0.0, 0.0, math.pi / 2])
        assert WiredTerm('term: projected_gravity', TRANSFORM, **how)(data) == [0.0, 0.0, -1.0]


def test_a_quaternion_in_an_array_says_which_number_is_which():
    w_first = {'qw': 'data[0]', 'qx': 'data[1]', 'qy': 'data[2]', 'qz': 'data[3]'}
    term = WiredTerm('term: orientation, layout: quaternion_xyzw', ARRAY, fields=w_first)
    assert term(cdr(ARRAY, data=[0.0, 1.0, 0.0, 0.0])) == [1.0, 0.0, 0.0, 0.0]
    with pytest.raises(MessageError, match='squared norm 0, expected 1'):
        term(cdr(ARRAY, data=[0.0] * 4))
    with pytest.raises(WiringError, match='say which number of .* is which: fields: with a path'):
        WiredTerm('term: orientation, layout: quaternion_wxyz', ARRAY, field='data')


def test_angles_that_a_sensor_gives_itself():
    term = WiredTerm(
        'term: orientation, layout: roll_pitch_yaw, unit: rad', ARRAY, field='data', unit='deg'
    )
    assert term(cdr(ARRAY, data=[180.0, 0.0, 90.0])) == [math.pi, 0.0, math.pi / 2]


def test_gravity_by_its_own_is_a_direction_and_no_acceleration():
    term = WiredTerm('term: projected_gravity', ARRAY, field='data')
    assert term(cdr(ARRAY, data=[0.0, 0.6, -0.8])) == [0.0, 0.6, -0.8]
    with pytest.raises(MessageError, match='the vector has squared norm 96.2, expected 1'):
        term(cdr(ARRAY, data=[0.0, 0.0, -9.81]))


# --- the robot's names of joints -----------------------------------------------------------------

NAMES = JointNames({'a': 'motor_1', 'b': 'motor_2'})


def test_joints_are_found_by_what_the_robot_calls_them():
    term = WiredTerm('term: joint_position, joints: [a, b, c]', JOINT_STATE, names=NAMES)
    assert term(joint_state(['motor_2', 'c', 'motor_1'], [2.0, 3.0, 1.0])) == [1.0, 2.0, 3.0]
    with pytest.raises(MessageError) as caught:
        term(joint_state(['a', 'motor_1', 'c'], [0.0] * 3))
    assert "no joint 'motor_2' (the contract's 'b'); it has a, motor_1, c. Did you mean motor" in (
        str(caught.value)
    )


def test_a_list_of_joints_has_the_robots_names():
    joints = ('motor_2', 'motor_1')
    term = WiredTerm('term: joint_position, joints: [a, b]', ARRAY, names=NAMES, joints=joints)
    assert term(cdr(ARRAY, data=[2.0, 1.0])) == [1.0, 2.0]
    with pytest.raises(WiringError, match=r"the list has no joint 'motor_1' \(the contract's 'a'"):
        WiredTerm('term: joint_position, joints: [a, b]', ARRAY, names=NAMES, joints=('a', 'b'))


def test_swapped_names_are_swapped():
    swapped = JointNames({'a': 'b', 'b': 'a'})
    term = WiredTerm('term: joint_position, joints: [a, b]', JOINT_STATE, names=swapped)
    assert term(joint_state(['a', 'b'], [1.0, 2.0])) == [2.0, 1.0]


# --- refusals ------------------------------------------------------------------------------------

ONE, TWO = 'term: value, size: 1', 'term: value, size: 2'
JOINTS = 'term: joint_position, joints: [a, b]'


@pytest.mark.parametrize(
    ('term', 'kind', 'port', 'words'),
    [
        (ONE, NESTED, {'field': 'twist'},
         "field 'twist' of sensor_msgs/msg/MultiDOFJointState is an array of geometry_msgs/msg/"
         'Twist, not made of numbers: say which one and which field of it, as in twist[0].'),
        (ONE, NESTED, {'field': 'twist.linear.x'},
         'twist is an array of geometry_msgs/msg/Twist: say which one, as in twist[0]'),
        (ONE, NESTED, {'field': 'twist[0].linear'}, 'is a single geometry_msgs/msg/Vector3, not'),
        (ONE, NESTED, {'field': 'joint_names'}, 'is an array of string, not made of numbers'),
        (ONE, NESTED, {'field': 'joint_names[0].data'}, 'joint_names has no fields of its own'),
        (ONE, IMU, {'field': 'orientation_covariance[9]'}, 'has at most 9 elements, counted'),
        (ONE, IMU, {'field': 'orientation[0]'}, 'orientation is no array'),
        (ONE, IMU, {'field': 'orientation.'}, "'orientation.' is no field path: write"),
        (ONE, IMU, {'field': 'linear_aceleration.x'}, 'Did you mean linear_acceleration?'),
        (TWO, IMU, {'field': 'orientation_covariance'}, 'is an array of 9 float64, the term'),
        (TWO, FLOAT64, {'field': 'data'}, 'is a single float64, the term has 2 values'),
        (TWO, ARRAY, {'fields': {'value_0': 'data', 'value_1': 'data'}},
         "field 'data' of std_msgs/msg/Float64MultiArray is an array of float64, expected a"),
        (TWO, ARRAY, {'fields': {'value_0': 'data[0]'}}, 'fields: value_1 missing; expected'),
        (TWO, ARRAY, {'fields': {'value_0': 'data[0]', 'value1': 'data[1]'}},
         "fields: 'value1' is no value of the term; expected value_0, value_1. Did you mean"),
        (TWO, ARRAY, {'field': 'data', 'fields': {'value_0': 'data[0]'}}, 'expected one of them'),
        ('term: value, one_hot: 3', ARRAY, {'fields': {'choice_0': 'data[0]'}}, 'a choice is one'),
        (ONE, IMU, {}, 'say which field of sensor_msgs/msg/Imu: field: …, or fields: …'),
        (JOINTS, IMU, {}, 'a joint_position cannot be read from sensor_msgs/msg/Imu; expected one '
         'of sensor_msgs/msg/JointState, std_msgs/msg/Float64MultiArray, std_msgs/msg/Float32Mult'
         'iArray; any other with field: or fields:'),
        (JOINTS, IMU, {'field': 'orientation_covariance'}, 'names no joints: give joints: the'),
        (JOINTS, JOINT_STATE, {'fields': {'a': 'position[0]', 'b': 'position[1]'}},
         'a JointState names its joints itself'),
        (JOINTS, ARRAY, {'joints': ('a', 'b'), 'fields': {'a': 'data[0]', 'b': 'data[1]'}},
         'fields: name the joints one by one; joints: is for an array'),
    ],
)  # fmt: skip
def test_fields_that_are_not_those_of_the_term(term, kind, port, words):
    with pytest.raises(WiringError) as caught:
        WiredTerm(term, kind, **port)
    assert words in str(caught.value)
    assert 'Known here' not in str(caught.value)  # what there is has been said


@pytest.mark.parametrize(
    ('kind', 'path', 'many', 'words'),
    [
        (JOINT_STATE, 'positions', None, 'has no field'),
        (JOINT_STATE, 'header.stmp', None, 'std_msgs/msg/Header has stamp, frame_id'),
        (JOINT_STATE, 'position.position', None, 'position has no fields of its own'),
        (JOINT_STATE, 'header', None, 'is a single std_msgs/msg/Header, not made of numbers'),
        (JOINT_STATE, 'header.frame_id', None, 'is a single string, not made of numbers'),
        (JOINT_STATE, 'position', False, 'is an array of float64, expected a single number'),
        (ODOMETRY, 'pose.pose.position.x', True, 'is a single float64, expected an array of n'),
    ],
)
def test_field_paths_that_lead_to_no_number(kind, path, many, words):
    with pytest.raises(MessageError) as caught:
        field_path(messages(), kind, path).numbers(many=many)
    assert words in str(caught.value)


def test_a_path_knows_what_it_leads_to():
    found = field_path(messages(), IMU, 'orientation_covariance')
    assert (found.dtype, found.length, found.words) == ('float64', 9, 'an array of 9 float64')
    element = field_path(messages(), IMU, 'orientation_covariance[2]')
    assert (element.dtype, element.length, element.many) == ('float64', None, False)
    data = make(IMU, orientation_covariance=[1.0] * 2 + [7.0] * 7)
    assert field_getter('orientation_covariance[2]')(data) == 7.0
