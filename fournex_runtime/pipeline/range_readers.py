"""Ranges: planar scans and single beams, with REP 117's values for no return and too close."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError
from ..policy.contract import Term
from .fields import Vector
from .ports import Port


class ScanReader:
    """
    A planar scan as the least range of each of equal sectors.

    No return (``inf``, REP 117) reads as ``range_max`` of the contract, too close (``-inf``) as
    zero; NaN stays NaN and is a fault.
    """

    def __init__(self, term: Term, port: Port) -> None:
        self._label = port.label
        self._sectors = int(term.options['sectors'])
        self._range_max = float(term.options['range_max'])
        self._angles = (float(term.options['angle_min']), float(term.options['angle_max']))
        self._starts: NDArray[np.intp] = np.empty(0, np.intp)
        self._beams = 0

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write the least range of each sector, counter-clockwise from ``angle_min``."""
        scan = messages[0]
        beams = len(scan.ranges)
        if beams < self._sectors:
            raise MessageError(
                f'{self._label}: the scan has {beams} beams, the contract wants '
                f'{self._sectors} sectors'
            )
        end = scan.angle_min + beams * scan.angle_increment
        slack = 1.5 * abs(scan.angle_increment)
        low, high = self._angles
        if not (abs(scan.angle_min - low) <= slack and abs(end - high) <= slack):
            raise MessageError(
                f'{self._label}: the scan covers {scan.angle_min:.3f} to {end:.3f} rad, the '
                f'contract wants {low:.3f} to {high:.3f} rad'
            )
        if beams != self._beams:
            self._starts = np.arange(self._sectors) * beams // self._sectors
            self._beams = beams
        np.minimum.reduceat(scan.ranges.astype(np.float64), self._starts, out=out)
        np.clip(out, 0.0, self._range_max, out=out)


class RangeReader:
    """One beam: no return (``inf``) reads as ``range_max``, too close (``-inf``) as zero."""

    def __init__(self, term: Term) -> None:
        self._range_max = float(term.options['range_max'])

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write the range."""
        np.clip(np.float64(messages[0].range), 0.0, self._range_max, out=out)
