"""Units of robot and contract, against factors written down by hand."""

import math

import numpy as np
import pytest
from ros_messages import JOINT_STATE, ODOMETRY, cdr, joint_state
from wired_term import WiredTerm

from fournex_runtime.errors import WiringError
from fournex_runtime.pipeline.units import UNITS, conversion

RANGE = 'sensor_msgs/msg/Range'


@pytest.mark.parametrize(
    ('robot', 'contract', 'value', 'expected'),
    [
        ('mm', 'm', 5.0, 0.005),  # to the last bit: a division by 1000
        ('m', 'mm', 0.3, 300.0),
        ('cm', 'm', 7.0, 0.07),
        ('km/h', 'm/s', 36.0, 10.0),
        ('deg', 'rad', 180.0, math.pi),
        ('rad', 'deg', math.pi, 180.0),
        ('turn', 'rad', 1.0, 2 * math.pi),
        ('turn', 'deg', 1.0, 360.0),  # pi cancels out: exact
        ('rpm', 'rad/s', 1.0, 0.10471975511965978),  # pi / 30, rounded once
        ('rpm', 'deg/s', 1.0, 6.0),
        ('Ncm', 'Nm', 3.0, 0.03),
        ('Nm/deg', 'Nm/rad', math.pi / 180, 1.0),
        ('g0', 'm/s^2', 1.0, 9.80665),
        ('%', '1', 50.0, 0.5),
        ('counts', 'counts', 3.0, 3.0),  # unknown, and the same
    ],
)
def test_from_the_robots_unit_to_the_contracts_and_back(robot, contract, value, expected):
    there = conversion(robot, contract, ['x'])
    back = conversion(robot, contract, ['x'], to_robot=True)
    found = np.array([value]) if there is None else there(np.array([value]))
    assert found.tolist() == [expected]
    returned = found if back is None else back(found)
    assert returned.tolist() == pytest.approx([value], rel=4e-16)


def test_every_unit_is_of_one_quantity_and_converts_to_its_si_unit_and_back():
    for unit, (quantity, factor) in UNITS.items():
        si = next(one for one, (other, size) in UNITS.items() if other == quantity and size == 1)
        there = conversion(unit, si, ['x'])
        assert (there is None) == (factor == 1), unit
        if there is not None:
            assert there(np.ones(1))[0] == float(factor), unit


def test_a_twist_has_two_units_and_joints_have_one_each():
    both = conversion('cm/s, deg/s', 'm/s, rad/s', ['linear_x', 'angular_z'])
    assert both(np.array([50.0, 90.0])).tolist() == [0.5, math.pi / 2]
    each = conversion('mm, deg', 'm, rad', ['lift', 'turn'])
    assert each(np.array([50.0, 180.0])).tolist() == [0.05, math.pi]


@pytest.mark.parametrize(
    ('robot', 'contract', 'words'),
    [
        ('N', 'rad', 'x: N is a force, the contract has rad, an angle; expected one of rad, mrad'),
        ('m', 'rad', 'x: m is a length, the contract has rad, an angle'),
        ('degs', 'rad', "x: 'degs', the unit of the wiring, is none that can be converted. Did"),
        ('deg', 'ticks', "x: 'ticks', the unit of the contract, is none that can be converted"),
        ('deg', '', 'x: the contract gives no unit to convert deg to'),
        ('m, rad, s', 'rad', "'m, rad, s' are 3 units, expected one, or one for each of x"),
        ('', 'deg', 'the contract counts in deg: say what the robot counts in, unit: deg or, as '
         'ROS messages do, unit: rad'),
    ],
)  # fmt: skip
def test_units_that_do_not_go_together(robot, contract, words):
    with pytest.raises(ValueError) as caught:
        conversion(robot, contract, ['x'])
    assert words in str(caught.value)


def test_a_unit_is_converted_before_offset_clip_and_scale():
    term = WiredTerm(
        'term: joint_position, joints: [a], relative_to: 1.0, clip: [-1, 1], scale: 10',
        JOINT_STATE,
        unit='deg',
    )
    assert term(joint_state(['a'], [90.0])) == [10.0 * (math.pi / 2 - 1.0)]
    assert term(joint_state(['a'], [180.0])) == [10.0]


def test_a_range_is_converted_before_its_greatest_value_counts():
    term = WiredTerm('term: range, range_max: 2.0', RANGE, unit='cm')
    assert term(cdr(RANGE, range=150.0)) == [1.5]
    assert term(cdr(RANGE, range=math.inf)) == [2.0]


@pytest.mark.parametrize(
    ('term', 'kind', 'unit', 'words'),
    [
        ('term: joint_position, joints: [a]', JOINT_STATE, 'N', 'topic.unit: a: N is a force'),
        ('term: base_linear_velocity', ODOMETRY, 'rpm', 'x: rpm is an angular velocity'),
        ('term: joint_position, joints: [a], unit: deg', JOINT_STATE, '', 'counts in deg: say'),
        ('term: projected_gravity', 'sensor_msgs/msg/Imu', 'm/s^2',
         'unit: is not for a projected_gravity out of a sensor_msgs/msg/Imu, which is in SI'),
        ('term: target_pose, layout: position, frame: b, unit: mm',
         'geometry_msgs/msg/PoseStamped', '', 'is read in SI units, the contract counts in mm'),
    ],
)  # fmt: skip
def test_a_wiring_whose_unit_makes_no_sense(term, kind, unit, words):
    with pytest.raises(WiringError) as caught:
        WiredTerm(term, kind, unit=unit)
    assert words.removeprefix('topic.') in str(caught.value)
