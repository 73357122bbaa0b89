"""
What recording costs the control loop: four messages of 300 bytes a tick, written and committed.

``python bench/recording_cost.py`` prints one line for each pacing; the two pacings are taken in
turn, so that a machine that changes its speed changes both.
"""

from __future__ import annotations

import pathlib
import random
import tempfile
import time

import numpy as np

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.channel import Channel
from fournex_runtime.record.recording import Recording

TICKS = 1000
ROUNDS = 3
WRITES = 4
SIZE = 300
PACINGS = {'at 200 Hz': 0.005, 'back to back': 0.0}


def measure(folder: pathlib.Path, period_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what the writes and the commit of each tick took, in nanoseconds."""
    channels = [Channel(f'/{name}', 'std_msgs/msg/String') for name in ('a', 'b')]
    recording = Recording(folder, channels, messages=messages())
    recording.start()
    data = random.Random(0).randbytes(SIZE)
    writes_ns, commits_ns = np.zeros(TICKS, np.int64), np.zeros(TICKS, np.int64)
    release = time.monotonic()
    for tick in range(TICKS):
        began_ns = time.perf_counter_ns()
        for number in range(WRITES):
            recording.write(
                number % 2, data, log_time_ns=tick, publish_time_ns=tick, sequence=tick
            )
        written_ns = time.perf_counter_ns()
        recording.commit()
        commits_ns[tick] = time.perf_counter_ns() - written_ns
        writes_ns[tick] = written_ns - began_ns
        release += period_s
        time.sleep(max(0.0, release - time.monotonic()) if period_s else 0.0)
    summary = recording.close()
    if sum(summary.written.values()) != WRITES * TICKS:
        raise SystemExit(f'the recording is not whole: {summary}')
    return writes_ns, commits_ns


def main() -> None:
    """Measure and print."""
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in PACINGS}
    with tempfile.TemporaryDirectory(prefix='fournex-bench-') as parent:
        for number in range(ROUNDS):
            for name, period_s in PACINGS.items():
                folder = pathlib.Path(parent) / f'{number}-{name.replace(" ", "-")}'
                found[name].append(measure(folder, period_s))
    print(f'{WRITES} messages of {SIZE} B a tick, {ROUNDS} x {TICKS} ticks; microseconds')
    print(f'{"":14}{"one write":>20}{"commit":>20}{"whole tick":>20}')
    print(f'{"":14}' + f'{"p50":>10}{"p99":>10}' * 3)
    for name, rounds in found.items():
        writes = np.concatenate([one[0] for one in rounds])
        commits = np.concatenate([one[1] for one in rounds])
        row = f'{name:14}'
        for took_ns in (writes / WRITES, commits, writes + commits):
            p50, p99 = np.percentile(took_ns, (50, 99)) / 1000
            row += f'{p50:10.1f}{p99:10.1f}'
        print(row)


if __name__ == '__main__':
    main()
