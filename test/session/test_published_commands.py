"""
What is published is what the gate let through, and within the limits: every kind, to the bytes.

A policy that gives any bits, for some ticks; its commands are read by the rosbags library.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sent_command import ROSBAGS
from tiny_session import CONTRACT, Run, make_engine

from fournex_runtime.policy.term_kinds import ACTION_KINDS
from fournex_runtime.session.tick import Answer, AnswerKind, Mode

HEAD, ARTIFACT = CONTRACT.split('state:\n')[0], 'artifact:' + CONTRACT.split('artifact:')[1]
PERIOD_S = 0.02
LIMITS = 'all: {min: -0.7, max: 0.9, rate: 20}'
JOINTS, TURN = 'joints: [a, b]', 'orientation: {rate: 2}'
POSE = 'layout: position+quaternion_xyzw'
STATE, TRAJECTORY = 'sensor_msgs/msg/JointState', 'trajectory_msgs/msg/JointTrajectory'
DOUBLES, FLOATS = 'std_msgs/msg/Float64MultiArray', 'std_msgs/msg/Float32MultiArray'
TWIST, STAMPED = 'geometry_msgs/msg/TwistStamped', 'geometry_msgs/msg/PoseStamped'


def array(message):
    return message.data.tolist()


def reversed_array(message):
    return message.data.tolist()[::-1]


def of_point(field):
    return lambda message: getattr(message.points[0], field).tolist()


def axes(message):
    return [message.twist.linear.x, message.twist.angular.z]


def place(message):
    point = message.point
    return [point.x, point.y, point.z]


def pose(message):
    at, turned = message.pose.position, message.pose.orientation
    return [at.x, at.y, at.z, turned.x, turned.y, turned.z, turned.w]


CASES = {
    'joint_position_target': (JOINTS, f'{STATE}, stop: hold', lambda one: one.position.tolist()),
    'joint_position_target in degrees': (
        JOINTS, f'{FLOATS}, joints: [b, a], unit: deg, stop: hold', reversed_array),
    'joint_velocity_target': (
        JOINTS, f'{TRAJECTORY}, time_from_start: 60 ms, stop: zero', of_point('velocities')),
    'joint_effort_target': (JOINTS, f'{STATE}, stop: zero', lambda one: one.effort.tolist()),
    'joint_stiffness': (JOINTS, f'{FLOATS}, joints: [b, a], stop: hold', reversed_array),
    'joint_damping': (JOINTS, f'{DOUBLES}, joints: [a, b], stop: hold', array),
    'twist': ('axes: [linear_x, angular_z]', f'{TWIST}, stop: zero', axes),
    'pose_target': (POSE, f'{STAMPED}, frame: map, stop: hold', pose),
    'pose_target as a point': (
        'layout: position', 'geometry_msgs/msg/PointStamped, frame: map, stop: hold', place),
    'pose_target as floats': (POSE, f'{FLOATS}, field: data, stop: hold', array),
    'value': ('size: 2', f'{DOUBLES}, stop: zero', array),
    'discrete': (
        f'as: pose_target, {POSE}, actions: [[0, 0, 0, 0, 0, 0, 1], [5, 0, 0, 1, 0, 0, 0], '
        '[0, 0, 0, 0, 0.5, 0, -0.5], [0, 0, 0, 0.1, 0, 0, 0]]',
        f'{STAMPED}, frame: map, stop: hold', pose),
}  # fmt: skip
"""Keys of the term, what is wired, and how the values are read, in the order of the contract."""


def test_every_kind_of_action_is_here():
    assert {name.split()[0] for name in CASES} == set(ACTION_KINDS)


def engine_of(name):
    term, wired, _ = CASES[name]
    kind = name.split()[0]
    dtype = 'dtype: int64, ' if kind == 'discrete' else ''
    contract = (
        f'{HEAD}outputs:\n  action: {{{dtype}terms: [{{term: {kind}, {term}}}]}}\n{ARTIFACT}'
    )
    limits = f'{LIMITS}, {TURN}' if POSE in term else LIMITS
    return make_engine(
        contract,
        f"""\
robot: tiny
sessions:
  tiny:
    policy: bundle
    inputs:
      joint_position: {{topic: joint_states, type: sensor_msgs/msg/JointState, budget: 50 ms}}
    outputs: {{{kind}: {{topic: commands, type: {wired}}}}}
    limits: {{{kind}: {{{limits}}}}}
    soft_start: 50 ms
    reactions: {{default: hold 30 ms then ramp 40 ms to there then stop, return: {{after: 20 ms}}}}
    poses: {{there: {{{kind}: {there(kind, term)}}}}}
""",
    )


def there(kind, term):
    """Return a pose within the limits, for the ramp of the reaction."""
    if POSE in term:
        return '{x: 0.5, y: 0, z: 0, qx: 0, qy: 0, qz: 1, qw: 0}'
    labels = {'twist': 'linear_x angular_z', 'value': 'value_0 value_1', 'pose_target': 'x y z'}
    return '{' + ', '.join(f'{one}: 0.5' for one in labels.get(kind, 'a b').split()) + '}'


def turn_between(one, other):
    """Return the angle between two orientations, accurate for small ones, too."""
    along, other = abs(one @ other), other * math.copysign(1.0, one @ other)
    return 2 * math.atan2(np.linalg.norm(other - along * one), along)


any_float = st.integers(0, 2**32 - 1).map(lambda bits: np.uint32(bits).view(np.float32))
usual = st.floats(-2, 2, width=32).map(np.float32)


@pytest.mark.parametrize('name', CASES)
def test_what_is_published_is_what_the_gate_let_through(name):
    engine, read = engine_of(name), CASES[name][2]
    term, target = engine.contract.action_terms[0], engine.wiring.targets[0]
    discrete = term.kind == 'discrete'
    value = st.integers(-1, 4) if discrete else usual | usual | any_float
    row = st.lists(value, min_size=term.width, max_size=term.width)
    rounded = name.endswith('degrees') or 'Float32' in target.type
    scale = 180 / math.pi if name.endswith('degrees') else 1.0
    number = np.float32 if rounded else np.float64
    of_q = slice(3, 7) if 'qx' in term.labels else slice(0, 0)
    plain = slice(0, 3) if 'qx' in term.labels else slice(None)
    modes = set()

    def ulp(values):
        return abs(np.spacing(values.astype(number)))

    @settings(max_examples=30, deadline=None, database=None, derandomize=True)
    @given(rows=st.lists(row, min_size=2, max_size=12))
    def holds(rows):
        run, last = Run(engine), None
        for values in rows:
            given_array = np.array([values], np.int64 if discrete else np.float32)
            answer = Answer(AnswerKind.RESULT, {'action': given_array})
            record = run.tick(run.joints(), answer=answer)
            modes.add(record.mode)
            if not record.commands:
                continue
            (data,) = record.commands
            found = np.array(read(ROSBAGS.deserialize_cdr(data, target.type)), np.float64)
            (safe,) = record.safe_action.values()
            if rounded:
                assert (abs(found - safe * scale) <= ulp(found)).all()
            else:
                assert found.tobytes() == safe.tobytes()
            assert np.isfinite(found).all()
            assert ((-0.7 * scale <= found) & (found <= 0.9 * scale))[plain].all()
            if of_q.stop:
                assert np.linalg.norm(found[of_q]) == pytest.approx(1.0, abs=1e-6)
                assert found[6] >= 0.0
            if last is not None and record.mode is not Mode.STOPPED:
                step = 20 * PERIOD_S * scale + ulp(found) + ulp(last)
                assert (abs(found - last) <= step)[plain].all()
                if of_q.stop:
                    slack = 1e-6 if rounded else 1e-12
                    assert turn_between(last[of_q], found[of_q]) <= 2 * PERIOD_S + slack
            last = found

    holds()
    assert modes >= {Mode.POLICY, Mode.FALLBACK}
