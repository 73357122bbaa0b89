"""
What a worker takes of the machine, as the runtime sees it from outside.

The kernel has no cap on these that an unprivileged process could not talk its way round: a signal
at the end of its processor time can be ignored, and threads are counted by user. So the runtime
looks, once a second, and kills a worker that has taken too much.
"""

from __future__ import annotations

import contextlib
import pathlib
import time

from .caps import Cap
from .thread_limit import most_threads

CPU_S = 30
"""Processor time of one answer, for each thread."""
LOOK_NS = 1_000_000_000

_THREADS_AT = 17  # of the fields of /proc/…/stat behind the program's name; see proc(5)
_OF_A_PROCESS = 2  # CPUCLOCK_SCHED, of all its threads; see clock_getcpuclockid(3)


class Consumption:
    """
    What one worker takes.

    :param process: its process id.
    :param threads: how many its libraries may compute with.
    """

    def __init__(self, process: int, threads: int) -> None:
        self._clock = (~process << 3) | _OF_A_PROCESS
        self._status = pathlib.Path(f'/proc/{process}/stat')
        self._most_ns = CPU_S * threads * 1_000_000_000
        self.most_threads = most_threads(threads)
        """How many threads it may have."""
        self._answers = -1
        self._used_ns = 0

    @property
    def cap(self) -> Cap:
        """Return the cap on processor time."""
        return Cap('processor time', True, f'{self._most_ns // 1_000_000_000} s an answer')

    def excess(self, answers: int) -> str:
        """
        Return in words what it has taken too much of; empty: nothing.

        :param answers: how many it has given; with each, its processor time counts anew.
        """
        with contextlib.suppress(OSError):  # it has ended
            used_ns = time.clock_gettime_ns(self._clock)
            if answers != self._answers:
                self._answers, self._used_ns = answers, used_ns
            if used_ns - self._used_ns > self._most_ns:
                return f'computed for more than {self._most_ns / 1e9:g} s without an answer'
        return self.excess_of_threads()

    def excess_of_threads(self) -> str:
        """Return in words that it has too many threads; empty: it has not."""
        with contextlib.suppress(OSError, IndexError):
            text = self._status.read_text(encoding='utf-8', errors='replace')
            threads = int(text.rpartition(')')[2].split()[_THREADS_AT])
            if threads > self.most_threads:
                return f'had {threads} threads, of which {self.most_threads} are allowed'
        return ''
