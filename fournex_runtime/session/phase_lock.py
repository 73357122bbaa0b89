"""
Releases at a fixed time after a sensor's samples, so that an observation is young and of one age.

A control period and a sensor's period are never quite equal: by two clocks the age of the newest
sample drifts through a whole sensor period. Here the releases follow the stamps instead, by small
steps, as a phase-locked loop follows its reference.
"""

from __future__ import annotations

import collections

from .tick import TickRecord

GAIN = 0.1
"""The part of an error that one release makes up for."""
GREATEST_STEP = 0.02
"""The greatest part of a period by which one release may be early or late."""
_REMEMBERED = 25
"""Ticks over which the period of the sensor is taken."""


class PhaseLock:
    """
    Shifts the releases of one session.

    :param source: index of the source whose stamps they follow.
    :param after_ns: time from a stamp to the release that is to use it.
    :param period_ns: control period.
    """

    def __init__(self, source: int, after_ns: int, period_ns: int) -> None:
        self._source = source
        self._after_ns = after_ns
        self._period_ns = period_ns
        self._most_ns = GREATEST_STEP * period_ns
        self._samples: collections.deque[tuple[int, int]] = collections.deque(maxlen=_REMEMBERED)

    def shift_ns(self, record: TickRecord, on_ros_clock: bool) -> int:
        """
        Return by how much the release after a tick is to be later than its period says.

        0 as long as the sensor's period is not known, and where neither period is a multiple of
        the other, so that there is nothing to follow.

        :param record: the tick.
        :param on_ros_clock: its release was scheduled on the ROS clock, not on the steady one.
        """
        one = record.inputs[self._source]
        if not one.stamp_ns:
            return 0
        sensor_ns = self._sensor_period_ns(one.last_index, one.stamp_ns)
        if sensor_ns <= 0.0:
            return 0
        several = max(1, round(self._period_ns / sensor_ns))
        parts = max(1, round(sensor_ns / self._period_ns))
        drift_ns = sensor_ns * several / parts - self._period_ns
        if abs(drift_ns) > self._most_ns:
            return 0
        sampled_ns = record.ros_ns if on_ros_clock else record.steady_ns
        age_ns = record.ros_ns - one.stamp_ns - (sampled_ns - record.due_ns)
        # A little too early is nearly a sensor's period too late: the nearer of the two counts.
        turn_ns = sensor_ns / parts
        error_ns = (age_ns - self._after_ns + turn_ns / 2) % turn_ns - turn_ns / 2
        step_ns = drift_ns - GAIN * error_ns
        return round(min(max(step_ns, -self._most_ns), self._most_ns))

    def _sensor_period_ns(self, index: int, stamp_ns: int) -> float:
        """Return the mean time between the latest samples; 0 while it is not known."""
        samples = self._samples
        if samples and (index < samples[-1][0] or stamp_ns < samples[-1][1]):
            samples.clear()  # the clock of the stamps jumped back
        if not samples or index > samples[-1][0]:
            samples.append((index, stamp_ns))
        if len(samples) < 2:
            return 0.0
        return (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])
