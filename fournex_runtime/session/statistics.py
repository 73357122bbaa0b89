"""Figures about the latest ticks of a session: rate, lateness, inference time."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

WINDOW = 1024
"""Ticks over which percentiles are taken."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """
    What the statistics say at one moment; durations in seconds.

    :param ticks: ticks so far.
    :param faults: ticks that ended in fallback or stopped.
    :param overruns: releases skipped because a tick took longer than its period.
    :param rate: ticks per second over the window; 0 before there are two.
    """

    ticks: int
    faults: int
    overruns: int
    rate: float
    lateness_p50: float
    lateness_p99: float
    lateness_max: float
    infer_p50: float
    infer_p99: float


class TickStatistics:
    """Keeps the latest ticks; written by the loop, read by any thread."""

    def __init__(self) -> None:
        self._begin = np.zeros(WINDOW, np.int64)
        self._lateness = np.zeros(WINDOW, np.int64)
        self._infer = np.zeros(WINDOW, np.int64)
        self._ticks = 0
        self._faults = 0
        self._overruns = 0
        self._lateness_max = 0

    def add(
        self, begin_ns: int, lateness_ns: int, infer_ns: int, skipped: int, fault: bool
    ) -> None:
        """Count one tick."""
        slot = self._ticks % WINDOW
        self._begin[slot] = begin_ns
        self._lateness[slot] = lateness_ns
        self._infer[slot] = infer_ns
        self._faults += fault
        self._overruns += skipped
        self._lateness_max = max(self._lateness_max, lateness_ns)
        self._ticks += 1

    def summary(self) -> Summary:
        """Return the figures as they stand."""
        count = min(self._ticks, WINDOW)
        if count == 0:
            return Summary(0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        begin = self._begin[:count]
        span_ns = int(begin.max() - begin.min())
        late = _percentiles(self._lateness[:count])
        infer = _percentiles(self._infer[:count])
        return Summary(
            ticks=self._ticks,
            faults=self._faults,
            overruns=self._overruns,
            rate=(count - 1) * 1e9 / span_ns if span_ns > 0 else 0.0,
            lateness_p50=late[0],
            lateness_p99=late[1],
            lateness_max=self._lateness_max * 1e-9,
            infer_p50=infer[0],
            infer_p99=infer[1],
        )


def _percentiles(values_ns: NDArray[np.int64]) -> tuple[float, float]:
    """Return the median and the 99th percentile in seconds, as ``np.percentile`` has them."""
    ordered = np.sort(values_ns)
    return _at(ordered, 0.5) * 1e-9, _at(ordered, 0.99) * 1e-9


def _at(ordered: NDArray[np.int64], share: float) -> float:
    """Return the value at a share of the way through, between its two neighbours."""
    place = share * (len(ordered) - 1)
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    return low + (high - low) * (place - below)
