"""
The gate before the actuators: the last code that touches a command's values.

It lets through only what is finite and within the wiring's limits. The finite check cannot be
turned off.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ..finite import all_finite

Vector = NDArray[np.float64]


class NonFiniteCommand(ValueError):
    """A value of a command is not finite; nothing is published."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """
    The limits of one action term, one number a value, in the unit of the term.

    :param term: name of the action term.
    :param labels: names of the values.
    :param low: least command.
    :param high: greatest command.
    :param rate: greatest change, per second; infinite where there is none.
    """

    term: str
    labels: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    rate: tuple[float, ...]


class Gate:
    """
    The gate of one action term.

    :param limits: its limits.
    :param period_ns: control period, to which the rate applies.
    """

    def __init__(self, limits: Limits, period_ns: int) -> None:
        self._limits = limits
        self._low, self._high = np.array(limits.low), np.array(limits.high)
        self._step = np.array(limits.rate) * (period_ns * 1e-9)
        self._has_rate = bool(np.isfinite(self._step).any())

    def check(self, values: Vector, last: Vector | None) -> tuple[Vector, tuple[str, ...]]:
        """
        Return the nearest command within the limits, and which limits changed it.

        Position limits win over the rate: a command outside them is never returned.

        :param values: the command asked for.
        :param last: the command before, for the rate; None lets the rate rest.
        :raises NonFiniteCommand: a value is not finite.
        """
        if not all_finite(values):
            bad = np.flatnonzero(~np.isfinite(values))
            names = ', '.join(self._limits.labels[index] for index in bad[:3])
            raise NonFiniteCommand(f'{self._limits.term}: not finite at {names}')
        limited: list[str] = []
        safe = values
        if last is not None and self._has_rate:
            with np.errstate(over='ignore'):  # a sum that overflows is no bound
                low, high = last - self._step, last + self._step
            safe = self._clip(safe, low, high, 'rate', limited)
        safe = self._clip(safe, self._low, self._high, 'range', limited)
        return safe, tuple(limited)

    def _clip(
        self, values: Vector, low: Vector, high: Vector, what: str, limited: list[str]
    ) -> Vector:
        clipped: Vector = values.clip(low, high)
        if clipped.tobytes() == values.tobytes():
            return clipped
        for index in np.flatnonzero(clipped != values):
            limited.append(f'{self._limits.term}/{self._limits.labels[index]}: {what}')
        return clipped
