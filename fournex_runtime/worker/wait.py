"""Waiting for descriptors, to the nanosecond; ``select.poll`` rounds to milliseconds."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import time
from collections.abc import Sequence

_SECOND_NS, _MILLISECOND_NS = 1_000_000_000, 1_000_000
_COARSE_NS = 2 * _MILLISECOND_NS


class _PollDescriptor(ctypes.Structure):
    _fields_ = (('fd', ctypes.c_int), ('events', ctypes.c_short), ('revents', ctypes.c_short))


class _Timespec(ctypes.Structure):
    _fields_ = (('seconds', ctypes.c_long), ('nanoseconds', ctypes.c_long))


_ppoll = ctypes.CDLL(None, use_errno=True).ppoll
_ppoll.argtypes = (ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p)
_ppoll.restype = ctypes.c_int


class Waiter:
    """
    Waits until one of some descriptors can be read.

    :param descriptors: which; they stay the caller's.
    """

    def __init__(self, descriptors: Sequence[int]) -> None:
        self._count = len(descriptors)
        self._polled = (_PollDescriptor * self._count)(
            *(_PollDescriptor(one, select.POLLIN, 0) for one in descriptors)
        )
        self._coarse = select.poll()
        for one in descriptors:
            self._coarse.register(one, select.POLLIN)
        self._timeout = _Timespec()
        self._polled_at = ctypes.addressof(self._polled)
        self._timeout_at = ctypes.addressof(self._timeout)

    def wait(self, timeout_ns: int, spin_ns: int = 0) -> bool:
        """
        Return whether one can be read; a signal ends the wait early, with False.

        :param timeout_ns: how long to wait; below zero like zero.
        :param spin_ns: how long of it, at the beginning, to look again and again.
        :raises OSError: the kernel refuses.
        """
        if spin_ns and timeout_ns > 0:
            begin_ns = time.monotonic_ns()
            most_ns = min(spin_ns, timeout_ns)
            while (spun_ns := time.monotonic_ns() - begin_ns) < most_ns:
                if self._poll(0):
                    return True
            timeout_ns -= spun_ns
        return self._poll(timeout_ns)

    def wait_through(self, timeout_ns: int) -> bool:
        """
        Return whether one can be read, without saying which; signals do not end the wait.

        This takes a third of the time that :meth:`wait` does, but for the last milliseconds.

        :param timeout_ns: how long to wait.
        """
        if timeout_ns < _COARSE_NS:
            return self._poll(timeout_ns)
        end_ns = time.monotonic_ns() + timeout_ns
        if self._coarse.poll(timeout_ns // _MILLISECOND_NS - 1):
            return True
        return self._poll(end_ns - time.monotonic_ns())

    def _poll(self, timeout_ns: int) -> bool:
        self._timeout.seconds, self._timeout.nanoseconds = divmod(max(timeout_ns, 0), _SECOND_NS)
        found = _ppoll(self._polled_at, self._count, self._timeout_at, None)
        if found < 0:
            number = ctypes.get_errno()
            if number == errno.EINTR:
                return False
            raise OSError(number, os.strerror(number))
        return bool(found)

    def readable(self, index: int) -> bool:
        """Return whether the wait before found this one readable, or its other end gone."""
        return bool(self._polled[index].revents)
