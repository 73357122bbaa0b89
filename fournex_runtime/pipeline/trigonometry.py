"""
Sine, cosine and arc tangent that give the same bits on every machine.

The C library's differ in the last bit from one machine to the next (fused multiply-add, versions),
which would make a replay elsewhere differ. These use sums and products of doubles only, in a fixed
order: the kernels of fdlibm (``k_sin.c``, ``k_cos.c``, ``s_atan.c``, https://netlib.org/fdlibm/),
within one unit in the last place of the true value.
"""

from __future__ import annotations

import math

_HALF_PI = 1.57079632679489655800
_SINE = (
    1.58969099521155010221e-10,
    -2.50507602534068634195e-08,
    2.75573137070700676789e-06,
    -1.98412698298579493134e-04,
    8.33333333332248946124e-03,
    -1.66666666666666324348e-01,
)
_COSINE = (
    -1.13596475577881948265e-11,
    2.08757232129817482790e-09,
    -2.75573143513906633035e-07,
    2.48015872894767294178e-05,
    -1.38888888888741095749e-03,
    4.16666666666666019037e-02,
)
_ARC_ODD = (
    1.62858201153657823623e-02,
    4.97687799461593236017e-02,
    6.66107313738753120669e-02,
    9.09088713343650656196e-02,
    1.42857142725034663711e-01,
    3.33333333333329318027e-01,
)
_ARC_EVEN = (
    -3.65315727442169155270e-02,
    -5.83357013379057348645e-02,
    -7.69187620504482999495e-02,
    -1.11111104054623557880e-01,
    -1.99999999998764832476e-01,
)
_ARC_HIGH = (4.63647609000806093515e-01, 7.85398163397448278999e-01, 9.82793723247329054082e-01)
_ARC_LOW = (2.26987774529616870924e-17, 3.06161699786838301793e-17, 1.39033110312309984516e-17)
_PI, _PI_LOW = 3.14159265358979311600, 1.22464679914735317722e-16


def _polynomial(coefficients: tuple[float, ...], x: float) -> float:
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value


def sine_and_cosine_of_turn(part: int, whole: int) -> tuple[float, float]:
    """
    Return the sine and cosine of ``2 pi part / whole``; of whole numbers, so that nothing drifts.

    :param part: of the turn, in any unit; any whole number.
    :param whole: a turn in that unit, above 0.
    """
    eighths = 8 * (part % whole) // whole
    quarter = (eighths + 1) // 2
    left = 8 * (part % whole) - 2 * quarter * whole  # of eighths, within one of the quarter
    x = left / whole * (_HALF_PI / 2.0)
    z = x * x
    sine = x + x * z * _polynomial(_SINE, z)
    cosine = 1.0 - (0.5 * z - z * z * _polynomial(_COSINE, z))
    return ((sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine))[quarter % 4]


def _arc_tangent(x: float) -> float:
    """Return the arc tangent of a number of at least 0."""
    if x >= 2.0**66:
        return _HALF_PI
    index = -1
    if x >= 0.4375:
        if x < 0.6875:
            index, x = 0, (2.0 * x - 1.0) / (2.0 + x)
        elif x < 1.1875:
            index, x = 1, (x - 1.0) / (x + 1.0)
        elif x < 2.4375:
            index, x = 2, (x - 1.5) / (1.0 + 1.5 * x)
        else:
            index, x = 3, -1.0 / x
    z = x * x
    w = z * z
    correction = x * (z * _polynomial(_ARC_ODD, w) + w * _polynomial(_ARC_EVEN, w))
    if index < 0:
        return x - correction
    if index == 3:
        return _HALF_PI - ((correction - 0.5 * _PI_LOW) - x)
    return _ARC_HIGH[index] - ((correction - _ARC_LOW[index]) - x)


def arc_tangent_2(y: float, x: float) -> float:
    """Return the angle of a point from the x axis in (-pi, pi]; of the origin 0, of NaN NaN."""
    if math.isnan(x) or math.isnan(y):
        return math.nan
    if y == 0.0:
        return 0.0 if x >= 0.0 else _PI
    if x == 0.0:
        return math.copysign(_HALF_PI, y)
    angle = _arc_tangent(abs(y / x))
    if x < 0.0:
        angle = _PI - (angle - _PI_LOW)
    return math.copysign(angle, y)
