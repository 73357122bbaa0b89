"""
The file under an MCAP writer: whole chunks or nothing, and a way out when the disk is full.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import tempfile

RESERVE_BYTES = 1024 * 1024


class BagFile:
    """
    A file that takes everything written between two flushes, or none of it.

    What is written is kept in memory until ``flush()``. When the disk refuses it the file is cut
    back to the flush before, so that it always ends with a whole record, and what was refused is
    kept: after :meth:`use_reserve` it can be flushed again, with the space of an unnamed file that
    was set aside at the beginning.

    :param path: the file; it must not exist.
    :raises OSError: the file cannot be made, or there is no room for the reserve.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._reserve = -1
        with contextlib.suppress(OSError):  # not every file system has locks
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            self._reserve = _unnamed_file(path.parent, RESERVE_BYTES)
        except OSError:
            os.close(self._file)
            path.unlink()
            raise
        self._waiting: list[bytes] = []
        self._end = 0
        self._kept = 0

    @property
    def waiting_bytes(self) -> int:
        """Return how much is written but not flushed."""
        return self._end - self._kept

    def write(self, data: bytes) -> int:
        """Take bytes for the next flush."""
        self._waiting.append(bytes(data))
        self._end += len(data)
        return len(data)

    def tell(self) -> int:
        """Return where the next byte will lie."""
        return self._end

    def flush(self) -> None:
        """
        Hand everything to the operating system.

        :raises OSError: it was refused; the file is as it was after the last flush.
        """
        data = memoryview(b''.join(self._waiting))
        try:
            done = 0
            while done < len(data):
                done += os.pwrite(self._file, data[done:], self._kept + done)
        except OSError:
            os.ftruncate(self._file, self._kept)
            raise
        self._kept = self._end
        self._waiting.clear()

    def use_reserve(self) -> None:
        """Give the space that was set aside back to the disk."""
        if self._reserve >= 0:
            os.close(self._reserve)
            self._reserve = -1

    def sync(self) -> None:
        """Wait until the disk has what was flushed."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file; what was not flushed is lost."""
        self.use_reserve()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def being_written(path: pathlib.Path) -> bool:
    """
    Return whether a process has the file open as a :class:`BagFile`.

    :raises OSError: the file cannot be opened.
    """
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # no locks on this file system
    finally:
        os.close(opened)
    return False


def _unnamed_file(folder: pathlib.Path, size: int) -> int:
    """Return a descriptor of a file without a name that occupies so many bytes of the disk."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix='.reserve-')
    os.unlink(name)
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
