"""Limits out of the robot's URDF: read once, narrowed by the wiring, and kept in its text."""

import pytest
from tiny_session import CONTRACT, WIRING, edited, make_bundle

from fournex_runtime.errors import WiringError
from fournex_runtime.session.wiring import parse_wiring

URDF = """\
<robot name="tiny">
  <joint name="motor_a" type="revolute">
    <limit lower="-0.5" upper="0.75" velocity="2.0" effort="9"/>
  </joint>
  <joint name="b" type="continuous"><limit velocity="3" effort="4"/></joint>
</robot>
"""
LIMITS = 'all: {min: -1.5, max: 1.5, rate: unlimited}'


@pytest.fixture
def session(tmp_path):
    """Return a function that reads the wiring of an action, with limits and a URDF beside it."""
    (tmp_path / 'robot.urdf').write_text(URDF)

    def read(limits, kind='position', text=None):
        contract = edited(CONTRACT, ('joint_velocity_target', f'joint_{kind}_target'))
        text = text or edited(
            WIRING.replace('joint_velocity_target', f'joint_{kind}_target'),
            (LIMITS, limits),
            ('stop: zero', 'stop: hold' if kind == 'position' else 'stop: zero'),
            ('    inputs:', '    joint_names: {a: motor_a}\n    inputs:'),
            ('joints: [b, a]', 'joints: [b, motor_a]'),
        )
        file = tmp_path / 'wiring.yaml'
        wiring = parse_wiring(text, file, {'tiny': make_bundle(contract)})
        return wiring.sessions[0].limits[0], wiring.text

    return read


def test_a_position_has_range_and_speed_from_it_and_is_narrowed_by_the_wiring(session):
    limits, _ = session('urdf: robot.urdf\n        b: {min: -3, max: 3}\n        a: {min: -0.25}')
    assert (limits.low, limits.high) == ((-0.25, -3.0), (0.75, 3.0))
    assert (limits.rate, limits.rate_by) == ((2.0, 3.0), ('velocity', 'velocity'))


def test_a_velocity_and_an_effort_have_their_magnitude_from_it(session):
    limits, _ = session('urdf: robot.urdf\n        all: {rate: 5, velocity: 2.5}', 'velocity')
    assert (limits.low, limits.high) == ((-2.0, -2.5), (2.0, 2.5))
    limits, _ = session('urdf: robot.urdf\n        all: {rate: unlimited}', 'effort')
    assert (limits.high, limits.high_by) == ((9.0, 4.0), ('effort', 'effort'))


def test_what_was_read_is_in_the_text_so_that_a_recording_needs_no_file(session, tmp_path):
    limits, text = session('urdf: robot.urdf\n        b: {min: -3, max: 3}')
    assert "urdf: {'a': {lower: -0.5, upper: 0.75, velocity: 2.0, effort: 9.0}, 'b': {vel" in text
    (tmp_path / 'robot.urdf').unlink()
    again, same = session('', text=text)
    assert (again, same) == (limits, text)


@pytest.mark.parametrize(
    ('limits', 'words'),
    [
        ('urdf: robot.urdf', 'b has no min: give it under b: or under all:'),
        ('urdf: other.urdf\n        ' + LIMITS, 'urdf: '),
        ('urdf: wiring.yaml\n        ' + LIMITS, 'urdf: '),
        ('urdf: robot.urdf\n        a: {min: 0.8, max: 1}\n        b: {min: 0, max: 1}',
         'a: nothing is within its limits: they are at least 0.8 (range) and at most 0.75'),
    ],
)  # fmt: skip
def test_refusals(session, limits, words, tmp_path):
    (tmp_path / 'wiring.yaml').write_text('robot: tiny')
    with pytest.raises(WiringError) as caught:
        session(limits)
    assert words in str(caught.value)


def test_a_joint_that_it_has_not_is_named(session, tmp_path):
    (tmp_path / 'robot.urdf').write_text(URDF.replace('motor_a', 'motor'))
    with pytest.raises(WiringError, match=r'robot\.urdf has no joint motor_a'):
        session('urdf: robot.urdf')
