"""
What recording costs the control loop: four messages of 300 bytes a tick, written and committed.

``python bench/recording_cost.py`` prints one line for each pacing; the pacings are taken in turn,
so that a machine that changes its speed changes all. *After a tick* is where the loop does it:
behind a tick of the pendulum, at 200 Hz. *Woken* is the same without a tick: the first thing that
a process does after 5 ms asleep. *A mark* is what a file of a recording costs the loop as it
begins, with a snapshot of the pendulum's session. ``--json FILE`` also writes the p99 of a
whole tick of each round, in microseconds by pacing.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import random
import tempfile
import time

import numpy as np

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.channel import Channel
from fournex_runtime.record.mark import encode_mark
from fournex_runtime.record.recording import Recording
from fournex_runtime.record.ring import RingRecord
from fournex_runtime.record.snapshot import SnapshotCodec
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import Answer, AnswerKind, EpisodeStart, Received, TickInputs
from fournex_runtime.session.wiring import load_wiring

TICKS = 1000
ROUNDS = 3
WRITES = 4
SIZE = 300
MARKS = 1000
EXAMPLE = pathlib.Path(__file__).resolve().parents[1] / 'examples' / 'pendulum' / 'wiring.yaml'
PERIOD_S = 0.005
PACINGS = ('after a tick', 'woken', 'back to back')


class Ticks:
    """Ticks of the pendulum's session, played by nobody: what precedes a recording in a loop."""

    def __init__(self) -> None:
        wiring = load_wiring(EXAMPLE)
        session = wiring.sessions[0]
        self._engine = Engine(wiring.bundles[session.name], session, messages())
        self.state = self._engine.initial_state()
        self.topics = [f'/{source.topic}' for source in session.sources]
        self._number = 0
        self._now_ns = 10**9
        self._answer = Answer(AnswerKind.RESULT, {'action': np.zeros((1, 1), np.float32)})

    def tick(self) -> None:
        """Run one."""
        self._number += 1
        self._now_ns += round(PERIOD_S * 1e9)
        data = _joint_state(self._now_ns)
        taken = (Received(self._number, self._now_ns, data),)
        start = EpisodeStart('one', 1) if self._number == 1 else None
        inputs = TickInputs((taken, ()), self._now_ns, self._now_ns, self._now_ns, start)
        request = self._engine.observe(inputs, self.state)
        _, self.state = self._engine.conclude(request, self._answer, self.state)


def _joint_state(now_ns: int) -> bytes:
    make = messages().type
    stamp = make('builtin_interfaces/msg/Time')(sec=now_ns // 10**9, nanosec=now_ns % 10**9)
    message = make('sensor_msgs/msg/JointState')(
        header=make('std_msgs/msg/Header')(stamp=stamp, frame_id=''),
        name=['cart', 'pole'],
        position=np.zeros(2),
        velocity=np.empty(0),
        effort=np.empty(0),
    )
    return messages().encode(message, 'sensor_msgs/msg/JointState')


def measure(folder: pathlib.Path, pacing: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what the writes and the commit of each tick took, in nanoseconds."""
    channels = [Channel(f'/{name}', 'std_msgs/msg/String') for name in ('a', 'b', 'c', 'd')]
    recording = Recording(folder, channels, messages=messages())
    recording.start()
    writers = [recording.writer(number) for number in range(WRITES)]
    data = random.Random(0).randbytes(SIZE)
    writes_ns, commits_ns = np.zeros(TICKS, np.int64), np.zeros(TICKS, np.int64)
    ticks = Ticks()
    release = time.monotonic()
    for tick in range(TICKS):
        if pacing == 'after a tick':
            ticks.tick()
        began_ns = time.perf_counter_ns()
        for write in writers:
            write(data, tick)
        written_ns = time.perf_counter_ns()
        recording.commit()
        commits_ns[tick] = time.perf_counter_ns() - written_ns
        writes_ns[tick] = written_ns - began_ns
        release += PERIOD_S
        if pacing != 'back to back':
            time.sleep(max(0.0, release - time.monotonic()))
    summary = recording.close()
    if sum(summary.written.values()) != WRITES * TICKS:
        raise SystemExit(f'the recording is not whole: {summary}')
    return writes_ns, commits_ns


def marks_ns() -> np.ndarray:
    """Return what the snapshots of some ticks took, in nanoseconds."""
    ticks = Ticks()
    codec = SnapshotCodec(messages(), 'pendulum', ticks.topics)
    found = np.zeros(MARKS, np.int64)
    for number in range(MARKS):
        ticks.tick()
        began_ns = time.perf_counter_ns()
        data = memoryview(codec.encode(ticks.state, 1))
        encode_mark([RingRecord(0, number, 1, 1, data)])
        found[number] = time.perf_counter_ns() - began_ns
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE')
    options = parser.parse_args()
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in PACINGS}
    with tempfile.TemporaryDirectory(prefix='fournex-bench-') as parent:
        for number in range(ROUNDS):
            for name in PACINGS:
                folder = pathlib.Path(parent) / f'{number}-{name.replace(" ", "-")}'
                found[name].append(measure(folder, name))
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
    if options.json is not None:
        p99_us = {
            name: [float(np.percentile(writes + commits, 99)) / 1e3 for writes, commits in rounds]
            for name, rounds in found.items()
        }
        options.json.write_text(json.dumps(p99_us))
    p50, p99 = np.percentile(marks_ns(), (50, 99)) / 1000
    print(
        f'a mark with a snapshot: p50 {p50:.0f}, p99 {p99:.0f}; once a file, or a span of memory'
    )


if __name__ == '__main__':
    main()
