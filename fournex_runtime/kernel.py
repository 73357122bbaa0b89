"""
What the kernel is asked for, for the loop and for workers, and its refusals in words.

Only the standard library is used: a worker asks before it loads anything else.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import pathlib
import platform
import resource
import struct

MCL_CURRENT, MCL_FUTURE = 1, 2
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_KEPT_BYTES = 32 << 20
"""Of one allocation, and of what is freed: the most that glibc lets be kept."""
SHORTEST_TURN_NS = 100_000
CPU_LATENCY = '/dev/cpu_dma_latency'
_SCHED_SETATTR = {'x86_64': 314, 'aarch64': 274}
_SCHED_ATTR = struct.Struct('=IIQiIQQQ')
"""Size, policy, flags, nice, priority, turn, and two for others; see sched_setattr(2)."""


@dataclasses.dataclass(frozen=True)
class Grant:
    """
    What came of asking for one manner.

    :param name: its key in the wiring.
    :param granted: whether it is in force.
    :param words: what is in force, or why not and how to mend it.
    """

    name: str
    granted: bool
    words: str

    @property
    def outcome(self) -> str:
        """Return whether it was granted, with the words."""
        return f'{"granted" if self.granted else "refused"}, {self.words}'

    def __str__(self) -> str:
        """Return it for people."""
        return f'{self.name}: {self.outcome}'


def keep_freed_memory() -> None:
    """
    Let the C library keep large pieces of memory that are freed, instead of giving them back.

    An image of a camera is such a piece: given back and fetched anew, each costs as many page
    faults as it has pages, and these more than to copy it. A library without the knob does as it
    likes.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 2 * _KEPT_BYTES)


def take_turns(slice_ns: int, thread: int = 0, policy: int = os.SCHED_OTHER) -> None:
    """
    Have a thread compute in turns of a length, at its usual scheduling.

    It gets as much of a core as any other, but begins its turns the sooner the shorter they are
    (Linux 6.12 or later; elsewhere nothing comes of the length), so that no privilege is needed. A
    thread with a priority has no turns, and is left as it is. What a thread starts takes after it.

    :param slice_ns: from 0.1 to 100 ms; 0: as the kernel has it for everybody.
    :param thread: its id; 0 for the one that calls.
    :param policy: ``SCHED_OTHER``, or ``SCHED_BATCH`` for one that never takes a core from another
        when it wakes.
    :raises OSError: the thread has ended.
    """
    before = os.sched_getscheduler(thread)
    kept = before & os.SCHED_RESET_ON_FORK  # which no user may take away again
    if before & ~kept not in (os.SCHED_OTHER, os.SCHED_BATCH):
        return
    nice = os.getpriority(os.PRIO_PROCESS, thread)
    os.sched_setscheduler(thread, policy | kept, os.sched_param(0))
    call = _SCHED_SETATTR.get(platform.machine())
    if call is not None:
        size, flag = _SCHED_ATTR.size, bool(kept)
        wanted = _SCHED_ATTR.pack(size, policy, flag, nice, 0, slice_ns, 0, 0)
        ctypes.CDLL(None).syscall(call, thread, wanted, 0)


def be_urgent(thread: int, priority: int) -> str:
    """
    Give a thread a priority of ``SCHED_FIFO``; threads that it starts do not have it.

    :param thread: its id; 0 for the one that calls.
    :param priority: from 1 to 99.
    :returns: what is in force.
    :raises OSError: the kernel refuses.
    """
    os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    return f'SCHED_FIFO {priority}'


def ask_urgency(process: int, priority: int) -> Grant:
    """
    Ask for a priority of ``SCHED_FIFO`` for every thread that another process has by now.

    :param process: its id.
    :param priority: from 1 to 99.
    """
    words = ''
    try:
        for thread in pathlib.Path(f'/proc/{process}/task').iterdir():
            words = be_urgent(int(thread.name), priority)
    except OSError as problem:
        return Grant('priority', False, priority_refusal(problem, priority))
    return Grant('priority', True, words)


def priority_refusal(problem: OSError, priority: int) -> str:
    """Return why a priority was refused, and what would change the kernel's mind."""
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[1]
    return (
        f'{_reason(problem)}: this user may ask for at most {limit} (ulimit -Hr). Allow it in '
        f'/etc/security/limits.d: @realtime - rtprio {priority}'
    )


def lock_memory() -> str:
    """
    Keep every page of this process in memory, from now on.

    :returns: what is in force.
    :raises OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return 'all pages, present and future'


def unlock_memory() -> None:
    """Undo :func:`lock_memory`."""
    ctypes.CDLL(None, use_errno=True).munlockall()


def lock_refusal(problem: OSError) -> str:
    """Return why memory could not be locked, and what would change the kernel's mind."""
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    amount = 'unlimited' if limit == resource.RLIM_INFINITY else f'{limit // 1024} KiB'
    return (
        f'{_reason(problem)}: this user may lock {amount} (ulimit -Hl). Allow it in '
        '/etc/security/limits.d: @realtime - memlock unlimited'
    )


def limit_cpu_latency(latency_ns: int) -> int:
    """
    Keep every core from states of sleep out of which it takes longer to wake.

    PM QoS of Linux (Documentation/power/pm_qos_interface.rst): in force as long as the returned
    descriptor is open, so it ends with this process at the latest.

    :param latency_ns: the longest time; the kernel counts in microseconds. 0: cores never sleep.
    :raises OSError: it is not allowed.
    """
    descriptor = os.open(CPU_LATENCY, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, struct.pack('=i', latency_ns // 1000))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def cpu_latency_refusal(problem: OSError) -> str:
    """Return why cores may sleep as they like, and what would change it."""
    if isinstance(problem, FileNotFoundError):
        return f'{CPU_LATENCY} is not there; a container needs it as a device'
    return (
        f'{_reason(problem)}: this process may not write to {CPU_LATENCY}; a udev rule allows it: '
        'KERNEL=="cpu_dma_latency", GROUP="realtime", MODE="0660"'
    )


def ask_lock() -> Grant:
    """Ask for this process's memory to be locked."""
    try:
        return Grant('lock_memory', True, lock_memory())
    except OSError as problem:
        return Grant('lock_memory', False, lock_refusal(problem))


def _reason(problem: OSError) -> str:
    return problem.strerror or str(problem)
