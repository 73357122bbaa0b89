"""Waiting for an instant of the steady clock, from which another thread can call back."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import time

_TFD_NONBLOCK, _TFD_CLOEXEC, _TFD_TIMER_ABSTIME = 0o4000, 0o2000000, 1
_SECOND_NS = 1_000_000_000
_NEVER = (0, 0)


class _Timespec(ctypes.Structure):
    _fields_ = (('seconds', ctypes.c_long), ('nanoseconds', ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (('interval', _Timespec), ('value', _Timespec))


class Alarm:
    """
    A timer of the kernel that is set to an instant, not to a duration.

    What waits with a duration (``select``, ``poll``) has computed it some time before it sleeps,
    and the kernel adds a thousandth of it to save power: 20 µs at 50 Hz.

    :raises OSError: there are not the resources for it.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._set = libc.timerfd_settime
        self._timer = libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._timer < 0:
            number = ctypes.get_errno()
            raise OSError(number, f'timerfd_create: {os.strerror(number)}')
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._setting = _Itimerspec()
        self._at = ctypes.byref(self._setting)
        self._poll = select.epoll()
        self._poll.register(self._timer, select.EPOLLIN)
        self._poll.register(self._wake, select.EPOLLIN)

    def ring(self) -> None:
        """End the wait that is under way, or else the next one; safe in a signal handler."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_write(self._wake, 1)

    def wait(self, until_ns: int | None) -> bool:
        """
        Sleep until an instant of the steady clock.

        :param until_ns: the instant; None: until it is rung.
        :returns: whether it was rung.
        """
        value = self._setting.value
        value.seconds, value.nanoseconds = (
            _NEVER if until_ns is None else divmod(max(1, until_ns), _SECOND_NS)
        )
        self._set(self._timer, _TFD_TIMER_ABSTIME, self._at, None)  # forgets that it went off
        if all(found != self._wake for found, _ in self._poll.poll()):
            return False
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        return True

    def close(self) -> None:
        """Close the descriptors; nobody may wait."""
        self._poll.close()
        os.close(self._timer)
        os.close(self._wake)
