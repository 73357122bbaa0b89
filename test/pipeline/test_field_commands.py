"""Commands of any message type by field path, decoded again; rounding, units, refusals."""

import math

import numpy as np
import pytest
from sent_command import ROS_NS, encoded, part, sent, stamp_ns

from fournex_runtime.errors import MessageError, WiringError
from fournex_runtime.pipeline.joint_names import JointNames

TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'
JOINT_STATE = 'sensor_msgs/msg/JointState'
POINT = 'trajectory_msgs/msg/JointTrajectoryPoint'
BATTERY = 'sensor_msgs/msg/BatteryState'
WRENCH = 'geometry_msgs/msg/WrenchStamped'
MULTI = 'sensor_msgs/msg/MultiDOFJointState'
ARRAYS = 'test_msgs/msg/Arrays'
FLOAT32 = 'std_msgs/msg/Float32'
FLOATS = 'std_msgs/msg/Float32MultiArray'
INT8 = 'std_msgs/msg/Int8'
JOINTS = 'term: joint_position_target, joints: [a, b, c]'
TWIST = 'term: twist, axes: [linear_x, angular_z]'
ONE, TWO = 'term: value, size: 1', 'term: value, size: 2'


# --- where values go -----------------------------------------------------------------------------


def test_a_twist_to_a_message_that_is_none():
    message = encoded(
        TWIST,
        WRENCH,
        [0.5, -1.0],
        fields={'angular_z': 'wrench.torque.y', 'linear_x': 'wrench.force.x'},
        constants={'wrench.force.z': '2.5'},
        frame='base',
    )
    force, torque = message.wrench.force, message.wrench.torque
    assert (force.x, force.y, force.z) == (0.5, 0.0, 2.5)
    assert (torque.x, torque.y, torque.z) == (0.0, -1.0, 0.0)
    assert (stamp_ns(message), message.header.frame_id) == (ROS_NS, 'base')


def test_an_array_anywhere_in_the_robots_order_of_joints():
    message = encoded(JOINTS, POINT, [1.0, 2.0, 3.0], field='velocities', joints=['c', 'a', 'b'])
    assert message.velocities.tolist() == [3.0, 1.0, 2.0]
    assert message.positions.tolist() == message.effort.tolist() == []


def test_positions_and_gains_of_the_same_motors_in_one_message():
    motors = [f'basic_types_values[{index}]' for index in range(3)]
    kinds = {'position_target': 'float64_value', 'stiffness': 'float32_value'}
    parts = [
        part(f'term: joint_{kind}, joints: [a, b]', ARRAYS,
             fields={'a': f'{motors[2]}.{field}', 'b': f'{motors[0]}.{field}'},
             constants={f'{motors[1]}.uint8_value': '1'} if kind == 'stiffness' else {})
        for kind, field in kinds.items()
    ]  # fmt: skip
    message = sent(parts, [[0.5, 1.5], [20.0, 30.0]])
    found = message.basic_types_values
    assert [one.float64_value for one in found] == [1.5, 0.0, 0.5]
    assert [one.float32_value for one in found] == [30.0, 0.0, 20.0]
    assert [one.uint8_value for one in found] == [0, 1, 0]


def test_sequences_are_as_long_as_what_they_are_given():
    message = encoded(
        TWIST, MULTI, [0.5, -1.0],
        fields={'linear_x': 'twist[1].linear.x', 'angular_z': 'twist[0].angular.z'},
        constants={'joint_names': ('front', 'rear'), 'wrench[0].force.x': '3'},
    )  # fmt: skip
    assert message.joint_names == ['front', 'rear']
    assert [one.linear.x for one in message.twist] == [0.0, 0.5]
    assert [one.angular.z for one in message.twist] == [-1.0, 0.0]
    assert [one.force.x for one in message.wrench] == [3.0]


def test_constants_of_every_type():
    message = encoded(
        ONE, BATTERY, [1.0], field='voltage',
        constants={'present': 'true', 'power_supply_status': '4', 'location': 'left',
                   'cell_voltage': ('1.5', '2.5'), 'cell_temperature[0]': '-3'},
    )  # fmt: skip
    assert (message.voltage, message.present, message.power_supply_status) == (1.0, True, 4)
    assert (message.location, message.cell_voltage.tolist()) == ('left', [1.5, 2.5])
    assert message.cell_temperature.tolist() == [-3.0]


def test_one_command_leaves_nothing_to_the_next():
    parts = [part(TWO, FLOATS, fields={'value_0': 'data[0]', 'value_1': 'data[1]'})]
    assert sent(parts, [[1.0, 2.0]]).data.tolist() == [1.0, 2.0]
    assert sent(parts, [[3.0, 4.0]]).data.tolist() == [3.0, 4.0]


def test_a_pose_by_fields_is_a_rotation():
    fields = {label: f'data[{index}]' for index, label in enumerate('x y z qx qy qz qw'.split())}
    yaml = 'term: pose_target, layout: position+quaternion_xyzw'
    message = encoded(
        yaml, FLOATS, [1.0, 2.0, 3.0, 0.0, 0.0, 1.0, 0.0], fields=fields, unit='cm,1'
    )
    assert message.data.tolist() == [100.0, 200.0, 300.0, 0.0, 0.0, 1.0, 0.0]


# --- units, and the robot's names ----------------------------------------------------------------


def test_commands_are_in_the_robots_unit():
    assert encoded(ONE + ', unit: m', FLOAT32, [0.25], unit='mm').data == 250.0
    twist = encoded(TWIST, 'geometry_msgs/msg/Twist', [0.5, math.pi], unit='cm/s, deg/s')
    assert (twist.linear.x, twist.angular.z) == (50.0, 180.0)
    state = encoded('term: joint_position_target, joints: [a]', JOINT_STATE, [math.pi], unit='deg')
    assert state.position.tolist() == [180.0]


def test_joints_are_commanded_by_what_the_robot_calls_them():
    names = JointNames({'a': 'm1', 'c': 'm3'})
    values = [1.0, 2.0, 3.0]
    assert encoded(JOINTS, JOINT_STATE, values, names=names).name == ['m1', 'b', 'm3']
    trajectory = encoded(JOINTS, TRAJECTORY, values, names=names, time_from_start_ns=1)
    assert trajectory.joint_names == ['m1', 'b', 'm3']
    joints = ['m3', 'm1', 'b']
    assert encoded(JOINTS, FLOATS, values, names=names, joints=joints).data.tolist() == [3, 1, 2]
    with pytest.raises(WiringError, match='joints: lists a, b, c; the contract commands a, b, c,'
                       ' which joint_names calls m1, b, m3'):  # fmt: skip
        encoded(JOINTS, FLOATS, values, names=names, joints=['a', 'b', 'c'])


# --- what a type of number can hold --------------------------------------------------------------


@pytest.mark.parametrize('kind', ['Float32', 'Float32MultiArray'])
@pytest.mark.parametrize('limit', [0.1, 0.7, 1 / 3, 1e-40, 2.0, 1e30])
def test_a_command_rounded_to_32_bits_stays_within_its_limits(kind, limit):
    for value in (limit, -limit):
        data = encoded(ONE, f'std_msgs/msg/{kind}', [value], limits=(-limit, limit)).data
        found = float(np.atleast_1d(data)[0])
        assert abs(found) <= limit
        assert abs(float(np.float32(value)) - found) <= np.spacing(np.float32(limit))
        assert found == float(np.float32(value)) or abs(float(np.float32(value))) > limit


@pytest.mark.parametrize(
    ('value', 'expected'), [(1.4, 1), (-1.6, -2), (2.5, 2), (-2.6, -2), (0.5, 0), (1.5, 2)]
)
def test_whole_numbers_are_the_nearest_within_the_limits(value, expected):
    more = {'field': 'data', 'rounding': 'nearest', 'limits': (-2.7, 2.9)}
    assert encoded(ONE, INT8, [value], **more).data == expected


def test_whole_numbers_in_the_robots_unit():
    data = encoded(
        TWO + ', unit: m', 'std_msgs/msg/Int16MultiArray', [0.1234, -0.5], field='data',
        unit='mm', rounding='nearest',  limits=(-0.5, 0.5),
    ).data  # fmt: skip
    assert data.tolist() == [123, -500]


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('term', 'kind', 'target', 'words'),
    [
        (ONE, INT8, {'field': 'data'}, 'has whole numbers (int8) for it: say rounding: nearest'),
        (ONE, INT8, {'field': 'data', 'rounding': 'nearest'}, 'cannot hold all values of value_0 '
         'up to the limits -1000 and 1000: it has int8 for it'),
        (ONE, 'std_msgs/msg/UInt8', {'field': 'data', 'rounding': 'nearest', 'limits': (-1, 1)},
         'up to the limits -1 and 1: it has uint8 for it'),
        (ONE, INT8, {'field': 'data', 'rounding': 'nearest', 'limits': (0.2, 0.8)},
         'value_0: no int8 lies within its limits'),
        (ONE, FLOAT32, {'rounding': 'nearest'}, 'rounding: is for whole numbers; std_msgs/msg/Fl'),
        (ONE, FLOAT32, {'limits': (0, 1e39)}, 'up to the limits 0 and 1e+39: it has float32'),
        (ONE, FLOAT32, {'limits': (0.1, 0.1 + 1e-12)}, 'no float32 lies within its limits'),
        (ONE, 'std_msgs/msg/Bool', {'field': 'data'}, 'is a single bool, no number for an action'),
        (ONE, 'std_msgs/msg/String', {'field': 'data'}, 'is a single string, not made of numbers'),
        (ONE, MULTI, {'field': 'twist'}, 'is an array of geometry_msgs/msg/Twist, not made of numb'
         'ers: say which one and which field of it, as in twist[0].…'),
        (ONE, MULTI, {'field': 'twist.linear.x'}, 'twist is an array of geometry_msgs/msg/Twist: '
         'say which one, as in twist[0]'),
        (ONE, MULTI, {'field': 'twist[1].linear.x'}, 'twist[0] is given by nobody, twist[1] is'),
        (ONE, FLOATS, {'field': 'data[999999999999]'}, 'a sequence is filled up to 4096 elements'),
        (ONE, WRENCH, {'field': 'wrench.fource.x'}, 'Did you mean force?'),
        (ONE, WRENCH, {'field': 'header.stamp.sec'}, 'the header is filled by the runtime'),
        (ONE, WRENCH, {'field': 'wrench.force.x', 'constants': {'wrench.force.x': '1'}},
         'wrench.force.x and wrench.force.x are one field, which is filled twice'),
        (ONE, FLOATS, {'field': 'data', 'constants': {'data[0]': '1'}}, 'are one field, which is'),
        (ONE, WRENCH, {'field': 'wrench.force.x', 'constants': {'wrench.torque': '1'}},
         'set: wrench.torque is a single geometry_msgs/msg/Vector3; expected a path to one'),
        (ONE, BATTERY, {'field': 'voltage', 'constants': {'present': '1'}}, "set: present: expect"
         "ed true or false, found '1'"),
        (ONE, BATTERY, {'field': 'voltage', 'constants': {'power_supply_status': '256'}},
         "set: power_supply_status: expected a whole number from 0 to 255, found '256'"),
        (ONE, BATTERY, {'field': 'voltage', 'constants': {'charge': '1e39'}}, 'float32 cannot'),
        (ONE, BATTERY, {'field': 'voltage', 'constants': {'cell_voltage': '1'}},
         "is an array of float32, found '1'"),
        (ONE, BATTERY, {'field': 'voltage', 'constants': {'charge': ('1',)}}, 'found a list'),
        (ONE, ARRAYS, {'field': 'float32_values[0]', 'constants': {'int8_values': ('1',)}},
         'set: int8_values is an array of 3 int8, found 1 values'),
        (ONE, FLOAT32, {'constants': {'data': '1'}}, 'set: is for messages whose fields are'),
        (TWO, WRENCH, {'field': 'wrench.force.x'}, 'is a single float64, the term has 2 values'),
        (TWO, ARRAYS, {'field': 'float32_values'}, 'is an array of 3 float32, the term has 2'),
        (TWO, FLOATS, {'fields': {'value_0': 'data[0]'}}, 'fields: value_1 missing; expected one'),
        (TWO, FLOATS, {'fields': {'value_0': 'data[0]', 'valu_1': 'data[1]'}}, 'Did you mean'),
        (TWO, FLOATS, {'fields': {'value_0': 'data[0]', 'value_1': 'data[0]'}}, 'filled twice'),
        (TWO, FLOATS, {'field': 'data', 'fields': {'value_0': 'data[0]'}}, 'expected one of them'),
        (JOINTS, POINT, {'field': 'positions'}, 'names no joints: give joints: the names in the'),
        (JOINTS, JOINT_STATE, {'field': 'position'}, 'a sensor_msgs/msg/JointState has its'),
        (ONE, FLOAT32, {'unit': 'mm'}, 'value_0: the contract gives no unit to convert mm'),
        (JOINTS, JOINT_STATE, {'unit': 'N'}, 'unit: a: N is a force, the contract has rad'),
        ('term: joint_position_target, joints: [a], unit: deg', JOINT_STATE, {}, 'the contract cou'
         'nts in deg: say what the robot counts in'),
    ],
)  # fmt: skip
def test_what_cannot_be_sent(term, kind, target, words):
    with pytest.raises((WiringError, MessageError)) as caught:
        encoded(term, kind, [0.0], **target)
    assert words in str(caught.value)
