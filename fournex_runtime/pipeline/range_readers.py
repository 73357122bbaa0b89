"""
Planar scans as sectors.

A beam counts for the sector that its angle lies in; of two sectors that meet in its angle, for
the one further counter-clockwise. Angles are those of a circle, so a scan may begin anywhere, run
either way round, and see more than the contract wants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError
from ..policy.contract import Term
from .fields import Bound, Picker, Vector
from .ports import Port
from .transforms import Frames

_EARLY = 0.1
"""How many beams before a bound a beam counts as on it: angles come as rounded float32."""
_GAP = 1.5
"""How many beams may be missing between the end of a scan and that of the contract's angles."""


class ScanReader(Picker):
    """A planar scan as the least range of each of equal sectors; NaN stays NaN and is a fault."""

    def __init__(self, term: Term, port: Port) -> None:
        self._label = port.label
        self._sectors = int(term.options['sectors'])
        self._low = float(term.options['angle_min'])
        self._high = float(term.options['angle_max'])
        self._geometry: tuple[int, float, float] | None = None
        self._order: NDArray[np.intp] | slice = slice(0)
        self._starts: NDArray[np.intp] = np.empty(0, np.intp)

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the least range of each sector, counter-clockwise from ``angle_min``."""
        scan = messages[0]
        self._write(scan.ranges, float(scan.angle_min), float(scan.angle_increment), out)

    def bound(self, messages: Sequence[Any]) -> Bound:
        """Return all beams and where they point, and what is made of them; see :class:`Picker`."""
        beams = [('ranges', index) for index in range(len(messages[0].ranges))]

        def write(numbers: Sequence[Vector], out: Vector, frames: Frames) -> None:
            first, increment = numbers[0][:2].tolist()
            self._write(numbers[0][2:], first, increment, out)

        return Bound([[('angle_min', None), ('angle_increment', None), *beams]], write)

    def _write(
        self, ranges: NDArray[np.floating], first: float, increment: float, out: Vector
    ) -> None:
        geometry = (len(ranges), first, increment)
        if geometry != self._geometry:
            self._order, self._starts = self._divided(*geometry)
            self._geometry = geometry
        ordered = ranges.astype(np.float64, copy=False)[self._order]
        np.minimum.reduceat(ordered, self._starts, out=out)

    def _divided(
        self, beams: int, first: float, increment: float
    ) -> tuple[NDArray[np.intp] | slice, NDArray[np.intp]]:
        """Return the beams that count, sector by sector, and where each sector begins in them."""
        if beams < self._sectors:
            raise MessageError(
                f'{self._label}: the scan has {beams} beams, the contract wants '
                f'{self._sectors} sectors'
            )
        step = abs(increment)
        if not (math.isfinite(first) and math.isfinite(step) and step > 0.0):
            raise self._uncovered(beams, first, increment)
        circle, wanted = 2.0 * math.pi / step, (self._high - self._low) / step  # in beams
        position = (first - self._low) / step + np.arange(beams) * math.copysign(1.0, increment)
        position = np.mod(position + _EARLY, circle)
        if wanted < circle - 2.0 * _EARLY:  # the beam on angle_max belongs to the last sector
            position[(position >= wanted) & (position < wanted + 2.0 * _EARLY)] = wanted - _EARLY
        sector = np.floor(position * (self._sectors / wanted)).astype(np.intp)
        order = np.argsort(sector, kind='stable')
        order = order[: np.searchsorted(sector[order], self._sectors)]
        starts = np.searchsorted(sector[order], np.arange(self._sectors))
        seen = np.sort(position[position < wanted])
        gaps = np.diff([0.0, *seen, wanted])
        if gaps.max() > _GAP + _EARLY or (np.diff([*starts, len(order)]) == 0).any():
            raise self._uncovered(beams, first, increment)
        return _as_slice(order), starts

    def _uncovered(self, beams: int, first: float, increment: float) -> MessageError:
        end = first + (beams - 1) * increment
        return MessageError(
            f'{self._label}: the scan covers {min(first, end):.3f} to {max(first, end):.3f} rad '
            f'with {beams} beams, the contract wants {self._sectors} sectors from {self._low:.3f} '
            f'to {self._high:.3f} rad'
        )


def _as_slice(numbers: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """Return numbers that go up one by one as a slice, which is a view and no copy."""
    first, last = int(numbers[0]), int(numbers[-1])
    if last - first == len(numbers) - 1 and (np.diff(numbers) == 1).all():
        return slice(first, last + 1)
    return numbers
