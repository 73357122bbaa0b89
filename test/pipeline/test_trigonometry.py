"""The portable functions against the C library's, and at the places where they are exact."""

import math

import numpy as np
import pytest

from fournex_runtime.pipeline.trigonometry import arc_tangent_2, sine_and_cosine_of_turn


def ulps(found, expected):
    return abs(found - expected) / math.ulp(expected)


def test_sine_and_cosine():
    whole = 360_000
    for part in range(-whole, 2 * whole, 97):
        angle = 2.0 * math.pi * (part % whole) / whole
        sine, cosine = sine_and_cosine_of_turn(part, whole)
        assert abs(sine - math.sin(angle)) < 2e-15  # most of it the rounding of angle itself
        assert abs(cosine - math.cos(angle)) < 2e-15


@pytest.mark.parametrize(
    ('part', 'expected'), [(0, (0, 1)), (1, (1, 0)), (2, (0, -1)), (3, (-1, 0)), (-1, (-1, 0))]
)
def test_quarters_are_exact(part, expected):
    assert sine_and_cosine_of_turn(part, 4) == expected


def test_arc_tangent():
    random = np.random.default_rng(5)
    for y, x in random.normal(size=(2000, 2)) * 10.0 ** random.integers(-6, 6, (2000, 2)):
        found, expected = arc_tangent_2(float(y), float(x)), math.atan2(y, x)
        assert ulps(found, expected) <= 2.0


@pytest.mark.parametrize(
    ('y', 'x', 'expected'),
    [
        (0.0, 1.0, 0.0), (0.0, 0.0, 0.0), (0.0, -1.0, math.pi), (-0.0, -1.0, math.pi),
        (1.0, 0.0, math.pi / 2), (-1.0, 0.0, -math.pi / 2), (1.0, 1e-300, math.pi / 2),
    ],
)  # fmt: skip
def test_on_the_axes(y, x, expected):
    assert arc_tangent_2(y, x) == expected


def test_not_a_number_stays_one():
    assert math.isnan(arc_tangent_2(math.nan, 1.0)) and math.isnan(arc_tangent_2(1.0, math.nan))
