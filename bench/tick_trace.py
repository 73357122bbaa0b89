"""What a peer of the bench notes at each tick: preallocated, and written out at the end."""

from __future__ import annotations

import os
import pathlib
import time

import numpy as np

COLUMNS = (
    'due_ns',
    'begin_ns',
    'published_ns',
    'infer_ns',
    'stamp_ns',
    'seen_ns',
    'take_ns',
    'decode_ns',
    'observe_ns',
    'conclude_ns',
    'publish_ns',
    'record_ns',
)
"""
Steady clock, but for ``stamp_ns``, the stamp of the newest input, which is ROS time. ``seen_ns``
is how long it took from the sensor's message to the observation; the last six are known of
Fournex only.
"""
CAPACITY = 400_000
TRACE = 'BENCH_TRACE'


class Trace:
    """The ticks of one process; the environment says where they go."""

    def __init__(self) -> None:
        self._file = pathlib.Path(os.environ[TRACE])
        self._rows = np.zeros((CAPACITY, len(COLUMNS)), np.int64)
        self._count = 0

    def add(self, *row: int) -> None:
        """Note one tick; the first one is told to the bench at once."""
        if self._count == 0:
            write_first(self._file, row[2])
        if self._count < CAPACITY:
            self._rows[self._count, : len(row)] = row
            self._count += 1

    def save(self) -> None:
        """Write what was noted."""
        offset_ns = time.time_ns() - time.monotonic_ns()
        rows = self._rows[: self._count]
        rows[:, COLUMNS.index('stamp_ns')] -= offset_ns  # from here on, one clock for everything
        self._file.write_bytes(rows.tobytes())


def write_first(file: pathlib.Path, published_ns: int) -> None:
    """Say when the first command was out."""
    unfinished = file.with_suffix('.unfinished')
    unfinished.write_text(str(published_ns))
    unfinished.rename(file.with_suffix('.first'))


def load(file: pathlib.Path) -> dict[str, np.ndarray]:
    """Return the ticks that a process wrote, by column."""
    rows = np.frombuffer(file.read_bytes(), np.int64).reshape(-1, len(COLUMNS))
    return {name: rows[:, index] for index, name in enumerate(COLUMNS)}
