"""
How many threads a worker may have beside those of its user: the kernel's limit, where it holds.

The kernel counts the threads of a user, not of a process, and lets root have any number; a
container may count otherwise again. So it is asked: with a low limit for a moment, does anything
start? From which limit on does it? What is started is a process that ends at once, since a thread
would leave the memory behind that the C library has set aside for it.
"""

from __future__ import annotations

import os
import resource

BESIDE = 1024
"""Room for those that the user's other programs start later: a robot is brought up all at once."""
_MOST_OF_A_KERNEL = 1 << 22


def most_threads(threads: int) -> int:
    """
    Return how many threads a worker may have in all.

    :param threads: how many its libraries may compute with.
    """
    return 64 + 8 * threads


def limit_threads() -> str:
    """
    Limit the threads of this process's user, as far as this process starts them, for good.

    :returns: what holds.
    :raises OSError: the kernel does not keep to it.
    """
    before, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = _MOST_OF_A_KERNEL if hard == resource.RLIM_INFINITY else hard
    try:
        if _starts(1, hard):
            raise OSError('the kernel lets root have any number (RLIMIT_NPROC)')
        low, high = 1, 2
        while high < most and not _starts(high, hard):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if _starts(min(middle, most), hard) else (middle, high)
    except BaseException:
        resource.setrlimit(resource.RLIMIT_NPROC, (before, hard))
        raise
    most = min(low + BESIDE, most)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    return f'{most} of its user, who has {low} now (RLIMIT_NPROC)'


def _starts(limit: int, hard: int) -> bool:
    """Return whether another process starts under a limit, which counts like a thread."""
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, hard))
    try:
        child = os.fork()
    except BlockingIOError:
        return False
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True
