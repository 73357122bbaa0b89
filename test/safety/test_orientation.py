"""Quaternions are limited as a whole: norm 1, and no faster than they may turn."""

import math
import struct

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fournex_runtime.pipeline.action_terms import build_action
from fournex_runtime.policy.contract import parse_contract
from fournex_runtime.safety.orientation import NoRotation, Orientation, unit

PERIOD_NS = 20_000_000
HALF = math.sqrt(0.5)
number = st.integers(0, 2**64 - 1).map(
    lambda bits: struct.unpack('<d', struct.pack('<Q', bits))[0]
)
four = st.tuples(*[number.filter(math.isfinite) | st.floats(-2, 2)] * 4)


def angle(one, other):
    """Return the angle between two orientations, accurate for small ones, too."""
    one, other = np.array(one), np.array(other)
    other = other * math.copysign(1.0, one @ other)
    return 2 * math.atan2(float(np.linalg.norm(other - (one @ other) * one)), float(one @ other))


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(wanted=four, last=four, rate=st.floats(1e-6, 1e3) | st.just(math.inf))
@example((0.0, 0.0, 0.0, -1.7e308), (-1.7e308, 0.0, 0.0, 0.0), 1.0)
@example((0.0, 0.0, 1.0, 0.0), (0.0, 0.0, -1.0, 0.0), 1.0)
def test_whatever_comes_in(wanted, last, rate):
    try:
        wanted, last = unit(wanted), unit(last)
    except NoRotation:
        assume(False)
    made = Orientation(rate, PERIOD_NS).bounded(wanted, last)
    for one in (wanted, made):
        assert math.hypot(*one) == pytest.approx(1.0, abs=1e-11) and one[3] >= 0.0
        assert unit(one) == one
    step = rate * PERIOD_NS * 1e-9
    assert angle(last, made) <= step + 1e-12
    if angle(last, wanted) <= step - 1e-12:
        assert made == wanted
    else:
        assert angle(made, wanted) <= angle(last, wanted) + 1e-12


@pytest.mark.parametrize('short', [(0.0, 0.0, 0.0, 0.0), (0.1, 0.0, 0.0, -0.4), (5e-324,) * 4])
def test_what_is_too_short_is_no_rotation(short):
    with pytest.raises(NoRotation, match='its quaternion has norm .*, expected 1'):
        unit(short)


def test_the_shorter_way_between_two_orientations_never_leaves_them_without_norm():
    term = parse_contract(f"""\
name: t
version: 1
period: 10 ms
inputs: {{obs: [{{term: value, size: 1}}]}}
outputs: {{action: [{{term: pose_target, layout: position+quaternion_xyzw}}]}}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
""").action_terms[0]
    begin = np.array([0, 0, 0, 1.0, 0, 0, 0])
    end = np.array([2, 0, 0, -HALF, 0, 0, HALF])  # a quarter turn further, w above 0
    half = build_action(term).between(begin, end, 0.5)
    assert half[0] == 1.0
    assert angle(unit(half[3:]), begin[3:]) == pytest.approx(math.pi / 4)
    assert np.linalg.norm(half[3:]) > 0.5
