"""Files from strangers, read once and whole: what is no regular file, or too large, is refused."""

from __future__ import annotations

import os
import pathlib
import stat

from .errors import FournexError

_KINDS = {
    stat.S_IFBLK: 'a block device',
    stat.S_IFCHR: 'a character device',
    stat.S_IFDIR: 'a folder',
    stat.S_IFIFO: 'a named pipe',
    stat.S_IFSOCK: 'a socket',
}
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def read_regular_file(file: pathlib.Path, error: type[FournexError], most_bytes: int) -> bytes:
    """
    Return the content of a regular file.

    Anything else is refused without being opened: a pipe would wait for a writer, a device may
    never end or do something when it is opened.

    :param file: the file.
    :param error: the class of error to raise.
    :param most_bytes: how large it may be.
    """
    try:
        _refuse_others(file, os.stat(file), error, most_bytes)
        # It may have been replaced meanwhile: opened in such a way that nothing waits.
        with open(os.open(file, _FLAGS), 'rb') as stream:
            found = os.fstat(stream.fileno())
            _refuse_others(file, found, error, most_bytes)
            return stream.read(found.st_size)
    except OSError as problem:
        raise error(f'{file}: cannot be read: {problem.strerror}') from problem


def read_beside(
    file: pathlib.Path, other: pathlib.Path, error: type[FournexError], most_bytes: int
) -> bytes:
    """
    Return the content of a regular file that belongs to another one, in one folder with it.

    A link must not lead out of that folder. Where the other file is a link itself (in a symlink
    install of colcon, in a cache of blobs), the folder that it leads to is theirs, too.

    :param file: the file.
    :param other: what it belongs to.
    :param error: the class of error to raise.
    :param most_bytes: how large it may be.
    """
    homes = (other.parent.resolve(), other.resolve().parent)
    try:
        target = file.resolve(strict=True)
    except (OSError, RuntimeError):  # missing, or links in a circle: reading it says which
        target = file
    if file.is_symlink() and target.parent not in homes:
        raise error(
            f'{file}: expected a file beside {other.name}, found a link out of the folder, to '
            f'{target}; put the file itself there'
        )
    return read_regular_file(file, error, most_bytes)


def _refuse_others(
    file: pathlib.Path, found: os.stat_result, error: type[FournexError], most_bytes: int
) -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, f'something else ({kind:#o})')
        raise error(f'{file}: expected a regular file, found {what}')
    if found.st_size > most_bytes:
        raise error(f'{file}: {found.st_size} bytes, expected at most {most_bytes}')
