"""
The gate before the actuators: the last code that touches a command's values.

It lets through only what is finite and within the wiring's limits, and that is what is published.
The finite check cannot be turned off. Where limits are at odds, the range wins over the rate and
the rate over the acceleration.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..clip import clip
from ..finite import all_finite
from .limits import ORIENTATION, QUATERNION, RANGE, RATE, Limits
from .orientation import NoRotation, Orientation, unit

__all__ = ['Gate', 'Limits', 'NoRotation', 'NonFiniteCommand']

Vector = NDArray[np.float64]
_LARGE = 1e300
"""Two numbers within this have a finite sum."""


class NonFiniteCommand(ValueError):
    """A value of a command is not finite; nothing is published."""


class Gate:
    """
    The gate of one action term.

    :param limits: its limits.
    :param period_ns: control period, to which rate and acceleration apply.
    """

    def __init__(self, limits: Limits, period_ns: int) -> None:
        self._limits = limits
        period_s = period_ns * 1e-9
        size = len(limits.labels)
        self._low, self._high = np.array(limits.low), np.array(limits.high)
        self._step = np.array(limits.rate) * period_s
        finite = np.concatenate(
            [one[np.isfinite(one)] for one in (self._low, self._high, self._step)]
        )
        self._may_overflow = bool((np.abs(finite) > _LARGE).any())
        self._has_rate = bool(np.isfinite(self._step).any())
        self._bend = np.array(limits.acceleration or (np.inf,) * size) * (period_s * period_s)
        self._bends = np.isfinite(self._bend)
        self._has_acceleration = bool(self._bends.any())
        self._low_by = limits.low_by or (RANGE,) * size
        self._high_by = limits.high_by or (RANGE,) * size
        self._rate_by = limits.rate_by or (RATE,) * size
        self._orientation = None if limits.turn is None else Orientation(limits.turn, period_ns)

    def check(
        self, values: Vector, last: Vector | None, before: Vector | None = None
    ) -> tuple[Vector, tuple[str, ...]]:
        """
        Return the nearest command within the limits, and which limits changed it.

        :param values: the command asked for.
        :param last: the command before, for rate and acceleration; None lets both rest, for a
            stop, and for what was let through already and is said again.
        :param before: the command before that; None: the robot was standing.
        :raises NonFiniteCommand: a value is not finite.
        :raises NoRotation: the quaternion of a pose is too short to be one.
        """
        if not all_finite(values):
            bad = np.flatnonzero(~np.isfinite(values))
            names = ', '.join(self._limits.labels[index] for index in bad[:3])
            raise NonFiniteCommand(f'{self._limits.term}: not finite at {names}')
        limited: list[str] = []
        safe = values if self._orientation is None else self._oriented(values, last, limited)
        if last is not None and self._has_acceleration:
            safe = self._bent(self._in_range(safe, limited), last, before, limited)
        elif last is not None and self._has_rate:
            clipped = clip(safe, *self._reach(last))
            if clipped.tobytes() != safe.tobytes():
                self._note(safe, clipped, self._rate_by, limited)
            safe = clipped
        return self._in_range(safe, limited), tuple(limited)

    def _oriented(self, values: Vector, last: Vector | None, limited: list[str]) -> Vector:
        """Return a pose whose quaternion has norm 1 and turns no faster than it may."""
        assert self._orientation is not None
        before = None if last is None else last[QUATERNION].tolist()
        try:
            wanted = unit(values[QUATERNION].tolist())
            found = self._orientation.bounded(wanted, before)
        except NoRotation as problem:
            raise NoRotation(f'{self._limits.term}: {problem}') from problem
        asked, safe = values.copy(), values.copy()
        asked[QUATERNION], safe[QUATERNION] = wanted, found
        self._note(asked, safe, (ORIENTATION,) * len(values), limited)
        return safe

    def _reach(self, last: Vector) -> tuple[Vector, Vector]:
        """Return what lies one step of the rate from a command."""
        if not self._may_overflow:
            return last - self._step, last + self._step
        with np.errstate(over='ignore'):  # a sum that overflows is no bound
            return last - self._step, last + self._step

    def _in_range(self, values: Vector, limited: list[str]) -> Vector:
        clipped: Vector = clip(values, self._low, self._high)
        if clipped.tobytes() != values.tobytes():
            raised = (values < clipped).tolist()
            sides = zip(raised, self._low_by, self._high_by)
            by = [low_by if up else high_by for up, low_by, high_by in sides]
            self._note(values, clipped, by, limited)
        return clipped

    def _bent(
        self, values: Vector, last: Vector, before: Vector | None, limited: list[str]
    ) -> Vector:
        """
        Return how far the way to some positions goes within one period.

        Never faster than it can be braked before them: who goes by ``u = (m + f) a`` in a period,
        ``m`` a whole number and ``f`` below 1, goes ``u + (u - a) + … = (m + 1) (m / 2 + f) a``.
        """
        with np.errstate(all='ignore'):
            way = values - last
            stepped = way.clip(-self._step, self._step)
            bends = np.abs(way) / self._bend
            whole = np.floor(0.5 * np.sqrt(1.0 + 8.0 * bends) - 0.5)
            braked = self._bend * (0.5 * whole + bends / (whole + 1.0))
            # within the last period there is no braking; what overflows is no bound
            bound = self._bends & (whole > 0.0) & np.isfinite(braked)
            braked = np.where(bound, braked, np.inf)
            wanted = stepped.clip(-braked, braked)
            speed = np.zeros(len(last)) if before is None else last - before
            made = wanted.clip(speed - self._bend, speed + self._bend)
            made = np.where(self._bends, made, wanted).clip(-self._step, self._step)
            safe: Vector = np.where(made == way, values, last + made)
        self._note(np.where(made == stepped, values, safe), safe, self._rate_by, limited)
        braking = ('acceleration',) * len(values)
        self._note(np.where(made == stepped, safe, values), safe, braking, limited)
        return safe

    def _note(
        self, values: Vector, clipped: Vector, by: Sequence[str], limited: list[str]
    ) -> None:
        """Name the limits that changed values; each once."""
        for index in np.flatnonzero(clipped != values):
            words = f'{self._limits.term}/{self._limits.labels[index]}: {by[index]}'
            if words not in limited:
                limited.append(words)
