"""
Starting a process without holding up this one.

``subprocess`` and ``os.posix_spawn`` keep the interpreter to themselves until the child has begun
its program, which on a busy machine takes a control loop beside them several periods. The C
library's ``posix_spawn``, called through ``ctypes``, leaves it to the other threads.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import threading
from collections.abc import Mapping, Sequence

_SETSID = 0x80
_ACTIONS_BYTES, _ATTRIBUTES_BYTES = 512, 1024
"""Room for ``posix_spawn_file_actions_t`` and ``posix_spawnattr_t``, which are 80 and 336."""


class ChildProcess:
    """
    A child of the thread that makes it, leader of a session of its own, in the folder ``/``.

    It has the descriptors that it is given, under their numbers, and no others.

    :param arguments: the program and its arguments; the program by its path.
    :param environment: its environment variables.
    :param standard_input: descriptor that it reads.
    :param standard_output: descriptor for what it prints.
    :param standard_error: likewise.
    :param descriptors: others that it has.
    :raises OSError: it cannot be started.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        standard_input: int,
        standard_output: int,
        standard_error: int,
        descriptors: Sequence[int],
    ) -> None:
        self._reaping = threading.Lock()
        self.status: int | None = None
        """How it ended, once it was waited for: exit status, or minus the signal's number."""
        self.pid = _spawn(
            [os.fsencode(one) for one in arguments],
            [os.fsencode(f'{name}={value}') for name, value in environment.items()],
            (standard_input, standard_output, standard_error),
            descriptors,
        )
        """The process id."""

    def death(self) -> int:
        """
        Return a descriptor that can be read once it has ended; the caller closes it.

        :raises OSError: there is none to be had; the process is killed then.
        """
        try:
            return os.pidfd_open(self.pid)
        except OSError:
            self.kill()
            self.wait()
            raise

    def poll(self) -> int | None:
        """Return how it ended, or None while it runs."""
        return self._reap(os.WNOHANG)

    def wait(self, timeout_s: float | None = None) -> int | None:
        """
        Wait until it ends, and return how.

        :param timeout_s: how long at most; without end when left out.
        :returns: None where it still runs then.
        """
        if timeout_s is None:
            return self._reap(0)
        if self.poll() is None:
            try:
                end = os.pidfd_open(self.pid)
            except ProcessLookupError:
                return self.poll()
            try:
                waiting = select.poll()
                waiting.register(end, select.POLLIN)
                waiting.poll(max(0.0, timeout_s) * 1e3)
            finally:
                os.close(end)
        return self.poll()

    def _reap(self, options: int) -> int | None:
        with self._reaping:
            if self.status is None:
                try:
                    pid, status = os.waitpid(self.pid, options)
                except ChildProcessError:  # somebody else has, or the kernel does it by itself
                    self.status = 0
                else:
                    self.status = os.waitstatus_to_exitcode(status) if pid else None
            return self.status

    def kill(self) -> None:
        """Kill it with all that it has started; once it was waited for, nothing is done."""
        if self.status is not None:
            return
        for kill in (os.killpg, os.kill):
            try:
                kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it is gone with its whole group


def _spawn(
    arguments: Sequence[bytes],
    environment: Sequence[bytes],
    standard: Sequence[int],
    descriptors: Sequence[int],
) -> int:
    """Start a process and return its id."""
    libc = ctypes.CDLL(None)
    actions = ctypes.create_string_buffer(_ACTIONS_BYTES)
    attributes = ctypes.create_string_buffer(_ATTRIBUTES_BYTES)
    pid = ctypes.c_int()
    _check(libc.posix_spawn_file_actions_init(actions))
    _check(libc.posix_spawnattr_init(attributes))
    try:
        _check(libc.posix_spawnattr_setflags(attributes, ctypes.c_short(_SETSID)))
        _check(libc.posix_spawn_file_actions_addchdir_np(actions, b'/'))
        for number, descriptor in enumerate(standard):
            _check(libc.posix_spawn_file_actions_adddup2(actions, descriptor, number))
        above = max((len(standard) - 1, *descriptors)) + 1
        for number in range(len(standard), above):
            if number in descriptors:  # onto itself: no longer closed when the program begins
                _check(libc.posix_spawn_file_actions_adddup2(actions, number, number))
            else:
                _check(libc.posix_spawn_file_actions_addclose(actions, number))
        _check(libc.posix_spawn_file_actions_addclosefrom_np(actions, above))
        words, variables = _array(arguments), _array(environment)
        _check(
            libc.posix_spawn(
                ctypes.byref(pid), arguments[0], actions, attributes, words, variables
            )
        )
    finally:
        libc.posix_spawn_file_actions_destroy(actions)
        libc.posix_spawnattr_destroy(attributes)
    return pid.value


def _array(words: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    """Return words as C has them, with a null pointer at the end."""
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)


def _check(error: int) -> None:
    if error:
        raise OSError(error, os.strerror(error))
