"""Whether what a process holds grows: samples over time, their slope, and a table for people."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

WARM_UP = 0.2
"""The part of a run at its beginning that is not looked at: caches and rings fill up."""


@dataclasses.dataclass(frozen=True)
class Course:
    """
    How one thing went.

    :param name: what, with its unit.
    :param before: median of the first third after the warm-up.
    :param after: median of the last third.
    :param per_hour: slope, by the median of the slopes between all pairs of samples.
    """

    name: str
    before: float
    after: float
    per_hour: float


class Samples:
    """What was sampled of a process, by name."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._values: dict[str, list[float]] = {}

    def add(self, time_s: float, values: Mapping[str, float]) -> None:
        """Take note of what there is at a time."""
        self._times.append(time_s)
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)

    def courses(self) -> list[Course]:
        """Return how everything went."""
        first = int(len(self._times) * WARM_UP)
        times = np.array(self._times[first:])
        return [
            _course(name, times, np.array(values[first:])) for name, values in self._values.items()
        ]


def _course(name: str, times: np.ndarray, values: np.ndarray) -> Course:
    third = len(values) // 3
    earlier, later = np.triu_indices(len(times), 1)
    slopes = (values[later] - values[earlier]) / (times[later] - times[earlier])
    return Course(
        name,
        float(np.median(values[:third])),
        float(np.median(values[-third:])),
        float(np.median(slopes)) * 3600,
    )


def table(courses: list[Course]) -> str:
    """Return a table for people."""
    lines = [f'{"":28}{"before":>12}{"after":>12}{"per hour":>12}']
    lines += [
        f'{one.name:28}{one.before:12.0f}{one.after:12.0f}{one.per_hour:12.1f}' for one in courses
    ]
    return '\n'.join(lines)
