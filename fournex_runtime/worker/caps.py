"""
What a worker takes from itself before it opens an artifact, so that no artifact can take more.

Everything here is what an unprivileged process may do on Linux, and can never be undone by it.
Only the standard library is used: it comes before any other library is loaded, so that what those
start is held by it too. Each cap is in force, or it is reported with the reason why not.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import resource
import signal
import struct
import tempfile
from collections.abc import Callable, Collection

from .file_access import restrict_files
from .system_calls import restrict_system_calls
from .thread_limit import limit_threads

URGENT_US = 1_000_000
"""Processor time without a rest after which the kernel ends a worker that has a priority."""
OPEN_FILES = 256
_OPEN_FILES_OF_CUDA = 4096
_FILE_SLACK_BYTES = 1 << 20

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION = 0x20080522
_IPC_LOCK = 1 << 14
_DAC_READ_SEARCH = 1 << 2  # reading only, and Landlock says what: a root's venv may be another's


@dataclasses.dataclass(frozen=True)
class Cap:
    """
    What came of one cap.

    :param name: what it is about.
    :param in_force: whether it holds.
    :param words: what holds, or why nothing does.
    """

    name: str
    in_force: bool
    words: str

    def __str__(self) -> str:
        """Return it for people."""
        return f'{"" if self.in_force else "no cap on "}{self.name}: {self.words}'


def describe_caps(caps: Collection[Cap]) -> str:
    """Return in words which are in force, and which are not and why."""
    held = ', '.join(one.name for one in caps if one.in_force)
    missing = '; '.join(str(one) for one in caps if not one.in_force)
    return f'capped: {held}' + (f'; {missing}' if missing else '')


def end_with(parent: int) -> None:
    """
    Have the kernel kill this process when the one that started it is gone.

    :param parent: its process id.
    :raises OSError: the kernel refuses.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def take_caps(
    scratch: str,
    file_bytes: int | None,
    cuda: bool,
    priority: int = 0,
    lock_memory: bool = False,
) -> list[Cap]:
    """
    Cap this process; call it before any library is loaded.

    :param scratch: a folder of its own.
    :param file_bytes: how large a file it may write there; None for one that may write none.
    :param cuda: it is to use a GPU.
    :param priority: of ``SCHED_FIFO``, which it may be given, but not more; 0 for none.
    :param lock_memory: it is to lock its memory, which root may do beyond its limits.
    """
    os.environ.update(dict.fromkeys(('HOME', 'TMPDIR', 'XDG_CACHE_HOME'), scratch))
    os.environ.setdefault('LOGNAME', str(os.getuid()))  # libraries ask /etc/passwd otherwise
    tempfile.tempdir = scratch  # which is not tried, since nothing may be written there
    files = _OPEN_FILES_OF_CUDA if cuda else OPEN_FILES
    writes = file_bytes is not None
    largest = (file_bytes or 0) + _FILE_SLACK_BYTES

    def limits() -> str:
        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_NOFILE, files)
        _lower(resource.RLIMIT_FSIZE, largest)
        _lower(resource.RLIMIT_RTPRIO, priority)
        _lower(resource.RLIMIT_NICE, 0)
        _lower(resource.RLIMIT_RTTIME, URGENT_US)
        size = f', none larger than {largest >> 20} MiB' if writes else ''
        return f'{files} open{size}, no core dump'

    def privileges() -> str:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _drop_capabilities(_IPC_LOCK if lock_memory else 0)
        _prctl(_PR_SET_DUMPABLE, 0)
        return 'none new, none kept, closed to debuggers'

    def scheduling() -> str:
        # As long as it loads: who started it gives all its threads short turns when it is ready.
        os.sched_setscheduler(0, os.SCHED_BATCH | os.SCHED_RESET_ON_FORK, os.sched_param(0))
        return 'no priority'

    def paths() -> str:
        version = restrict_files(scratch, writes, cuda)
        readable = 'all to read' if cuda else 'its libraries to read'
        writable = 'a scratch folder' if writes else 'none'
        return f'{readable}, {writable} to write (Landlock {version})'

    def system_calls() -> str:
        restrict_system_calls(cuda)
        return 'no sockets, no processes, no signals to others (seccomp)'

    steps: list[tuple[str, Callable[[], str]]] = [
        ('privileges', privileges),
        ('open files', limits),
        ('threads', limit_threads),
        ('scheduling', scheduling),
        ('paths', paths),
        ('network and processes', system_calls),
    ]
    return [_taken(name, step) for name, step in steps]


def cap_memory(memory_bytes: int, cuda: bool) -> Cap:
    """
    Cap the memory; call it when the libraries are loaded and before the artifact is.

    :param memory_bytes: how much more than now.
    :param cuda: it is to use a GPU.
    """
    if cuda:
        return Cap('memory', False, 'CUDA maps hundreds of GiB that it does not use')

    def limit() -> str:
        with open('/proc/self/statm', encoding='ascii') as stream:
            mapped = int(stream.read().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, mapped + memory_bytes)
        return f'{memory_bytes >> 20} MiB beside the libraries'

    return _taken('memory', limit)


def _taken(name: str, step: Callable[[], str]) -> Cap:
    try:
        return Cap(name, True, step())
    except (OSError, ValueError) as problem:
        words = problem.strerror if isinstance(problem, OSError) else None
        return Cap(name, False, words or str(problem))


def _lower(limit: int, most: int) -> None:
    """Lower a limit for good; one that is lower already stays."""
    _, hard = resource.getrlimit(limit)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(limit, (most, most))


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f'prctl({option}): {os.strerror(number)}')


def _drop_capabilities(but: int) -> None:
    """Give up what root may do, or a unit's ``AmbientCapabilities``, but for some."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack('=Ii', _CAPABILITY_VERSION, 0)
    current = ctypes.create_string_buffer(24)
    if libc.capget(header, current) != 0:
        raise OSError(ctypes.get_errno(), 'capget')
    _, permitted, *_ = struct.unpack('=6I', current.raw)
    kept = permitted & (_DAC_READ_SEARCH | but)
    if libc.capset(header, struct.pack('=6I', kept, kept, 0, 0, 0, 0)) != 0:
        raise OSError(ctypes.get_errno(), 'capset')
