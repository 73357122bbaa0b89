"""What a test sees of a runtime from outside: its workers, what it holds open."""

from __future__ import annotations

import os
import pathlib


def children(pid: int) -> list[int]:
    """Return the processes that any thread of a process has started, the oldest first."""
    found = []
    for thread in pathlib.Path(f'/proc/{pid}/task').glob('*/children'):
        try:
            found += [int(word) for word in thread.read_text().split()]
        except OSError:
            continue  # the thread has just ended
    return sorted(found, key=_began)


def _began(pid: int) -> int:
    try:
        stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return 0
    return int(stat.rsplit(')', 1)[1].split()[19])


def workers(pid: int) -> list[int]:
    """Return the living workers of a runtime, the oldest first: the one that answers."""
    return processes(pid, b'fournex_runtime/worker')


def processes(pid: int, words: bytes) -> list[int]:
    """Return the living children of a process with these words in their command."""
    return [one for one in children(pid) if words in _command(one)]


def _command(pid: int) -> bytes:
    try:
        return pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()  # empty once it has died
    except OSError:
        return b''


def resources(pid: int) -> dict[str, int]:
    """Return what a process holds, by name: memory, threads, descriptors, shared memory."""
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    fields = dict(line.split(':', 1) for line in status.splitlines())
    maps = pathlib.Path(f'/proc/{pid}/maps').read_text()
    return {
        'memory of its own [KiB]': int(fields['RssAnon'].split()[0]),
        'shared memory [KiB]': int(fields['RssShmem'].split()[0]),
        'shared mappings': maps.count('/memfd:') + maps.count('/dev/shm/'),
        'threads': int(fields['Threads']),
        'descriptors': len(os.listdir(f'/proc/{pid}/fd')),
        'processes': len(children(pid)),
    }
