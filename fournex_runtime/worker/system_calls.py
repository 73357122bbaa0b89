"""
System calls that a worker has no use for, and a seccomp filter that denies them.

The filter is classic BPF on ``struct seccomp_data``: the number of the call at byte 0, the
architecture at 4, the arguments from 16 on, 8 bytes each; see seccomp(2). It denies by name and
allows the rest, since what the libraries of policies call changes from one version to the next.
A denied call gets an error, and the caller goes on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Sequence

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _DENY, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT, _SECOND_ARGUMENT_AT = 0, 4, 16, 24
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000
_SET_MODE_FILTER, _ALL_THREADS = 1, 1

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_PTRACER = 1, 4, 0x59616D61

ARCHITECTURES = {'x86_64': 0xC000003E, 'aarch64': 0xC00000B7}
"""``AUDIT_ARCH_…`` of each architecture that the filter knows."""

SECCOMP = {'x86_64': 317, 'aarch64': 277}

DENIED: dict[str, tuple[int, int]] = {
    # sockets of every family
    'socket': (41, 198),
    'socketpair': (53, 199),
    # other programs
    'fork': (57, -1),
    'vfork': (58, -1),
    'execve': (59, 221),
    'execveat': (322, 281),
    # other processes
    'ptrace': (101, 117),
    'process_vm_readv': (310, 270),
    'process_vm_writev': (311, 271),
    'process_madvise': (440, 440),
    'kcmp': (312, 272),
    'pidfd_open': (434, 434),
    'pidfd_getfd': (438, 438),
    'pidfd_send_signal': (424, 424),
    'tkill': (200, 130),
    'setpriority': (141, 140),
    'ioprio_set': (251, 30),
    # memory, queues and semaphores that have names for other processes
    'shmget': (29, 194),
    'shmat': (30, 196),
    'semget': (64, 190),
    'msgget': (68, 186),
    'mq_open': (240, 180),
    # what would go round this filter or the rules for files
    'io_uring_setup': (425, 425),
    'io_uring_enter': (426, 426),
    'io_uring_register': (427, 427),
    'open_by_handle_at': (304, 265),
    'userfaultfd': (323, 282),
    # the machine
    'mount': (165, 40),
    'umount2': (166, 39),
    'pivot_root': (155, 41),
    'chroot': (161, 51),
    'move_mount': (429, 429),
    'open_tree': (428, 428),
    'fsopen': (430, 430),
    'fsconfig': (431, 431),
    'fsmount': (432, 432),
    'fspick': (433, 433),
    'mount_setattr': (442, 442),
    'setns': (308, 268),
    'unshare': (272, 97),
    'bpf': (321, 280),
    'perf_event_open': (298, 241),
    'add_key': (248, 217),
    'request_key': (249, 218),
    'keyctl': (250, 219),
    'init_module': (175, 105),
    'finit_module': (313, 273),
    'delete_module': (176, 106),
    'kexec_load': (246, 104),
    'kexec_file_load': (320, 294),
    'reboot': (169, 142),
    'swapon': (167, 224),
    'swapoff': (168, 225),
    'acct': (163, 89),
    'quotactl': (179, 60),
    'syslog': (103, 116),
    'sethostname': (170, 161),
    'setdomainname': (171, 162),
    'settimeofday': (164, 170),
    'clock_settime': (227, 112),
    'adjtimex': (159, 171),
    'clock_adjtime': (305, 266),
    'fanotify_init': (300, 262),
}
"""Calls that are denied whatever their arguments: numbers on x86_64 and aarch64; -1: not there."""

OWN_ONLY: dict[str, tuple[int, int]] = {
    'kill': (62, 129),
    'tgkill': (234, 131),
    'rt_sigqueueinfo': (129, 138),
    'rt_tgsigqueueinfo': (297, 240),
    'prlimit64': (302, 261),
    'sched_setaffinity': (203, 122),
    'sched_setscheduler': (144, 119),
    'sched_setparam': (142, 118),
    'sched_setattr': (314, 274),
}
"""Calls whose first argument is a process: denied for any but the caller's, and 0 for it."""

CLONE, CLONE3, PRCTL = (56, 220), (435, 435), (157, 167)
FCNTL, IOCTL = (72, 25), (16, 29)
_F_SETFL, _FIONBIO = 4, 0x5421


def deny_system_calls() -> None:
    """
    Deny them to this process, all its threads, and for good; needs ``PR_SET_NO_NEW_PRIVS``.

    :raises OSError: the kernel refuses, or the architecture is not known.
    """
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, f'no filter for {machine}')
    program = _program(machine, os.getpid())
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack('@HP', len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(SECCOMP[machine], _SET_MODE_FILTER, _ALL_THREADS, header)
    if done != 0:
        number = ctypes.get_errno() if done < 0 else errno.EBUSY
        raise OSError(number, f'seccomp: {os.strerror(number)}')


def _program(machine: str, process: int) -> bytes:
    """Return the filter: blocks that each end in a verdict, or fall through to the next."""
    column = [*ARCHITECTURES].index(machine)

    def number(call: tuple[int, int]) -> int:
        return call[column]

    deny = _step(_RETURN, _DENY | errno.EPERM)
    code = [
        _step(_LOAD, _ARCHITECTURE_AT),
        _step(_EQUAL, ARCHITECTURES[machine], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
        _step(_AT_LEAST, _X32, 0, 1),
        deny,
    ]
    for call in DENIED.values():
        if number(call) >= 0:
            code += [_step(_EQUAL, number(call), 0, 1), deny]
    code += [_step(_EQUAL, number(CLONE3), 0, 1), _step(_RETURN, _DENY | errno.ENOSYS)]
    blocks = [
        *((call, _allow_own(process)) for call in OWN_ONLY.values()),
        (CLONE, [_FIRST_ARGUMENT, _step(_ANY_BIT, _CLONE_THREAD, 1, 0), deny]),
        (PRCTL, _deny_options()),
        (FCNTL, _deny_blocking(_F_SETFL)),
        (IOCTL, _deny_blocking(_FIONBIO)),
    ]
    for call, block in blocks:
        whole = [*block, _step(_RETURN, _ALLOW)]
        code += [_step(_EQUAL, number(call), 0, len(whole)), *whole]
    return b''.join([*code, _step(_RETURN, _ALLOW)])


def _allow_own(process: int) -> list[bytes]:
    return [
        _FIRST_ARGUMENT,
        _step(_EQUAL, process, 2, 0),
        _step(_EQUAL, 0, 1, 0),
        _step(_RETURN, _DENY | errno.EPERM),
    ]


def _deny_options() -> list[bytes]:
    """Deny what would undo how this process ends with its parent and is closed to others."""
    options: Sequence[int] = (_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_PTRACER)
    code = [_FIRST_ARGUMENT]
    for option in options:
        code += [_step(_EQUAL, option, 0, 1), _step(_RETURN, _DENY | errno.EPERM)]
    return code


def _deny_blocking(command: int) -> list[bytes]:
    """Deny what would make the loop wait for the descriptors that it shares with this process."""
    return [
        _step(_LOAD, _SECOND_ARGUMENT_AT),
        _step(_EQUAL, command, 0, 1),
        _step(_RETURN, _DENY | errno.EPERM),
    ]


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """Return one ``struct sock_filter``."""
    return struct.pack('=HBBI', operation, if_true, if_false, value)


_FIRST_ARGUMENT = _step(_LOAD, _FIRST_ARGUMENT_AT)  # its lower half: both are little-endian
