"""
A control group for each worker (cgroup v2), where a part of the tree is this user's to arrange.

That is so under a systemd unit with ``Delegate=yes`` and ``DelegateSubgroup=…``: the runtime is in
a group of its own, and beside it others can be made; see cgroups(7), systemd.resource-control(5).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib

from .caps import Cap
from .thread_limit import most_threads

CONTROLLERS = ('memory', 'pids', 'cpu')
LIBRARIES_BYTES = 1 << 30
"""What a worker's libraries may take in memory, beside what its policy may."""
_PERIOD_US = SHARE_US = 100_000
"""In every period each of its threads may have this much of a processor: all of it."""
_PREFIX = 'fournex-worker-'
_numbers = itertools.count(1)


class ControlGroup:
    """
    The group of one worker.

    :param folder: where it is in the tree; None for a worker that has none.
    :param cap: what came of it.
    """

    def __init__(self, folder: pathlib.Path | None, cap: Cap) -> None:
        self._folder = folder
        self.cap = cap

    def remove(self) -> None:
        """Remove it; its worker has ended."""
        if self._folder is not None:
            with contextlib.suppress(OSError):
                self._folder.rmdir()


def own_group(proc: pathlib.Path = pathlib.Path('/proc/self')) -> pathlib.Path:
    """
    Return the group that this process is in.

    :param proc: what the kernel says of this process.
    :raises OSError: there is no cgroup v2.
    """
    for line in (proc / 'mountinfo').read_text().splitlines():
        place, _, kind = line.partition(' - ')
        if kind.startswith('cgroup2 '):
            root, mounted = place.split()[3:5]
            break
    else:
        raise OSError('no cgroup v2 is mounted')
    lines = (proc / 'cgroup').read_text().splitlines()
    path = next(line[3:] for line in lines if line.startswith('0::'))
    return pathlib.Path(mounted) / os.path.relpath(path, root)


def confine(
    process: int, memory_bytes: int, threads: int, own: pathlib.Path | None = None
) -> ControlGroup:
    """
    Put a worker into a group of its own beside that of this process.

    :param process: its process id.
    :param memory_bytes: how much memory its policy may take.
    :param threads: how many processors it may use at a time.
    :param own: the group of this process; found out when left out.
    """
    try:
        folder, words = _made(process, memory_bytes, threads, own or own_group())
    except OSError as problem:
        return ControlGroup(None, Cap('control group', False, str(problem.strerror or problem)))
    return ControlGroup(folder, Cap('control group', True, words))


def _is_delegated(folder: pathlib.Path) -> bool:
    """Return whether systemd has marked a group as somebody else's to arrange."""
    for name in ('user.delegate', 'trusted.delegate'):
        with contextlib.suppress(OSError):
            if os.getxattr(folder, name) == b'1':
                return True
    return False


def _made(
    process: int, memory_bytes: int, threads: int, own: pathlib.Path
) -> tuple[pathlib.Path, str]:
    parent = own.parent
    subtree = parent / 'cgroup.subtree_control'
    if not (subtree.is_file() and os.access(parent, os.W_OK) and _is_delegated(parent)):
        raise OSError(f'{parent} is not delegated (systemd: Delegate, DelegateSubgroup)')
    there = (parent / 'cgroup.controllers').read_text().split()
    if lacking := [one for one in CONTROLLERS if one not in there]:
        raise OSError(f'{parent} lacks the controllers {", ".join(lacking)} (cgroup v1 has them?)')
    if missing := set(CONTROLLERS) - set(subtree.read_text().split()):
        subtree.write_text(' '.join(f'+{one}' for one in sorted(missing)))
    for left in parent.glob(_PREFIX + '*'):
        with contextlib.suppress(OSError):
            left.rmdir()  # of a runtime that was killed; one with a process in it stays
    folder = parent / f'{_PREFIX}{os.getpid()}-{next(_numbers)}'
    folder.mkdir()
    most = memory_bytes + LIBRARIES_BYTES
    tasks = most_threads(threads)
    settings = {
        'memory.max': str(most),
        'pids.max': str(tasks),
        'cpu.max': f'{threads * SHARE_US} {_PERIOD_US}',
        'cgroup.procs': str(process),
    }
    if (folder / 'memory.swap.max').exists():  # not to go on in swap instead
        settings = {'memory.swap.max': '0', **settings}
    try:
        for file, text in settings.items():
            (folder / file).write_text(text)
    except OSError:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise
    return folder, f'{most >> 20} MiB in all, {tasks} threads, {threads} processors'
