"""
The orientation of a commanded pose: a quaternion of norm 1, and how far it may turn in a period.

A quaternion is limited as a whole: its four numbers mean nothing one by one, and what a limit on
one of them leaves is another rotation once it has norm 1 again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..pipeline.trigonometry import sine_and_cosine_of_turn

LEAST_NORM = 0.5
"""A quaternion shorter than this says too little about a rotation to be one."""
_ROUNDING = 1e-12
"""How far the norm of a quaternion is from 1 that is left as it is."""
_TURN = 2**64

Quaternion = Sequence[float]
"""x y z w."""


class NoRotation(ValueError):
    """A quaternion is too short to be a rotation; nothing is published."""


def unit(quaternion: Quaternion) -> list[float]:
    """
    Return a quaternion with norm 1 and w of at least 0, which is the same rotation.

    One that is so already is returned with its bits.

    :param quaternion: four finite numbers.
    :raises NoRotation: it is too short to say what the rotation is.
    """
    found = [*quaternion]
    largest = max(map(abs, found))
    if largest > 1.0:  # else a square might overflow
        found = [one / largest for one in found]
    norm = math.sqrt(sum(one * one for one in found))
    if norm * max(largest, 1.0) < LEAST_NORM:
        raise NoRotation(f'its quaternion has norm {norm:.2g}, expected 1')
    if largest > 1.0 or abs(norm - 1.0) > _ROUNDING:
        found = [one / norm for one in found]
    return [-one for one in found] if found[3] < 0.0 else found


class Orientation:
    """
    The limit of an orientation.

    :param rate: greatest turn, rad/s; infinite where there is none.
    :param period_ns: control period.
    """

    def __init__(self, rate: float, period_ns: int) -> None:
        share = rate * period_ns * 1e-9 / (4.0 * math.pi)  # of a turn, and half of the angle
        self._bounded = share < 0.25
        part = int(share * _TURN) if self._bounded else 0
        self._sine, self._cosine = sine_and_cosine_of_turn(part, _TURN)

    def bounded(self, wanted: Quaternion, last: Quaternion | None) -> Quaternion:
        """
        Return the nearest orientation within the limit.

        :param wanted: the orientation asked for, of norm 1.
        :param last: that of the command before; None lets the limit rest.
        """
        if last is None or not self._bounded:
            return wanted
        along = sum(one * other for one, other in zip(last, wanted))
        # A quaternion and its negative are one rotation: that on the shorter way.
        towards = [-one for one in wanted] if along < 0.0 else wanted
        across = [one - abs(along) * other for one, other in zip(towards, last)]
        sine = math.sqrt(sum(one * one for one in across))  # of half the angle between the two
        if sine <= self._sine:
            return wanted
        made = [
            self._cosine * other + self._sine * (one / sine) for one, other in zip(across, last)
        ]
        return unit(made)
