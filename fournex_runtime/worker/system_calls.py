"""
The system calls that a worker may make, and a seccomp filter that denies every other one.

The filter is classic BPF on ``struct seccomp_data``: the number of the call at byte 0, the
architecture at 4, the arguments from 16 on, 8 bytes each; see seccomp(2). What is named here has
been looked at: it reaches nothing but the caller's own memory, threads and timers, descriptors
that it has, and paths that Landlock rules. A call that nobody has thought of is denied, and so is
one that a kernel of tomorrow brings: with EPERM, or, if it is younger than this list, with ENOSYS,
which is what makes a library fall back to an older one. The caller goes on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Collection, Iterable

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _DENY, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_CLONE_THREAD = 0x00010000
_SET_MODE_FILTER, _ALL_THREADS = 1, 1

ARCHITECTURES = {'x86_64': 0xC000003E, 'aarch64': 0xC00000B7}
"""``AUDIT_ARCH_…`` of each architecture that the filter knows."""

SECCOMP = {'x86_64': 317, 'aarch64': 277}
NEWEST = 450
"""The newest call that was looked at, of Linux 5.17; its number is the same everywhere."""

ALLOWED: dict[str, tuple[int, int]] = {
    # waiting, and threads
    'read': (0, 63),
    'write': (1, 64),
    'sched_yield': (24, 124),
    'eventfd': (284, -1),
    'eventfd2': (290, 19),
    'nanosleep': (35, 101),
    'clock_nanosleep': (230, 115),
    'set_robust_list': (273, 99),
    'set_tid_address': (218, 96),
    'rseq': (334, 293),
    'restart_syscall': (219, 128),
    'pause': (34, -1),
    'exit': (60, 93),
    'exit_group': (231, 94),
    # memory
    'mmap': (9, 222),
    'munmap': (11, 215),
    'mprotect': (10, 226),
    'mremap': (25, 216),
    'brk': (12, 214),
    'mincore': (27, 232),
    'msync': (26, 227),
    'mlock': (149, 228),
    'mlock2': (325, 284),
    'munlock': (150, 229),
    'mlockall': (151, 230),
    'munlockall': (152, 231),
    'get_mempolicy': (239, 236),
    'set_mempolicy': (238, 237),
    'mbind': (237, 235),
    # descriptors, and what Landlock says of paths
    'readv': (19, 65),
    'writev': (20, 66),
    'pread64': (17, 67),
    'pwrite64': (18, 68),
    'preadv': (295, 69),
    'pwritev': (296, 70),
    'preadv2': (327, 286),
    'pwritev2': (328, 287),
    'open': (2, -1),
    'openat': (257, 56),
    'openat2': (437, 437),
    'close': (3, 57),
    'close_range': (436, 436),
    'lseek': (8, 62),
    'dup': (32, 23),
    'dup2': (33, -1),
    'dup3': (292, 24),
    'pipe': (22, -1),
    'pipe2': (293, 59),
    'getdents': (78, -1),
    'getdents64': (217, 61),
    'fadvise64': (221, 223),
    'readahead': (187, 213),
    'mkdir': (83, -1),
    'mkdirat': (258, 34),
    'rmdir': (84, -1),
    'unlink': (87, -1),
    'unlinkat': (263, 35),
    'rename': (82, -1),
    'renameat': (264, 38),
    'renameat2': (316, 276),
    'ftruncate': (77, 46),
    # what a path is, for which Landlock has no rule; it says whether and how large, never what
    'stat': (4, -1),
    'fstat': (5, 80),
    'lstat': (6, -1),
    'newfstatat': (262, 79),
    'statx': (332, 291),
    'statfs': (137, 43),
    'fstatfs': (138, 44),
    'access': (21, -1),
    'faccessat': (269, 48),
    'faccessat2': (439, 439),
    'readlink': (89, -1),
    'readlinkat': (267, 78),
    'getcwd': (79, 17),
    'chdir': (80, 49),
    'fchdir': (81, 50),
    'umask': (95, 166),
    # its signals and timers, which reach no thread but its own
    'rt_sigaction': (13, 134),
    'rt_sigprocmask': (14, 135),
    'rt_sigreturn': (15, 139),
    'rt_sigpending': (127, 136),
    'rt_sigtimedwait': (128, 137),
    'rt_sigsuspend': (130, 133),
    'sigaltstack': (131, 132),
    'setitimer': (38, 103),
    'getitimer': (36, 102),
    'alarm': (37, -1),
    'timer_create': (222, 107),
    'timer_settime': (223, 110),
    'timer_gettime': (224, 108),
    'timer_getoverrun': (225, 109),
    'timer_delete': (226, 111),
    'timerfd_create': (283, 85),
    'timerfd_settime': (286, 86),
    'timerfd_gettime': (287, 87),
    'clock_gettime': (228, 113),
    'clock_getres': (229, 114),
    'gettimeofday': (96, 169),
    'time': (201, -1),
    'times': (100, 153),
    # what it is, and where
    'getpid': (39, 172),
    'getppid': (110, 173),
    'gettid': (186, 178),
    'getpgid': (121, 155),
    'getpgrp': (111, -1),
    'getsid': (124, 156),
    'getuid': (102, 174),
    'geteuid': (107, 175),
    'getgid': (104, 176),
    'getegid': (108, 177),
    'getgroups': (115, 158),
    'getresuid': (118, 148),
    'getresgid': (120, 150),
    'capget': (125, 90),
    'getrlimit': (97, 163),
    'setrlimit': (160, 164),  # its own, which can only be lowered by then
    'getrusage': (98, 165),
    'getpriority': (140, 141),
    'ioprio_get': (252, 31),
    'sched_getscheduler': (145, 120),
    'sched_getparam': (143, 121),
    'sched_getattr': (315, 275),
    'sched_getaffinity': (204, 123),
    'sched_get_priority_max': (146, 125),
    'sched_get_priority_min': (147, 126),
    'sched_rr_get_interval': (148, 127),
    'getcpu': (309, 168),
    'getrandom': (318, 278),
    'uname': (63, 160),
    'sysinfo': (99, 179),
    'arch_prctl': (158, -1),
}
"""Calls that are allowed whatever their arguments: numbers on x86_64, aarch64; -1: not there."""

ALLOWED_WITH_CUDA = {
    'memfd_create': (319, 279),
    'epoll_create': (213, -1),
    'epoll_create1': (291, 20),
    'epoll_ctl': (233, 21),
    'epoll_wait': (232, -1),
    'epoll_pwait': (281, 22),
    'epoll_pwait2': (441, 441),
}
"""And for the driver of a GPU; memory has no cap there."""

_ITSELF = -1
_FUTEX = [
    operation | flags  # FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME
    for flags in (128, 128 | 256, 0, 256)
    for operation in (9, 1, 0, 10, 3, 4, 5)  # wait, wake, requeue, each in its kinds
]  # not those that lend a priority, which can be lent to any process
_FCNTL = (
    *(0, 1, 2, 3, 1030),  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC
    *(1033, 1034),  # F_ADD_SEALS, F_GET_SEALS
)  # no owner, signal, lease, lock, notification, size of a pipe, nor what makes a call block
_IOCTL = (
    *(0x5401, 0x802C542A, 0x5413),  # TCGETS, TCGETS2, TIOCGWINSZ: is it a terminal
    *(0x541B, 0x5450, 0x5451),  # FIONREAD, FIONCLEX, FIOCLEX
)
_IOCTL_NOT_WITH_CUDA = (
    *(0x5421, 0x5452),  # FIONBIO, FIOASYNC
    *(0x8901, 0x8902),  # FIOSETOWN, SIOCSPGRP
    *(0x5412, 0x541C),  # TIOCSTI, TIOCLINUX
    *(0x40086602, 0x401C5820),  # FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR
)
_PRCTL = (
    *(15, 16, 0x53564D41),  # PR_SET_NAME, PR_GET_NAME, PR_SET_VMA: names of threads and memory
    *(2, 3, 21, 23, 39),  # PR_GET_: PDEATHSIG, DUMPABLE, SECCOMP, CAPBSET, NO_NEW_PRIVS
    *(29, 30, 41, 42),  # timer slack, huge pages
    *(51, 52, 64, 0x41555856),  # PR_SVE_GET_VL, GET_SPECULATION_CTRL, SME_GET_VL, GET_AUXV
)
_FEW = range(9)
"""
How many descriptors a thread may wait for.

Whoever writes to one visits each that waits for it: with a descriptor waited for ten thousand
times over, through ``epoll``, the loop's request took milliseconds.
"""
_MADVISE = (
    *(0, 1, 2, 3, 4, 8),  # NORMAL, RANDOM, SEQUENTIAL, WILLNEED, DONTNEED, FREE
    *(10, 11, 14, 15, 16, 17, 18, 19),  # fork, huge pages, dumps
    *(22, 23, 102, 103),  # POPULATE_READ, POPULATE_WRITE, guard pages
)  # not what takes pages away from the memory that it shares

SOME: dict[str, tuple[tuple[int, int], int, Collection[int]]] = {
    'futex': ((202, 98), 1, _FUTEX),
    'poll': ((7, -1), 1, _FEW),
    'ppoll': ((271, 73), 1, _FEW),
    'select': ((23, -1), 0, (0,)),
    'pselect6': ((270, 72), 0, (0,)),
    'madvise': ((28, 233), 2, _MADVISE),
    'fcntl': ((72, 25), 1, _FCNTL),
    'ioctl': ((16, 29), 1, _IOCTL),
    'prctl': ((157, 167), 0, _PRCTL),
    'kill': ((62, 129), 0, (_ITSELF,)),
    'tgkill': ((234, 131), 0, (_ITSELF,)),
    'prlimit64': ((302, 261), 0, (0, _ITSELF)),
}
"""
Calls of which some are allowed: their numbers, which argument decides, and what it may be.

Each is an int to the kernel, so that its lower half decides.
"""

CLONE, CLONE3 = (56, 220), (435, 435)


def restrict_system_calls(cuda: bool = False) -> None:
    """
    Deny all others to this process, all its threads, and for good; needs ``PR_SET_NO_NEW_PRIVS``.

    :param cuda: it is to use a GPU, whose driver has ``ioctl`` calls of its own.
    :raises OSError: the kernel refuses, or the architecture is not known.
    """
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, f'no filter for {machine}')
    program = _program(machine, os.getpid(), cuda)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack('@HP', len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(SECCOMP[machine], _SET_MODE_FILTER, _ALL_THREADS, header)
    if done != 0:
        number = ctypes.get_errno() if done < 0 else errno.EBUSY
        raise OSError(number, f'seccomp: {os.strerror(number)}')


def _program(machine: str, process: int, cuda: bool) -> bytes:
    """Return the filter: blocks that each end in a verdict, or are passed over."""
    column = [*ARCHITECTURES].index(machine)
    code = [
        _step(_LOAD, _ARCHITECTURE_AT),
        _step(_EQUAL, ARCHITECTURES[machine], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
    ]
    some = {
        numbers: _some(argument, values, process) for numbers, argument, values in SOME.values()
    }
    if cuda:
        numbers, argument, _ = SOME['ioctl']
        some[numbers] = _none(argument, _IOCTL_NOT_WITH_CUDA)
        some.update({SOME[name][0]: [_allow] for name in ('poll', 'ppoll', 'select', 'pselect6')})
    some[CLONE] = [_argument(0), _step(_ANY_BIT, _CLONE_THREAD, 0, 1), _allow, _deny]
    for numbers, block in some.items():
        if numbers[column] >= 0:
            code += [_step(_EQUAL, numbers[column], 0, len(block)), *block]
    allowed = {**ALLOWED, **(ALLOWED_WITH_CUDA if cuda else {})}
    for numbers in allowed.values():
        if numbers[column] >= 0:
            code += [_step(_EQUAL, numbers[column], 0, 1), _allow]
    missing = _step(_RETURN, _DENY | errno.ENOSYS)
    code += [_step(_EQUAL, CLONE3[column], 0, 1), missing, _step(_GREATER, NEWEST, 0, 1), missing]
    return b''.join([*code, _deny])


def _some(argument: int, values: Iterable[int], process: int) -> list[bytes]:
    """Allow some values of an argument."""
    code = [_argument(argument)]
    for value in values:
        code += [_step(_EQUAL, process if value == _ITSELF else value, 0, 1), _allow]
    return [*code, _deny]


def _none(argument: int, values: Iterable[int]) -> list[bytes]:
    """Allow all values of an argument but some."""
    code = [_argument(argument)]
    for value in values:
        code += [_step(_EQUAL, value, 0, 1), _deny]
    return [*code, _allow]


def _argument(index: int) -> bytes:
    """Load the lower half of an argument: both architectures are little-endian."""
    return _step(_LOAD, _ARGUMENTS_AT + 8 * index)


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """Return one ``struct sock_filter``."""
    return struct.pack('=HBBI', operation, if_true, if_false, value)


_allow, _deny = _step(_RETURN, _ALLOW), _step(_RETURN, _DENY | errno.EPERM)
