"""Clipping gives the bits of numpy's own function."""

import itertools

import numpy as np

from fournex_runtime.clip import clip

VALUES = (np.nan, 0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, 5e-324, 1e308)


def test_every_kind_of_number_within_every_kind_of_bounds():
    values, low, high = np.array([*itertools.product(VALUES, repeat=3)]).T
    expected = np.clip(values, low, high)
    assert clip(values, low, high).tobytes() == expected.tobytes()
    clip(values, low, high, values)
    assert values.tobytes() == expected.tobytes()
