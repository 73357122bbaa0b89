"""Waiting for an instant of the steady clock, from which another thread can call back."""

from __future__ import annotations

import ctypes
import time

_SECOND_NS = 1_000_000_000
_SHARED, _COUNT = 0, 0


class _Timespec(ctypes.Structure):
    _fields_ = (('seconds', ctypes.c_long), ('nanoseconds', ctypes.c_long))


class Alarm:
    """
    A semaphore that is waited for until an instant, not for a duration.

    What waits with a duration (``select``, ``poll``) has computed it some time before it sleeps,
    and the kernel adds a thousandth of it to save power: 20 µs at 50 Hz. A timer and a descriptor
    to wake it, under one ``epoll``, are as exact but cost a tick twice the processor time.

    :raises OSError: the C library has no ``sem_clockwait`` (glibc has it from 2.30 on).
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        try:
            self._wait = libc.sem_clockwait
        except AttributeError as problem:
            words = 'the C library has no sem_clockwait; glibc has it from 2.30 on'
            raise OSError(words) from problem
        self._post, self._take = libc.sem_post, libc.sem_trywait
        self._memory = (ctypes.c_long * 8)()  # a sem_t has half of it
        self._semaphore = ctypes.byref(self._memory)
        libc.sem_init(self._semaphore, _SHARED, _COUNT)
        self._until = _Timespec()
        self._at = ctypes.byref(self._until)

    def ring(self) -> None:
        """End the wait that is under way, or else the next one; safe in a signal handler."""
        self._post(self._semaphore)

    def wait(self, until_ns: int | None) -> bool:
        """
        Sleep until an instant of the steady clock.

        :param until_ns: the instant; None: until it is rung.
        :returns: whether it was rung.
        """
        until, semaphore = self._until, self._semaphore
        while True:
            at_ns = time.monotonic_ns() + _SECOND_NS if until_ns is None else max(0, until_ns)
            until.seconds, until.nanoseconds = divmod(at_ns, _SECOND_NS)
            if self._wait(semaphore, time.CLOCK_MONOTONIC, self._at) == 0:
                while self._take(semaphore) == 0:  # rung more than once
                    pass
                return True
            # Else it was a signal that ended the sleep.
            if until_ns is not None and time.monotonic_ns() >= until_ns:
                return False
