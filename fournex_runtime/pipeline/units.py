"""
Units: what a contract and a robot count in, and the way from one to the other.

A unit is an exact multiple of the SI unit of its quantity, so that a conversion is one rounded
number, or the division by a whole one. Two units of different quantities cannot be converted, and
radians are a quantity of their own: a length is no angle.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..configuration import nearest

Vector = NDArray[np.float64]

_PI = Fraction('3.14159265358979323846264338327950288419716939937510')
_DEGREE = _PI / 180
_TURN = 2 * _PI
_INCH = Fraction('0.0254')
_G = Fraction('9.80665')

_TABLE: dict[str, dict[str, Fraction]] = {
    'a length': {
        'm': Fraction(1), 'cm': Fraction(1, 100), 'mm': Fraction(1, 1000),
        'um': Fraction(1, 10**6), 'km': Fraction(1000), 'in': _INCH, 'ft': 12 * _INCH,
    },
    'an angle': {
        'rad': Fraction(1), 'mrad': Fraction(1, 1000), 'deg': _DEGREE, 'turn': _TURN,
    },
    'a speed': {
        'm/s': Fraction(1), 'cm/s': Fraction(1, 100), 'mm/s': Fraction(1, 1000),
        'km/h': Fraction(5, 18), 'ft/s': 12 * _INCH, 'mph': Fraction('0.44704'),
    },
    'an angular velocity': {
        'rad/s': Fraction(1), 'mrad/s': Fraction(1, 1000), 'deg/s': _DEGREE,
        'turn/s': _TURN, 'rpm': _PI / 30,
    },
    'an acceleration': {
        'm/s^2': Fraction(1), 'cm/s^2': Fraction(1, 100), 'mm/s^2': Fraction(1, 1000),
        'g0': _G,
    },
    'an angular acceleration': {
        'rad/s^2': Fraction(1), 'deg/s^2': _DEGREE, 'turn/s^2': _TURN,
    },
    'a force': {
        'N': Fraction(1), 'mN': Fraction(1, 1000), 'kN': Fraction(1000), 'kgf': _G,
    },
    'a torque': {
        'Nm': Fraction(1), 'mNm': Fraction(1, 1000), 'Ncm': Fraction(1, 100),
        'kgfcm': _G / 100,
    },
    'an angular stiffness': {'Nm/rad': Fraction(1), 'Nm/deg': 1 / _DEGREE},
    'an angular damping': {'Nms/rad': Fraction(1), 'Nms/deg': 1 / _DEGREE},
    'a stiffness': {'N/m': Fraction(1), 'N/mm': Fraction(1000)},
    'a damping': {'Ns/m': Fraction(1), 'Ns/mm': Fraction(1000)},
    'a time': {'s': Fraction(1), 'ms': Fraction(1, 1000), 'us': Fraction(1, 10**6)},
    'a mass': {'kg': Fraction(1), 'g': Fraction(1, 1000)},
    'a current': {'A': Fraction(1), 'mA': Fraction(1, 1000)},
    'a voltage': {'V': Fraction(1), 'mV': Fraction(1, 1000)},
    'a ratio': {'1': Fraction(1), '%': Fraction(1, 100)},
}  # fmt: skip
UNITS = {
    unit: (quantity, factor)
    for quantity, units in _TABLE.items()
    for unit, factor in units.items()
}
"""Every unit that can be converted: its quantity, and how much of the SI unit it is."""

_SECOND = ('angular_', 'cos_', 'sin_', 'q')


@dataclasses.dataclass(frozen=True)
class Conversion:
    """
    From one unit to another, value by value: times ``multiplier``, then over ``divisor``.

    One of the two is 1: a whole divisor rounds only once (5 mm are 0.005 m to the last bit).
    """

    multiplier: Vector
    divisor: Vector

    def __call__(self, values: Vector) -> Vector:
        """Return the values in the other unit."""
        converted: Vector = values * self.multiplier / self.divisor
        return converted


def units_of_values(unit: str, labels: Sequence[str]) -> list[str]:
    """
    Return the unit of each value of a term.

    A term may have one unit, one for each value, or two where its values differ in kind: the
    second is then that of angular, directional and quaternion values.

    :param unit: as the contract or the wiring has it, for instance ``m/s, rad/s``.
    :param labels: names of the values.
    """
    parts = [part.strip() for part in unit.split(',')]
    if len(parts) == len(labels):
        return parts
    if len(parts) != 2:
        return [unit] * len(labels)
    return [parts[label.startswith(_SECOND)] for label in labels]


def conversion(
    found: str, wanted: str, labels: Sequence[str], *, to_robot: bool = False
) -> Conversion | None:
    """
    Return the conversion between the unit of a wiring and that of a contract.

    :param found: the robot's unit, as ``units_of_values`` takes it; empty where the wiring says
        none, which is right where the contract's are SI units or units that are not known here.
    :param wanted: the contract's.
    :param labels: names of the values.
    :param to_robot: from the contract's to the robot's, instead of the other way.
    :return: None where nothing is to be converted.
    :raises ValueError: a unit is unknown, the two are not of one quantity, or the contract's is
        none of SI and the wiring says none.
    """
    ours = units_of_values(wanted, labels)
    if not found:
        _refuse_unsaid(ours)
        return None
    theirs = units_of_values(found, labels)
    if any(',' in one for one in theirs):
        raise ValueError(
            f'{found!r} are {found.count(",") + 1} units, expected one, or one for each of '
            f'{", ".join(labels)}'
        )
    multiplier, divisor = np.ones(len(labels)), np.ones(len(labels))
    for index, (label, mine, other) in enumerate(zip(labels, ours, theirs)):
        factor = _factor(label, mine, other)
        if to_robot:
            factor = 1 / factor
        if factor.numerator == 1:
            divisor[index] = factor.denominator
        else:
            multiplier[index] = float(factor)
    if (multiplier == 1.0).all() and (divisor == 1.0).all():
        return None
    return Conversion(multiplier, divisor)


def _factor(label: str, wanted: str, found: str) -> Fraction:
    """Return how much of the contract's unit one of the robot's is."""
    if found == wanted:
        return Fraction(1)
    if not wanted:
        raise ValueError(f'{label}: the contract gives no unit to convert {found} to')
    for unit, whose in ((found, 'the wiring'), (wanted, 'the contract')):
        if unit not in UNITS:
            raise ValueError(
                f'{label}: {unit!r}, the unit of {whose}, is none that can be converted.'
                + nearest(unit, list(UNITS))
            )
    (other, numerator), (mine, denominator) = UNITS[found], UNITS[wanted]
    if other != mine:
        raise ValueError(
            f'{label}: {found} is {other}, the contract has {wanted}, {mine}; '
            f'expected one of {", ".join(_TABLE[mine])}'
        )
    return numerator / denominator


def _refuse_unsaid(units: Sequence[str]) -> None:
    for unit in units:
        quantity, factor = UNITS.get(unit, ('', Fraction(1)))
        if factor != 1:
            si = next(iter(_TABLE[quantity]))
            raise ValueError(
                f'the contract counts in {unit}: say what the robot counts in, unit: {unit} or, '
                f'as ROS messages do, unit: {si}'
            )
