"""Starting a worker's process, hearing that it is ready, noticing its death, and ending it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import select
import signal
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any

from ..child_process import ChildProcess
from ..errors import (
    ArtifactError,
    ConfigurationError,
    FournexError,
    MissingDependencyError,
    WorkerDied,
)
from ..kernel import SHORTEST_TURN_NS, take_turns
from .caps import Cap
from .channel import sealed_memory
from .consumption import LOOK_NS, Consumption
from .control_group import ControlGroup, confine
from .interpreter import environment, install_command
from .report import Refusal, WorkerReport, read_report
from .scratch import Scratch
from .wait import Waiter

LOG_BYTES = 65536
"""How much of what a worker prints is kept."""

_PROGRAM = pathlib.Path(__file__).resolve().parent
_FILES_BYTES = 64 << 20
_REPORT_BYTES = select.PIPE_BUF
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class WorkerProcess:
    """
    A worker's process, in a session of its own, which ends with this process at the latest.

    :param python: its interpreter.
    :param configuration: what ``child.py`` reads, without what is added here.
    :param descriptors: file descriptors that the configuration names; they stay the caller's.
    :param threads: how many threads its libraries may use.
    :raises ConfigurationError: the interpreter cannot be started.
    :raises OSError: there are not the resources for it.
    """

    def __init__(
        self,
        python: pathlib.Path,
        configuration: dict[str, Any],
        descriptors: Sequence[int],
        threads: int,
    ) -> None:
        self._python = python
        self._backend: str = configuration['backend']
        self._file: str = configuration['file']
        opened: list[int] = []
        scratch = Scratch(_most_bytes(configuration))
        try:
            opened.append(sealed_memory('fournex-worker-log', LOG_BYTES, _SEALS))
            log = opened[0]
            opened.extend(os.pipe2(os.O_CLOEXEC))
            _, report, told = opened
            full = {
                **configuration,
                'parent': os.getpid(),
                'report': told,
                'threads': threads,
                'scratch': scratch.folder,
            }
            content = json.dumps(full).encode()
            opened.append(sealed_memory('fournex-worker-configuration', content, _SEALS))
            self._process = self._start(opened[3], log, (*descriptors, told), threads)
            opened.append(self._process.death())
        except (OSError, ConfigurationError):
            for descriptor in opened:
                os.close(descriptor)
            scratch.remove()
            raise
        os.close(told)
        os.close(opened[3])
        self._log, self._report = log, report
        self.death = opened[4]
        """File descriptor that can be read once the process has ended."""
        self._group = confine(self.pid, configuration['memory'], threads)
        self._scratch = scratch
        self._consumption = Consumption(self.pid, threads)
        self._end = weakref.finalize(
            self, _end, self._process, (log, report, self.death), scratch, self._group
        )

    def _start(
        self, standard_input: int, log: int, descriptors: Sequence[int], threads: int
    ) -> ChildProcess:
        try:
            started: ChildProcess = _spawner.call(
                ChildProcess,
                [os.fspath(self._python), os.fspath(_PROGRAM)],
                environment(self._python, threads),
                standard_input,
                log,
                log,
                descriptors,
            )
        except OSError as problem:
            raise ConfigurationError(
                f'running {self._file}: {self._python} cannot be started: {problem.strerror}'
            ) from problem
        return started

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def wait_until_ready(self, timeout_s: float) -> WorkerReport:
        """
        Return what it says when it has loaded and warmed up.

        :raises ArtifactError: the artifact does not load or does not fit the contract.
        :raises ConfigurationError: its interpreter is too old, or a core is not there.
        :raises MissingDependencyError: its interpreter lacks a package.
        :raises WorkerDied: it ended, or said nothing in time and was ended.
        """
        deadline_ns = time.monotonic_ns() + round(timeout_s * 1e9)
        waiter = Waiter((self._report, self.death))
        while not waiter.wait(min(deadline_ns - time.monotonic_ns(), LOOK_NS)):
            words = self._consumption.excess_of_threads() or self._scratch.excess()
            if time.monotonic_ns() >= deadline_ns:
                words = f'was not ready after {timeout_s:g} s'
            if words:
                words += self._printed()
                self.close()
                raise WorkerDied(f'{self._file}: its worker under {self._python} {words}')
        said = os.read(self._report, _REPORT_BYTES) if waiter.readable(0) else b''
        if not said:
            raise WorkerDied(f'{self._file}: its worker under {self._python} {self.ending()}')
        try:
            report = read_report(said)
        except ValueError as problem:
            raise WorkerDied(
                f'{self._file}: its worker under {self._python} said {said[:80]!r}, which is not '
                f'what a worker says: {problem}'
            ) from problem
        if isinstance(report, Refusal):
            raise self._refused(report)
        with contextlib.suppress(OSError):  # it has just ended: whoever asks it will notice
            for thread in pathlib.Path(f'/proc/{self.pid}/task').iterdir():
                take_turns(2 * SHORTEST_TURN_NS, int(thread.name))  # after the loop
        caps = [self._of_threads(one) if one.name == 'threads' else one for one in report.caps]
        caps += [self._consumption.cap, self._group.cap]
        return dataclasses.replace(report, caps=tuple(caps))

    def _of_threads(self, cap: Cap) -> Cap:
        """Return what holds of its threads, by whatever holds it."""
        most = self._consumption.most_threads
        if self._group.cap.in_force:
            return Cap(cap.name, True, f'{most} (control group)')
        return dataclasses.replace(cap, words=f'{cap.words}; killed within a second of {most}')

    def _refused(self, refusal: Refusal) -> FournexError:
        """Return the error that says why it cannot run the artifact."""
        needed_for = f'running {self._file} (backend {self._backend}) under {self._python}'
        if refusal.kind == 'version':
            return ConfigurationError(
                f'{needed_for} needs Python 3.10 or later; that is Python {refusal.words}'
            )
        if refusal.kind == 'missing':
            return MissingDependencyError(
                refusal.words, needed_for, install_command(self._python, self._backend)
            )
        if refusal.kind == 'cores':
            return ConfigurationError(f'inference.cores: {refusal.words}')
        return ArtifactError(refusal.words)

    def excess(self, answers: int) -> str:
        """
        Return in words what it has taken too much of; empty: nothing. Ask once a second.

        :param answers: how many it has given.
        """
        return self._consumption.excess(answers) or self._scratch.excess()

    def ending(self) -> str:
        """Return in words how it ended, and what it had printed; it must have ended."""
        self.kill()
        status = self._process.wait() or 0
        words = f'(process {self.pid}) ended with status {status}'
        if status < 0:
            words = f'(process {self.pid}) was killed by {_signal_name(-status)}'
        return words + self._printed()

    def _printed(self) -> str:
        text = self.log().strip()
        return f'; it printed:\n{text[-2000:]}' if text else ''

    def log(self) -> str:
        """Return the first ``LOG_BYTES`` of what it has printed."""
        if not self._end.alive:
            return ''
        try:
            written = os.lseek(self._log, 0, os.SEEK_CUR)  # it writes where this descriptor stands
            printed = os.pread(self._log, min(written, LOG_BYTES), 0)
        except OSError:
            return ''  # closed by another thread in this moment
        return printed.rstrip(b'\0').decode('utf-8', 'replace')

    def kill(self) -> None:
        """Kill it, with all that it started."""
        self._process.kill()

    def close(self) -> None:
        """Kill and reap it, with all that it started, and close the descriptors."""
        self._end()


def _end(
    process: ChildProcess,
    descriptors: Sequence[int],
    scratch: Scratch,
    group: ControlGroup,
) -> None:
    process.kill()
    process.wait()
    for descriptor in descriptors:
        os.close(descriptor)
    scratch.remove()
    group.remove()


def _most_bytes(configuration: dict[str, Any]) -> int | None:
    """Return how much a worker may write: its artifact, taken apart, unless a driver writes."""
    if configuration['providers'] != ('cpu',):
        return None
    return 2 * os.fstat(configuration['artifact']).st_size + _FILES_BYTES


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f'signal {number}'


class _Spawner:
    """
    A thread that starts processes, and lives as long as this process.

    The kernel sends a child its parent-death signal when the *thread* that started it ends. A
    worker must outlive the thread that happened to ask for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: concurrent.futures.ThreadPoolExecutor | None = None
        self._owner = 0

    def call(self, function: Any, *arguments: Any) -> Any:
        """Return what a function returns in that thread."""
        with self._lock:
            if self._pool is None or self._owner != os.getpid():  # a fork has no threads
                self._pool = concurrent.futures.ThreadPoolExecutor(
                    1, 'fournex-spawner', take_turns, (0, 0, os.SCHED_BATCH)
                )
                self._owner = os.getpid()
            pool = self._pool
        return pool.submit(function, *arguments).result()


_spawner = _Spawner()
