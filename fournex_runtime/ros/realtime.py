"""
Asking the kernel for the real-time manners of a wiring, and giving them back.

Affinity and priority are those of the calling thread, which is the loop's; memory, the garbage
collector and the threads of BLAS are the process's; how deeply cores sleep is the machine's.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable

from ..blas_threads import limit_blas
from ..errors import MissingDependencyError
from ..kernel import (
    Grant,
    be_urgent,
    cpu_latency_refusal,
    limit_cpu_latency,
    lock_memory,
    lock_refusal,
    priority_refusal,
    unlock_memory,
)
from ..policy.backend import Backend
from ..session.realtime import Realtime

COLLECTION_PERIOD_NS = 1_000_000_000
"""How often garbage is looked for between ticks."""
LOOK_PERIOD_NS = 1_000_000_000
"""How often threads are looked for that have begun since."""
_SLACK = 3
"""A collection may begin when there is so many times its last duration until the next release."""


class Manners:
    """
    The real-time manners of one activation.

    :param wanted: what the wiring asks for.
    :param now_ns: reads the steady clock.
    """

    def __init__(self, wanted: Realtime, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._wanted = wanted
        self._now_ns = now_ns
        self._undo: list[Callable[[], None]] = []
        self._collected_ns = now_ns()
        self._collection_ns = 0
        self._looked_ns = 0
        self._usual: tuple[int, os.sched_param] | None = None
        """The scheduling of before, while the loop has a priority."""
        self._raised: set[int] = set()

    @property
    def spin_ns(self) -> int:
        """Return the last part of a wait, to be spent looking at the clock."""
        return self._wanted.spin_ns

    @property
    def acts_between_ticks(self) -> bool:
        """Return whether there is something to be done between ticks."""
        return self._wanted.quiet_collector or self._usual is not None

    def ask(self) -> list[Grant]:
        """Ask for each manner, on the thread of the loop; returns what came of it."""
        wanted = self._wanted
        asked: list[tuple[str, bool, Callable[[], str]]] = [
            ('cores', bool(wanted.cores), self._cores),
            ('priority', bool(wanted.priority), self._priority),
            ('lock_memory', wanted.lock_memory, self._lock_memory),
            ('garbage_collector', wanted.quiet_collector, self._quiet_collector),
            ('cpu_latency', wanted.cpu_latency_ns is not None, self._cpu_latency),
            ('threads', wanted.threads is not None, self._threads),
        ]
        found = []
        for name, is_wanted, ask in asked:
            if not is_wanted:
                continue
            try:
                found.append(Grant(name, True, ask()))
            except OSError as problem:
                found.append(Grant(name, False, self._mend(name, problem)))
            except MissingDependencyError as problem:
                found.append(Grant(name, False, str(problem)))
        if wanted.spin_ns:
            found.append(Grant('spin', True, f'the last {wanted.spin_ns / 1e3:g} µs of a wait'))
        return found

    def give_back(self) -> None:
        """Undo what was granted, on the thread of the loop."""
        while self._undo:
            with contextlib.suppress(OSError):  # what was granted may not be there any more
                self._undo.pop()()

    def between_ticks(self, slack_ns: int) -> None:
        """
        Collect garbage if it is time to and there is time for it; see who has begun to run.

        :param slack_ns: time until the next release.
        """
        now_ns = self._now_ns()
        if now_ns - self._looked_ns >= LOOK_PERIOD_NS:
            self._looked_ns = now_ns
            self.raise_others()
        if not self._wanted.quiet_collector:
            return
        if now_ns - self._collected_ns < COLLECTION_PERIOD_NS:
            return
        if slack_ns < _SLACK * self._collection_ns:
            # One slow collection is not to end them all: try again, of a faster one.
            self._collected_ns, self._collection_ns = now_ns, self._collection_ns // 2
            return
        gc.collect()
        self._collected_ns = self._now_ns()
        self._collection_ns = self._collected_ns - now_ns

    # --- one by one ------------------------------------------------------------------------------

    def _cores(self) -> str:
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self._wanted.cores)
        self._undo.append(lambda: os.sched_setaffinity(0, before))
        return ', '.join(map(str, sorted(os.sched_getaffinity(0))))

    def _priority(self) -> str:
        policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
        words = be_urgent(0, self._wanted.priority)
        # The flag stays: once set, only a privileged process may take it away again.
        policy |= os.SCHED_RESET_ON_FORK
        self._usual = policy, parameter
        self._raised = {threading.get_native_id()}
        self._undo.append(self._lower)
        self.raise_others()
        return words

    def raise_others(self) -> None:
        """
        Put the interpreter's other threads just below the loop's, if that has a priority.

        At the usual scheduling one of them, with the interpreter in its hands, can be kept from
        its core by any process, and the loop waits for both. One that begins later has the usual
        scheduling: on the thread of the loop, at its start and once in a while.
        """
        if self._usual is None:
            return
        below = max(1, self._wanted.priority - 1)
        there = {one.native_id for one in threading.enumerate() if one.native_id is not None}
        for thread in there - self._raised:
            with contextlib.suppress(OSError):  # it has just ended
                be_urgent(thread, below)
        self._raised = there

    def _lower(self) -> None:
        """Give all threads the scheduling that the loop's had."""
        assert self._usual is not None
        usual, self._usual = self._usual, None
        for thread in self._raised:
            with contextlib.suppress(OSError):
                os.sched_setscheduler(thread, *usual)

    def _lock_memory(self) -> str:
        words = lock_memory()
        self._undo.append(unlock_memory)
        return words

    def _quiet_collector(self) -> str:
        gc.collect()
        gc.freeze()  # what is there by now stays: no collection needs to look at it
        gc.disable()

        def undo() -> None:
            gc.enable()
            gc.unfreeze()

        self._undo.append(undo)
        return 'between ticks'

    def _cpu_latency(self) -> str:
        wanted_ns = self._wanted.cpu_latency_ns
        assert wanted_ns is not None
        descriptor = limit_cpu_latency(wanted_ns)
        self._undo.append(lambda: os.close(descriptor))
        if wanted_ns < 1000:
            return 'no core sleeps'
        return f'every core wakes within {wanted_ns // 1000} µs'

    def _threads(self) -> str:
        assert self._wanted.threads is not None
        words, undo = limit_blas(self._wanted.threads)
        self._undo.append(undo)
        return f'{self._wanted.threads} of BLAS in the runtime ({words})'

    def _mend(self, name: str, problem: OSError) -> str:
        """Return why the kernel refused, and what would change its mind."""
        if name == 'cores':
            here = ', '.join(map(str, sorted(os.sched_getaffinity(0))))
            asked = ', '.join(map(str, self._wanted.cores))
            return f'{problem.strerror}: asked for {asked}, this process may run on {here}'
        if name == 'cpu_latency':
            return cpu_latency_refusal(problem)
        if name == 'threads':
            return str(problem.strerror)
        if name == 'priority':
            return priority_refusal(problem, self._wanted.priority)
        return lock_refusal(problem)


def threads_of(backend: Backend, wanted: int) -> Grant:
    """
    Return whether what runs a policy uses the processor threads that it is to use.

    :param backend: what runs it.
    :param wanted: how many it is to use.
    """
    used = backend.threads
    words = f'{used} ({backend.description})'
    if used != wanted:
        words += f', asked for {wanted}'
    return Grant('threads', used == wanted, words)
