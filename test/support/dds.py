"""A domain of DDS for one run of tests, and the shared memory that dead processes leave."""

from __future__ import annotations

import fcntl
import os
import pathlib
import tempfile
import time

SHARED_MEMORY = pathlib.Path('/dev/shm')

# Below 101, so that no port of DDS is one that the system gives to outgoing connections; above
# what people use by hand.
_NUMBERS = range(51, 100)
_BEGAN = time.time()


class Domain:
    """A domain id that no other run of the tests on this machine has while this one lives."""

    def __init__(self) -> None:
        start = os.getpid() % len(_NUMBERS)
        for number in (*_NUMBERS[start:], *_NUMBERS[:start]):
            path = pathlib.Path(tempfile.gettempdir()) / f'fournex-test-domain-{number}.lock'
            try:
                file = path.open('a')
            except OSError:
                continue  # another user's
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                continue
            self._file = file
            self.number = number
            return
        raise RuntimeError(f'all of the domain ids {_NUMBERS} are taken by other runs of tests')

    def release(self) -> None:
        """Give the number back."""
        self._file.close()


def remove_dead_shared_memory(since: float = _BEGAN) -> list[str]:
    """
    Remove the segments of Fast DDS that no process has mapped or open any more.

    :param since: only those made after this time (seconds, as `time.time`); by default, since
        this module was loaded
    :returns: the names that were removed
    """
    dead = _candidates(since) - _in_use()
    if not dead:
        return []
    # A process that is just starting makes a segment first and maps it then.
    time.sleep(0.5)
    removed = []
    for name in sorted(dead & _candidates(since) - _in_use()):
        (SHARED_MEMORY / name).unlink(missing_ok=True)
        removed.append(name)
    return removed


def _candidates(since: float) -> set[str]:
    found = set()
    for path in SHARED_MEMORY.iterdir():
        if path.name.startswith(('fastrtps_', 'sem.fastrtps_', 'fastdds_', 'sem.fastdds_')):
            try:
                facts = path.stat()
            except FileNotFoundError:
                continue
            if facts.st_uid == os.getuid() and facts.st_ctime >= since:
                found.add(path.name)
    return found


def _in_use() -> set[str]:
    """Return the names in shared memory that any process of this machine maps or has open."""
    used = set()
    prefix = f'{SHARED_MEMORY}/'
    for process in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            for line in (process / 'maps').read_text().splitlines():
                if prefix in line:
                    used.add(line.split(prefix, 1)[1].split(' ')[0])
            for descriptor in (process / 'fd').iterdir():
                target = os.readlink(descriptor)
                if target.startswith(prefix):
                    used.add(target[len(prefix) :].split(' ')[0])
        except OSError:
            continue  # it has just ended, or belongs to somebody else
    return used
