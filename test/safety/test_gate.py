"""The last code before the actuators: whatever comes in, what goes out is finite and in limits."""

import math
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fournex_runtime.safety.gate import Gate, Limits, NonFiniteCommand

PERIOD_NS = 20_000_000
NAN, INF = math.nan, math.inf


def gate(low=(-1.0, -2.0), high=(1.0, 2.0), rate=(INF, INF)):
    return Gate(Limits('term', ('x', 'y'), low, high, rate), PERIOD_NS)


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


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(
    bounds=st.tuples(finite, finite, finite, finite),
    rate=st.tuples(*[st.floats(min_value=5e-324, allow_nan=False, width=64)] * 2),
    values=st.tuples(any_float, any_float),
    fractions=st.none() | st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
)
@example((0.0, -0.0, 1.0, 1.0), (INF, INF), (-0.0, 0.0), None)
@example((-1e308, -1.0, 1e308, 1.0), (1e308, 1.0), (1.7e308, NAN), (1.0, 0.0))
def test_whatever_comes_in(bounds, rate, values, fractions):
    low = tuple(min(bounds[i], bounds[i + 2]) for i in range(2))
    high = tuple(max(bounds[i], bounds[i + 2]) for i in range(2))
    last = None
    if fractions is not None:  # a command before it, which was itself within the limits
        mixed = [lo * (1 - f) + hi * f for lo, hi, f in zip(low, high, fractions)]
        last = np.clip(np.array(mixed), low, high)
    asked = np.array(values)
    try:
        safe, limited = gate(low, high, rate).check(asked, last)
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
