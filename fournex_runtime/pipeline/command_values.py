"""
Safe values of an action term as numbers of the robot's message.

They are converted to the robot's unit and rounded to the nearest number that the field's type can
hold and that is still within the limits: what is published has passed the gate, too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WiringError
from ..policy.contract import Term
from .ports import Target
from .units import conversion

Vector = NDArray[np.float64]
ROUNDINGS = ('nearest',)
"""How values may be made whole numbers, as a wiring says it."""


@dataclasses.dataclass(frozen=True)
class CommandPart:
    """
    One action term of a command message.

    :param term: the term of the contract.
    :param target: where it goes.
    :param low: least value of each, in the unit of the term.
    :param high: greatest value of each.
    """

    term: Term
    target: Target
    low: Vector
    high: Vector


class CommandValues:
    """
    The values of an action term in the robot's unit and type of number.

    :param part: the term, its target and its limits.
    :param dtype: numpy's name of the type of number.
    :param only: places of the values to take; all when left out.
    :raises WiringError: units do not go together, or the type cannot hold what the limits allow.
    """

    def __init__(
        self, part: CommandPart, dtype: str = 'float64', only: Sequence[int] | None = None
    ) -> None:
        term, target = part.term, part.target
        try:
            self._conversion = conversion(target.unit, term.unit, term.labels, to_robot=True)
        except ValueError as problem:
            raise WiringError(f'unit: {problem}') from problem
        self._dtype = np.dtype(dtype)
        self._only = np.array(range(term.size) if only is None else only, np.intp)
        self._all = only is None
        self._low, self._high = self._bounds(part)

    def __call__(self, values: Vector) -> NDArray[Any]:
        """Return the values as the message holds them."""
        if self._conversion is not None:
            values = self._conversion(values)
        if not self._all:
            values = values[self._only]
        if self._dtype == np.float64:
            return values
        if self._dtype.kind != 'f':
            values = np.rint(values)
        return np.clip(values.astype(self._dtype), self._low, self._high)

    def _in_robots_unit(self, values: Vector) -> Vector:
        return values if self._conversion is None else self._conversion(values)

    def _bounds(self, part: CommandPart) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the least and the greatest number of the type within the limits."""
        term, target = part.term, part.target
        low, high = (self._in_robots_unit(one.copy()) for one in (part.low, part.high))
        low, high = low[self._only], high[self._only]
        labels = [term.labels[index] for index in self._only]
        if self._dtype.kind in 'iu' and target.rounding != 'nearest':
            raise WiringError(
                f'{target.type} has whole numbers ({self._dtype}) for it: say rounding: nearest '
                'if its values may become whole ones, in the unit of the robot'
            )
        if self._dtype.kind == 'f' and target.rounding:
            raise WiringError(f'rounding: is for whole numbers; {target.type} has {self._dtype}')
        smallest, largest = _span(self._dtype)
        for label, least, greatest in zip(labels, low, high):
            if least < smallest or greatest > largest:
                raise WiringError(
                    f'{target.type} cannot hold all values of {label} up to the limits '
                    f'{least:g} and {greatest:g}: it has {self._dtype} for it'
                )
        lowest, highest = _inside(low, self._dtype, 1.0), _inside(high, self._dtype, -1.0)
        for label, least, greatest in zip(labels, lowest, highest):
            if least > greatest:
                raise WiringError(
                    f'{label}: no {self._dtype} lies within its limits; give the limits room, or '
                    'a unit: in which they are further apart'
                )
        return lowest, highest


def _span(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the least and the greatest number of a type; of the exact ones, up to 2**53."""
    if dtype.kind == 'f':
        return float(np.finfo(dtype).min), float(np.finfo(dtype).max)
    info = np.iinfo(dtype)
    return float(max(info.min, -(2**53))), float(min(info.max, 2**53))


def _inside(bounds: Vector, dtype: np.dtype[Any], direction: float) -> NDArray[Any]:
    """Return the numbers of a type nearest to bounds, none of them outside."""
    if dtype.kind != 'f':
        return (np.ceil(bounds) if direction > 0.0 else np.floor(bounds)).astype(dtype)
    found = bounds.astype(dtype)
    outside = (found.astype(np.float64) - bounds) * direction < 0.0
    return np.where(outside, np.nextafter(found, dtype.type(direction * np.inf)), found)
