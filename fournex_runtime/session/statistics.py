"""Figures about the latest ticks of a session: rate, lateness, the time of each stage."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .blame import STAGES, stage_to_blame
from .silence import silent_ns
from .tick import AnswerKind, Timing

WINDOW = 1024
"""Ticks over which percentiles are taken."""
_PART = 16
"""Percentiles are taken anew when one in so many ticks is new: it takes as long as a tick."""
_COLUMNS = ('begin', 'skipped', 'late', 'lateness', *STAGES)
_STAGES = slice(_COLUMNS.index(STAGES[0]), None)
_ROW = struct.Struct(f'={len(_COLUMNS)}q')


@dataclasses.dataclass(frozen=True)
class Percentiles:
    """The median and the 99th percentile of a duration, in seconds."""

    p50: float = 0.0
    p99: float = 0.0


@dataclasses.dataclass(frozen=True)
class Summary:
    """
    What the statistics say at one moment; durations in seconds.

    :param ticks: ticks so far.
    :param faults: ticks that ended in fallback or stopped.
    :param overruns: releases skipped because a tick took longer than its period.
    :param late: answers of the policy that were not there in time.
    :param failed: answers of the policy that were errors, or none that the contract knows.
    :param rate: ticks per second over the window; 0 before there are two.
    :param lateness: of the releases.
    :param lateness_max: the greatest of all time.
    :param stages: how long each stage took, by its name in :data:`STAGES`.
    """

    ticks: int
    faults: int
    overruns: int
    late: int
    failed: int
    rate: float
    lateness: Percentiles
    lateness_max: float
    stages: Mapping[str, Percentiles]


class TickStatistics:
    """
    Keeps the latest ticks; written by the loop, read by any thread.

    :param begun_ns: when the session was started, steady clock.
    """

    def __init__(self, begun_ns: int = 0) -> None:
        self._begun_ns = begun_ns
        # Packed into bytes: numpy takes several times as long to put one row into an array.
        self._bytes = bytearray(WINDOW * _ROW.size)
        self._rows = np.frombuffer(self._bytes, np.int64).reshape(WINDOW, len(_COLUMNS))
        self._ticks = 0
        self._faults = 0
        self._overruns = 0
        self._answers = dict.fromkeys(AnswerKind, 0)
        self._lateness_max = 0
        self._ordered: tuple[int, float, list[Percentiles]] = (0, 0.0, [])
        self._judged = (0, '')

    def add(self, begin_ns: int, timing: Timing, answer: AnswerKind, fault: bool) -> None:
        """
        Count one tick.

        :param begin_ns: when it began, steady clock.
        :param timing: how long its stages took.
        :param answer: how the policy answered.
        :param fault: whether it ended in fallback or stopped.
        """
        _ROW.pack_into(
            self._bytes,
            self._ticks % WINDOW * _ROW.size,
            begin_ns,
            timing.skipped,
            answer is AnswerKind.LATE,
            timing.lateness_ns,
            timing.wait_ns,
            timing.take_ns,
            timing.decode_ns,
            timing.observe_ns,
            timing.infer_ns,
            timing.conclude_ns,
            timing.publish_ns,
            timing.record_ns,
        )
        self._faults += fault
        self._overruns += timing.skipped
        self._answers[answer] += 1
        if timing.lateness_ns > self._lateness_max:
            self._lateness_max = timing.lateness_ns
        self._ticks += 1

    def silent_ns(self, now_ns: int, period_ns: int) -> int:
        """
        Return for how long there has been no tick; 0 as long as that is in order.

        :param now_ns: now, steady clock.
        :param period_ns: the control period.
        """
        last_ns = self._begun_ns
        if self._ticks:
            last_ns = int(self._rows[(self._ticks - 1) % WINDOW, 0])
        return silent_ns(now_ns - last_ns, period_ns, self.summary().rate)

    def blame(self, period_ns: int) -> str:
        """
        Return the stage because of which the rate is not held; empty while it is.

        As of some ticks ago at most.
        """
        count = min(self._ticks, WINDOW)
        judged_at, stage = self._judged
        if not judged_at or self._ticks - judged_at > count // _PART:
            rows, stage = self._rows[:count], ''
            if rows[:, 1:3].any():
                rows = rows[np.argsort(rows[:, 0], kind='stable')]
                stage = stage_to_blame(rows[:, _STAGES], rows[:, 1], rows[:, 2], period_ns)
            self._judged = self._ticks, stage  # at once: several threads read it
        return stage

    def summary(self) -> Summary:
        """Return the figures as they stand; percentiles are as of some ticks ago at most."""
        count = min(self._ticks, WINDOW)
        if count == 0:
            none = Percentiles()
            return Summary(0, 0, 0, 0, 0, 0.0, none, 0.0, dict.fromkeys(STAGES, none))
        ordered_at, rate, percentiles = self._ordered
        if not ordered_at or self._ticks - ordered_at > count // _PART:
            columns = self._rows[:count].T
            span_ns = int(columns[0].max() - columns[0].min())
            rate = (count - 1) * 1e9 / span_ns if span_ns > 0 else 0.0
            percentiles = _percentiles(columns[_COLUMNS.index('lateness') :])
            self._ordered = self._ticks, rate, percentiles  # at once: several threads read it
        lateness, *stages = percentiles
        return Summary(
            ticks=self._ticks,
            faults=self._faults,
            overruns=self._overruns,
            late=self._answers[AnswerKind.LATE],
            failed=self._answers[AnswerKind.FAILED],
            rate=rate,
            lateness=lateness,
            lateness_max=self._lateness_max * 1e-9,
            stages=dict(zip(STAGES, stages)),
        )


def _percentiles(rows: NDArray[np.int64]) -> list[Percentiles]:
    """Return the percentiles of each row of nanoseconds, as ``np.percentile`` has them."""
    last = rows.shape[1] - 1
    places = [share * last for share in (0.5, 0.99)]  # between two neighbours
    needed = sorted({min(int(place) + above, last) for place in places for above in (0, 1)})
    found = np.partition(rows, needed, axis=1)[:, needed].tolist()
    return [Percentiles(*(_at(one, needed, place) * 1e-9 for place in places)) for one in found]


def _at(values: Sequence[int], numbers: Sequence[int], place: float) -> float:
    """Return the value at a place, of which the neighbours are among some that are numbered."""
    below = numbers.index(int(place))
    low, high = float(values[below]), float(values[min(below + 1, len(values) - 1)])
    return low + (high - low) * (place - int(place))
