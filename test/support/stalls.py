"""A witness of moments in which nothing ran on a core: the machine itself stood still."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

PERIOD_NS = 2_000_000
LEAST_NS = 2_500_000
"""What a release of 200 Hz survives is no stall."""
_PRIORITY = 90
_PROGRAM = f"""
import gc, os, sys, time
core = int(sys.argv[1])
os.sched_setaffinity(0, {{core}})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param({_PRIORITY}))
gc.disable()
print('there', flush=True)
due = time.monotonic_ns()
while True:
    due += {PERIOD_NS}
    time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
    now = time.monotonic_ns()
    if now - due > {LEAST_NS}:
        print(due, now, flush=True)
        due = now
"""


class Stalls:
    """Spans of the steady clock in which the most urgent thread of a core did not run."""

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []

    def __str__(self) -> str:
        """Return how many there were and how long the longest was."""
        longest = max((end - begin for begin, end in self.spans), default=0)
        return f'{len(self.spans)} stalls of the machine, the longest {longest / 1e6:.1f} ms'

    def met(self, begin_ns: int, end_ns: int) -> bool:
        """Return whether the machine stood still within a span."""
        return any(begin < end_ns and end > begin_ns for begin, end in self.spans)


@contextlib.contextmanager
def witnessed() -> Iterator[Stalls]:
    """
    Watch every core as long as the block runs; the spans are there after it.

    :raises PermissionError: this user may not ask for ``SCHED_FIFO``.
    """
    found, processes = Stalls(), []
    with contextlib.ExitStack() as end:
        for core in sorted(os.sched_getaffinity(0)):
            one = subprocess.Popen(
                [sys.executable, '-c', _PROGRAM, str(core)], stdout=subprocess.PIPE, text=True
            )
            end.callback(one.wait)
            end.callback(one.kill)
            processes.append(one)
            assert one.stdout is not None
            if one.stdout.readline() != 'there\n':
                raise PermissionError('SCHED_FIFO is not for this user (ulimit -Hr)')
        yield found
        for one in processes:
            one.kill()
            said, _ = one.communicate(timeout=10)
            found.spans += [
                (int(begin), int(stop)) for begin, stop in map(str.split, said.splitlines())
            ]
