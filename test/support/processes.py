"""Processes of a test: started with their output in a file, and certainly ended."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence

RUN = 'FOURNEX_TEST_RUN'
PROCESS = 'FOURNEX_TEST_PROCESS'


class Started:
    """
    A process that a test has started.

    :param name: what it is called in messages
    :param process: the process, leader of a session of its own
    :param output: file with everything it printed
    :param mark: value by which it and all its descendants are known
    :param deadline_s: time (`time.monotonic`) by which it has to be through
    """

    def __init__(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        output: pathlib.Path,
        mark: str,
        deadline_s: float,
    ) -> None:
        self.name = name
        self.process = process
        self.output = output
        self.mark = mark
        self.deadline_s = deadline_s

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.process.pid

    def text(self) -> str:
        """Return what it has printed so far, both streams."""
        return self.output.read_text(errors='replace')

    def signal(self, number: int) -> None:
        """Send a signal to this process alone."""
        self.process.send_signal(number)

    def wait(self, timeout_s: float | None = None) -> int:
        """
        Wait until it ends, and return its exit status.

        :param timeout_s: how long; by default, until the deadline it was started with
        :raises AssertionError: it is still running then
        """
        left_s = self.deadline_s - time.monotonic()
        if timeout_s is not None:
            left_s = min(timeout_s, left_s)
        try:
            return self.process.wait(max(left_s, 0.0))
        except subprocess.TimeoutExpired:
            raise AssertionError(f'{self.name} is still running:\n{self.text()}') from None

    def wait_for(self, text: str, timeout_s: float = 20.0) -> str:
        """
        Wait until it has printed a text, and return everything printed until then.

        :raises AssertionError: it has not within the time, or it has ended without
        """
        deadline_s = min(time.monotonic() + timeout_s, self.deadline_s)
        while True:
            ended = self.process.poll() is not None
            printed = self.text()
            if text in printed:
                return printed
            assert not ended, f'{self.name} ended without printing {text!r}:\n{printed}'
            assert time.monotonic() < deadline_s, f'{self.name}: no {text!r} in:\n{printed}'
            time.sleep(0.02)


class Starter:
    """
    Starts processes and ends them.

    :param folder: where their output goes
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._started: list[Started] = []

    def __call__(
        self,
        name: str,
        command: Sequence[str | os.PathLike[str]],
        *,
        timeout_s: float = 50.0,
        environment: Mapping[str, str] | None = None,
        folder: pathlib.Path | None = None,
    ) -> Started:
        """
        Start a process.

        :param name: what it is called in messages, and its output file
        :param command: the command and its arguments
        :param timeout_s: how long it may take at most
        :param environment: its environment variables, in place of those of this process
        :param folder: its working directory
        """
        mark = uuid.uuid4().hex
        output = self._folder / f'{name}-{len(self._started)}.txt'
        with output.open('wb') as stream:
            process = subprocess.Popen(
                [os.fspath(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={
                    **(os.environ if environment is None else environment),
                    RUN: os.environ.get(RUN, ''),
                    PROCESS: mark,
                    'PYTHONUNBUFFERED': '1',
                },
                cwd=folder,
                start_new_session=True,
            )
        started = Started(name, process, output, mark, time.monotonic() + timeout_s)
        self._started.append(started)
        return started

    def end(self, patience_s: float = 8.0) -> None:
        """
        End everything that was started, the youngest first.

        :param patience_s: how long each may take to end on SIGINT
        :raises AssertionError: one had to be killed, or left a process of its own behind
        """
        faults = []
        while self._started:
            started = self._started.pop()
            if started.process.poll() is None:
                _signal_group(started.pid, signal.SIGINT)
                try:
                    started.process.wait(patience_s)
                except subprocess.TimeoutExpired:
                    _signal_group(started.pid, signal.SIGKILL)
                    started.process.wait()
                    faults.append(f'{started.name} did not end on SIGINT:\n{started.text()}')
            left = end_all(PROCESS, started.mark)
            if left:
                faults.append(f'{started.name} left running: {"; ".join(left)}')
        assert not faults, '\n'.join(faults)


class Mourner:
    """
    A process that ends the marked processes when this one dies, in whatever way.

    :param variable: environment variable by which they are known
    :param value: its value
    """

    def __init__(self, variable: str, value: str) -> None:
        # Its input ends with the last process that has the other end: this one alone, as pipes of
        # Python are not inherited.
        self._process = subprocess.Popen(
            [sys.executable, __file__, variable, value],
            stdin=subprocess.PIPE,
            env={name: text for name, text in os.environ.items() if name != variable},
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Let it go; everything has ended."""
        self._process.communicate(b'all well', timeout=20.0)


def marked(variable: str, value: str) -> dict[int, str]:
    """
    Return the living processes that have an environment variable with a value.

    :returns: process ids and command lines; this process is not among them
    """
    wanted = f'{variable}={value}'.encode()
    found = {}
    for folder in pathlib.Path('/proc').glob('[0-9]*'):
        pid = int(folder.name)
        if pid == os.getpid():
            continue
        try:
            if wanted in (folder / 'environ').read_bytes().split(b'\0'):
                command = (folder / 'cmdline').read_bytes().replace(b'\0', b' ')
                state = (folder / 'stat').read_text().rsplit(')', 1)[1].split()[0]
                if state not in 'ZX':
                    found[pid] = command.decode(errors='replace').strip()
        except OSError:
            continue  # it has just ended, or belongs to somebody else
    return found


def end_all(variable: str, value: str, grace_s: float = 5.0) -> list[str]:
    """
    Wait a little for marked processes to end by themselves, then kill them.

    :param grace_s: how long to wait
    :returns: a line for each process that had to be killed
    """
    deadline_s = time.monotonic() + grace_s
    while (left := marked(variable, value)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    while marked(variable, value) and time.monotonic() < deadline_s + 5.0:
        time.sleep(0.01)
    return [f'{pid} {command}' for pid, command in left.items()]


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        pass


def _mourn(variable: str, value: str) -> None:
    """Wait until the parent has dismissed this process or died."""
    if not sys.stdin.buffer.read():
        end_all(variable, value, grace_s=0.5)


if __name__ == '__main__':
    _mourn(*sys.argv[1:])
