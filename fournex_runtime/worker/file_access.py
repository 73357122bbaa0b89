"""
Which files a worker may open, by Landlock: its libraries to read, at most one folder to write in.

Landlock needs no privilege and holds for good, for whatever the process starts too; see
landlock(7). It does not hold for threads that are there already, so it comes before libraries
start any. Files that are open stay open.
"""

from __future__ import annotations

import ctypes
import errno
import os
import pathlib
import struct
import sys
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION, _BENEATH = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (
    1 << bit for bit in range(6)
)
_MAKE_DIR, _MAKE_REG = 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST_VERSION = (1 << 13) - 1
_SINCE = ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV))
_TCP = 0b11  # bind, connect
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _TRUNCATE
_DEVICE = _READ_FILE | _WRITE_FILE | _IOCTL_DEV
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

_SYSTEM = (
    '/lib',
    '/lib64',
    '/usr/lib',
    '/usr/lib64',
    '/usr/local/lib',
    '/etc/ld.so.cache',
    '/proc/cpuinfo',
    '/proc/meminfo',
    '/proc/self',
    '/proc/sys/vm/overcommit_memory',
    '/sys/devices/system',
    '/sys/fs/cgroup',
    '/dev/urandom',
    '/dev/zero',
)
_TOO_WIDE = ('/', '/home', '/root', '/etc', '/tmp', '/var', '/usr')


def supported_version() -> int:
    """
    Return the version of Landlock that the kernel has.

    :raises OSError: it has none, or it is switched off.
    """
    return _call(_CREATE, None, 0, _VERSION)


def library_folders() -> list[str]:
    """Return where this interpreter and its libraries live."""
    found = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path]
    found += os.environ.get('LD_LIBRARY_PATH', '').split(':')
    package = pathlib.Path(__file__).resolve().parents[1]
    home = os.path.realpath(os.path.expanduser('~'))
    real = {os.path.realpath(one) for one in found if one} | {os.fspath(package)}
    if sys.prefix in ('/usr', '/usr/local'):
        real |= {os.path.join(one, 'lib') for one in (sys.prefix, sys.base_prefix)}
    return sorted(one for one in real if one not in (*_TOO_WIDE, home, os.getcwd()))


def restrict_files(scratch: str, writes: bool, cuda: bool) -> int:
    """
    Restrict this process, for good; needs ``PR_SET_NO_NEW_PRIVS``.

    :param scratch: a folder of its own.
    :param writes: it may write there.
    :param cuda: it is to use a GPU, whose driver reads where it likes: all may be read then, and
        the devices written.
    :returns: the version of Landlock.
    :raises OSError: the kernel refuses.
    """
    version = supported_version()
    handled = _FIRST_VERSION | sum(right for since, right in _SINCE if version >= since)
    attributes = struct.pack('=Q', handled)
    if version >= 4:
        attributes += struct.pack('=Q', _TCP)
    if version >= 6:
        attributes += struct.pack('=Q', _ABSTRACT_SOCKETS_AND_SIGNALS)
    ruleset = _call(_CREATE, attributes, len(attributes), 0)
    try:
        _allow(ruleset, handled & _READ, [*library_folders(), *_SYSTEM])
        _allow(ruleset, handled & (_WRITE if writes else _READ), [scratch])
        _allow(ruleset, handled & _DEVICE, ['/dev/null'])
        if cuda:
            devices = [str(one) for one in pathlib.Path('/dev').glob('nvidia*')]
            _allow(ruleset, handled & _READ, ['/'])
            _allow(ruleset, handled & (_DEVICE | _READ_DIR), [*devices, '/dev/shm'])
        _call(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, rights: int, paths: Iterable[str]) -> None:
    """Allow some things beneath each path that is there."""
    for path in paths:
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # nothing there, or nothing for this user: nothing to allow
        try:
            given = rights if os.path.isdir(path) else rights & _OF_A_FILE
            _call(_ADD, ruleset, _BENEATH, struct.pack('=Qi', given, opened), 0)
        finally:
            os.close(opened)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(number, *arguments)
    if done < 0:
        failed = ctypes.get_errno()
        words = {
            errno.ENOSYS: 'this kernel has no Landlock (Linux 5.13 or later has)',
            errno.EOPNOTSUPP: 'Landlock is switched off (boot with lsm=landlock,…)',
        }
        raise OSError(failed, words.get(failed, f'Landlock: {os.strerror(failed)}'))
    return int(done)
