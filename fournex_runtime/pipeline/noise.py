"""
Random numbers as an observation: a function of the episode's seed and nothing else that moves.

A policy that samples its actions takes the noise as an input. Each number comes from its seed, the
name of its term, the number of its tick and its place, so that a tick stays a pure function and
any tick of a recording can be made again alone. The bits are those of Philox4x64-10 (Salmon et
al., SC 2011, https://doi.org/10.1145/2063384.2063405), the key the seed and the name, the counter
the tick. What makes numbers of them uses sums, products, quotients and square roots of doubles
only, in a fixed order: the same bits on every machine, which the C library's logarithm would not
give.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable

import numpy as np

from ..policy.term_kinds import NOISE_DISTRIBUTIONS
from .fields import Vector

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LOGARITHM = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
)
_CENTRE = (
    (2.5090809287301226727e3, 5.2264952788528545610e3),
    (3.3430575583588128105e4, 2.8729085735721942674e4),
    (6.7265770927008700853e4, 3.9307895800092710610e4),
    (4.5921953931549871457e4, 2.1213794301586595867e4),
    (1.3731693765509461125e4, 5.3941960214247511077e3),
    (1.9715909503065514427e3, 6.8718700749205790830e2),
    (1.3314166789178437745e2, 4.2313330701600911252e1),
    (3.3871328727963666080e0, 1.0),
)
_TAIL = (
    (7.74545014278341407640e-4, 1.05075007164441684324e-9),
    (2.27238449892691845833e-2, 5.47593808499534494600e-4),
    (2.41780725177450611770e-1, 1.51986665636164571966e-2),
    (1.27045825245236838258e0, 1.48103976427480074590e-1),
    (3.64784832476320460504e0, 6.89767334985100004550e-1),
    (5.76949722146069140550e0, 1.67638483018380384940e0),
    (4.63033784615654529590e0, 2.05319162663775882187e0),
    (1.42343711074968357734e0, 1.0),
)
_FAR_TAIL = (
    (2.01033439929228813265e-7, 2.04426310338993978564e-15),
    (2.71155556874348757815e-5, 1.42151175831644588870e-7),
    (1.24266094738807843860e-3, 1.84631831751005468180e-5),
    (2.65321895265761230930e-2, 7.86869131145613259100e-4),
    (2.96560571828504891230e-1, 1.48753612908506148525e-2),
    (1.78482653991729133580e0, 1.36929880922735805310e-1),
    (5.46378491116411436990e0, 5.99832206555887937690e-1),
    (6.65790464350110377720e0, 1.0),
)
Ratio = tuple[tuple[float, float], ...]


def noise(seed: int, name: str, tick: int, size: int, distribution: str) -> Vector:
    """
    Return the noise of a term at a tick.

    :param seed: of the episode, 0 to 2**64 - 1.
    :param name: of the term: terms of other names have noise that has nothing to do with it.
    :param tick: number of the tick in its episode.
    :param size: how many numbers.
    :param distribution: one of ``NOISE_DISTRIBUTIONS``.
    """
    key = np.array([seed, _name_key(name)], np.uint64)
    counter = np.array([0, tick, 0, 0], np.uint64)
    bits = np.random.Philox(counter=counter, key=key).random_raw(size).tolist()
    make = _DISTRIBUTIONS[distribution]
    return np.array([make(one) for one in bits])


@functools.lru_cache(maxsize=256)
def _name_key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], 'little')


def _uniform(bits: int) -> float:
    """Return a number above 0 and below 1 that float32 holds exactly, 2**23 in even steps."""
    return ((bits >> 41) + 0.5) * 2.0**-23


def _fine_uniform(bits: int) -> float:
    """Return a number above 0 and below 1, 2**52 in even steps."""
    return ((bits >> 12) + 0.5) * 2.0**-52


def _gumbel(bits: int) -> float:
    """Return a number of the standard Gumbel distribution; see :func:`_fine_uniform`."""
    return -natural_logarithm(-natural_logarithm(_fine_uniform(bits)))


def _normal(bits: int) -> float:
    """Return a number of the standard normal distribution; see :func:`normal_quantile`."""
    return normal_quantile(_fine_uniform(bits))


_DISTRIBUTIONS: dict[str, Callable[[int], float]] = dict(
    zip(NOISE_DISTRIBUTIONS, (_normal, _uniform, _gumbel))
)


def natural_logarithm(x: float) -> float:
    """
    Return the natural logarithm of a number above 0, within one unit in the last place.

    The kernel of fdlibm (``e_log.c``, https://netlib.org/fdlibm/).
    """
    fraction, exponent = math.frexp(x)  # exact
    if fraction < math.sqrt(0.5):
        fraction, exponent = 2.0 * fraction, exponent - 1
    f = fraction - 1.0
    s = f / (2.0 + f)
    z = s * s
    series = 0.0
    for coefficient in _LOGARITHM:
        series = (series + coefficient) * z
    half = 0.5 * f * f
    return exponent * _LN2_HIGH - ((half - (s * (half + series) + exponent * _LN2_LOW)) - f)


def normal_quantile(p: float) -> float:
    """
    Return the number that a standard normal variable stays below with a probability.

    Wichura's algorithm AS 241 (PPND16, Applied Statistics 37, 1988), about 1 part in 10**16.

    :param p: the probability, above 0 and below 1.
    """
    q = p - 0.5
    if abs(q) <= 0.425:
        return q * _ratio(_CENTRE, 0.180625 - q * q)
    r = math.sqrt(-natural_logarithm(p if q < 0.0 else 1.0 - p))
    value = _ratio(_TAIL, r - 1.6) if r <= 5.0 else _ratio(_FAR_TAIL, r - 5.0)
    return -value if q < 0.0 else value


def _ratio(coefficients: Ratio, x: float) -> float:
    above = below = 0.0
    for numerator, denominator in coefficients:
        above, below = above * x + numerator, below * x + denominator
    return above / below
