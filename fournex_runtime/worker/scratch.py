"""
The scratch folder of a worker, which goes with it, or with the next one.

A runtime that is killed cannot clear away what its workers had. So each folder is locked as long
as the process lives that made it, and whoever makes the next one removes those that nobody has
locked.
"""

from __future__ import annotations

import fcntl
import os
import pathlib
import shutil
import tempfile

PREFIX = 'fournex-worker-'


class Scratch:
    """
    A folder that one worker may write in.

    :raises OSError: there is no place for it.
    """

    def __init__(self) -> None:
        parent = pathlib.Path(tempfile.gettempdir())
        _remove_forsaken(parent)
        # Locked before it has the name by which others find it.
        made = tempfile.mkdtemp(prefix='.' + PREFIX, dir=parent)
        self._lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.folder = os.path.join(parent, os.path.basename(made)[1:])
        os.rename(made, self.folder)

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
