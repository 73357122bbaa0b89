"""The last code before the actuators: whatever comes in, what goes out is finite and in limits."""

import math
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fournex_runtime.safety.gate import Gate, NonFiniteCommand
from fournex_runtime.safety.limits import Limits, ValueLimits, term_limits

PERIOD_NS = 20_000_000
NAN, INF = math.nan, math.inf


def gate(low=(-1.0, -2.0), high=(1.0, 2.0), rate=(INF, INF), acceleration=()):
    return Gate(Limits('term', ('x', 'y'), low, high, rate, acceleration), PERIOD_NS)


def test_what_is_within_the_limits_passes_with_its_bits():
    values = np.array([-0.0, 5e-324])
    safe, limited = gate().check(values, None)
    assert safe.tobytes() == values.tobytes()
    assert limited == ()


def test_what_is_outside_goes_to_the_nearest_limit_and_is_named():
    safe, limited = gate().check(np.array([3.0, -2.5]), None)
    assert safe.tolist() == [1.0, -2.0]
    assert limited == ('term/x: range', 'term/y: range')


def test_the_values_asked_for_are_left_alone():
    values, last = np.array([3.0, 0.0]), np.array([0.5, 0.5])
    safe, _ = gate(rate=(1.0, 1.0)).check(values, last)
    assert values.tolist() == [3.0, 0.0] and last.tolist() == [0.5, 0.5]
    assert safe is not values


def test_the_rate_is_per_second():
    safe, limited = gate(rate=(10.0, INF)).check(np.array([1.0, -1.0]), np.array([0.0, 1.0]))
    assert safe.tolist() == pytest.approx([0.2, -1.0])
    assert limited == ('term/x: rate',)


def test_without_a_command_before_the_rate_rests():
    safe, limited = gate(rate=(0.1, 0.1)).check(np.array([1.0, 1.0]), None)
    assert (safe.tolist(), limited) == ([1.0, 1.0], ())


def test_the_range_wins_over_the_rate():
    safe, limited = gate(rate=(1.0, INF)).check(np.array([5.0, 0.0]), np.array([3.0, 0.0]))
    assert safe.tolist() == [1.0, 0.0]
    assert limited == ('term/x: rate', 'term/x: range')


def driven(gate, *targets, start=0.0):
    """Return the first value of the commands that follow targets, from standing at ``start``."""
    before, last, found, names = None, np.array([start, 0.0]), [], set()
    for target in targets:
        safe, limited = gate.check(np.array([target, 0.0]), last, before)
        names.update(limited)
        before, last = last, safe
        found.append(float(safe[0]))
    return found, names


def test_positions_are_accelerated_and_braked_and_never_pass_their_target():
    one = gate(acceleration=(5.0, INF))  # 0.002 a period more or less
    found, names = driven(one, *[0.5] * 60)
    assert found[:3] == pytest.approx([0.002, 0.006, 0.012])
    assert max(found) <= 0.5 + 1e-12 and found[-1] == pytest.approx(0.5)
    steps = np.diff([0.0, 0.0, *found])
    assert abs(np.diff(steps)).max() <= 0.002 + 1e-12
    assert names == {'term/x: acceleration'}


def test_the_rate_wins_over_the_acceleration_and_the_range_over_both():
    found, names = driven(gate(rate=(0.1, INF), acceleration=(0.01, INF)), 1.0)
    assert found == pytest.approx([4e-6]) and names == {'term/x: acceleration'}
    found, names = driven(gate(rate=(0.1, INF), acceleration=(100.0, INF)), 1.0, 1.0)
    assert found == pytest.approx([0.002, 0.004]) and names == {'term/x: rate'}
    fast = np.array([0.9, 0.0]), np.array([0.5, 0.0])  # 0.4 a period, and the end is near
    safe, limited = gate(acceleration=(1.0, INF)).check(np.array([5.0, 0.0]), *fast)
    assert safe[0] == 1.0
    assert limited == ('term/x: range', 'term/x: acceleration')


def test_what_an_acceleration_does_not_bound_keeps_its_bits():
    values = np.array([1e-3, -0.0])
    safe, limited = gate(acceleration=(5.0, INF)).check(values, np.zeros(2), np.zeros(2))
    assert safe.tobytes() == values.tobytes() and limited == ()


def of(command, label='x', **limits):
    return term_limits('term', command, (label,), (ValueLimits(**limits),))


def test_of_limits_that_bound_the_same_thing_the_narrowest_counts_and_is_named():
    position = of('joint_position_target', low=-1.0, high=1.0, rate=3.0, velocity=2.0)
    assert (position.rate, position.rate_by) == ((2.0,), ('velocity',))
    assert position.acceleration == ()
    velocity = of('twist', low=-1.0, high=3.0, rate=9.0, velocity=2.0, acceleration=1.0)
    assert (velocity.low, velocity.high) == ((-1.0,), (2.0,))
    assert (velocity.low_by, velocity.high_by) == (('range',), ('velocity',))
    assert (velocity.rate, velocity.rate_by) == ((1.0,), ('acceleration',))
    effort = of('joint_effort_target', effort=5.0, rate=1.0)
    assert (effort.low, effort.high, effort.high_by) == ((-5.0,), (5.0,), ('effort',))
    pose = of('pose_target', low=0.0, high=9.0, workspace=(0.2, 0.8), acceleration=1.0)
    assert (pose.low, pose.high, pose.acceleration) == ((0.2,), (0.8,), (1.0,))
    safe, limited = Gate(pose, PERIOD_NS).check(np.array([0.1]), None)
    assert (safe.tolist(), limited) == ([0.2], ('term/x: workspace',))


def test_limits_that_leave_nothing_contradict_each_other():
    with pytest.raises(
        ValueError, match=r'x: nothing .* at least 1 \(range\) and at most 0.5 \(eff'
    ):
        of('joint_effort_target', low=1.0, high=2.0, effort=0.5)


@pytest.mark.parametrize('bad', [NAN, INF, -INF])
def test_the_finite_check_comes_before_every_limit(bad):
    with pytest.raises(NonFiniteCommand, match='^term: not finite at y$'):
        gate().check(np.array([0.0, bad]), None)
    with pytest.raises(NonFiniteCommand, match='^term: not finite at x, y$'):
        gate(rate=(1.0, 1.0)).check(np.array([bad, bad]), np.zeros(2))


def from_bits(bits):
    """Return the float of 64 bits, with the payload of its NaN."""
    return struct.unpack('<d', struct.pack('<Q', bits))[0]


any_float = st.integers(0, 2**64 - 1).map(from_bits) | st.floats(width=64)
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


def within(low, high, fractions):
    """Return a command that was itself within the limits; None for none."""
    if fractions is None:
        return None
    mixed = [lo * (1 - f) + hi * f for lo, hi, f in zip(low, high, fractions)]
    return np.clip(np.array(mixed), low, high)


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(
    bounds=st.tuples(finite, finite, finite, finite),
    rate=st.tuples(*[st.floats(min_value=5e-324, allow_nan=False, width=64)] * 2),
    values=st.tuples(any_float, any_float),
    fractions=st.none() | st.tuples(*[st.floats(0.0, 1.0)] * 2),
    more=st.none() | st.tuples(*[st.floats(0.0, 1.0)] * 2),
    acceleration=st.just(()) | st.tuples(*[st.floats(min_value=5e-324, width=64)] * 2),
)
@example((0.0, -0.0, 1.0, 1.0), (INF, INF), (-0.0, 0.0), None, None, ())
@example((-1e308, -1.0, 1e308, 1.0), (1e308, 1.0), (1.7e308, NAN), (1.0, 0.0), None, ())
@example(
    (-1e308, -1.0, 1e308, 1.0), (INF, 1.0), (1.7e308, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, INF)
)
@example(
    (-1e308, -1.0, 1e308, 1.0), (INF, INF), (-1e308, 0.0), (1.0, 0.0), (1.0, 1.0), (5e-324, INF)
)
def test_whatever_comes_in(bounds, rate, values, fractions, more, acceleration):
    low = tuple(min(bounds[i], bounds[i + 2]) for i in range(2))
    high = tuple(max(bounds[i], bounds[i + 2]) for i in range(2))
    last, before = within(low, high, fractions), within(low, high, more)
    asked = np.array(values)
    try:
        safe, limited = gate(low, high, rate, acceleration).check(asked, last, before)
    except NonFiniteCommand:
        assert not np.isfinite(asked).all()
        return
    assert np.isfinite(asked).all()
    assert np.isfinite(safe).all()
    assert (np.array(low) <= safe).all() and (safe <= np.array(high)).all()
    changed = {f'term/{label}' for label, a, b in zip('xy', asked, safe) if a != b}
    assert changed <= {one.split(':')[0] for one in limited}
    if last is None:
        assert all(one.endswith(': range') for one in limited)
    else:
        step = np.array(rate) * (PERIOD_NS * 1e-9)
        with np.errstate(over='ignore'):
            slack = 4 * np.spacing(np.maximum(abs(last), abs(safe)))
            assert (abs(safe - last) <= step + slack).all()
