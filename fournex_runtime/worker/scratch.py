"""
The scratch folder of a worker, which goes with it, or with the next one.

A runtime that is killed cannot clear away what its workers had. So each folder is locked as long
as the process lives that made it, and whoever makes the next one removes those that nobody has
locked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile

PREFIX = 'fournex-worker-'
MOST_FILES = 256
"""How many files and folders a worker may have there, where they are counted at all."""

_BLOCK_BYTES = 512  # of st_blocks; see stat(3type)


class Scratch:
    """
    A folder that one worker may write in.

    :param most_bytes: how much; None for as much as there is room for.
    :raises OSError: there is no place for it.
    """

    def __init__(self, most_bytes: int | None = None) -> None:
        self._most_bytes = most_bytes
        parent = pathlib.Path(tempfile.gettempdir())
        _remove_forsaken(parent)
        # Locked before it has the name by which others find it.
        made = tempfile.mkdtemp(prefix='.' + PREFIX, dir=parent)
        self._lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.folder = os.path.join(parent, os.path.basename(made)[1:])
        os.rename(made, self.folder)

    def excess(self) -> str:
        """Return in words what it has too much of; empty: nothing."""
        if self._most_bytes is None:
            return ''
        files = size = 0
        for folder, folders, names in os.walk(self.folder):
            files += len(folders) + len(names)
            if files > MOST_FILES:
                return f'wrote more than {MOST_FILES} files'
            for name in names:
                with contextlib.suppress(OSError):  # it has just gone
                    size += os.lstat(os.path.join(folder, name)).st_blocks * _BLOCK_BYTES
        return f'wrote {size >> 20} MiB of files' if size > self._most_bytes else ''

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)


def _remove_forsaken(parent: pathlib.Path) -> None:
    """Remove the folders of this user whose makers have died."""
    for folder in parent.glob(PREFIX + '*'):
        try:
            if folder.lstat().st_uid != os.geteuid():
                continue
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # it has just gone
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass  # its maker lives
        finally:
            os.close(opened)
