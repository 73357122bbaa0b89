"""What the filter of system calls denies by itself, with no Landlock behind it: tried under it."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from fournex_runtime.worker import system_calls

PROBES = """
import ctypes, errno, fcntl, json, os, pathlib, resource, select, signal, struct, sys
package, folder, victim = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
unnamed = json.loads(sys.argv[4])
sys.path.insert(0, package)
from fournex_runtime.worker import caps
def no_landlock(*_):
    raise OSError(errno.ENOSYS, 'left out')
caps.restrict_files = no_landlock
taken = {one.name: one.in_force for one in caps.take_caps(str(folder), 0, False)}
assert taken['network and processes'] and not taken['paths']
libc = ctypes.CDLL(None, use_errno=True)
machine = os.uname().machine

def call(numbers, *arguments):
    number = numbers[['x86_64', 'aarch64'].index(machine)]
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), 'call')

try:
    call((41, 198), 1, 1, 0)
except PermissionError:
    pass
else:
    sys.exit('there is no filter')  # and nothing else is tried

file = folder / 'file'
file.write_text('text')
opened = os.open(file, os.O_RDONLY)
beneath = os.open(folder, os.O_RDONLY)
read, write = os.pipe()
many = [os.dup(read) for _ in range(9)]

def poll(descriptors):
    waiting = select.poll()
    for one in descriptors:
        waiting.register(one)
    return waiting

poll(many[:8]).poll(0)
page = ctypes.create_string_buffer(8192)
info = ctypes.create_string_buffer(struct.pack('=iii', signal.SIGKILL, 0, -1).ljust(128, b'\\0'))
address = ctypes.addressof
owner = struct.pack('=ii', 1, victim)
F_SETSIG, F_SETOWN_EX, F_NOTIFY, F_SETLEASE, F_SETPIPE_SZ = 10, 15, 1026, 1024, 1031
denied = {
    'be told of input by a signal to it': lambda: fcntl.fcntl(read, fcntl.F_SETOWN, victim),
    'the same by another name': lambda: fcntl.fcntl(read, F_SETOWN_EX, owner),
    'by which signal': lambda: fcntl.fcntl(read, F_SETSIG, signal.SIGKILL),
    'the signal': lambda: fcntl.ioctl(read, 0x5452, struct.pack('i', 1)),
    'the owner by ioctl': lambda: fcntl.ioctl(read, 0x8901, struct.pack('i', victim)),
    'kill': lambda: os.kill(victim, signal.SIGKILL),
    'kill its group': lambda: os.killpg(victim, signal.SIGKILL),
    'kill those beside': lambda: os.kill(0, signal.SIGURG),
    'tgkill': lambda: call((234, 131), victim, victim, 9),
    'tkill': lambda: call((200, 130), victim, 9),
    'a queued signal': lambda: call((129, 138), victim, 9, address(info)),
    'a queued signal to a thread': lambda: call((297, 240), victim, victim, 9, address(info)),
    'pidfd_open': lambda: os.pidfd_open(victim),
    'ptrace': lambda: call((101, 117), 0x4206, victim, 0, 0),
    'process_vm_readv': lambda: call((310, 270), victim, 0, 0, 0, 0, 0),
    'process_madvise': lambda: call((440, 440), 0, 0, 0, 0, 0),
    'kcmp': lambda: call((312, 272), os.getpid(), victim, 0, 0, 0),
    'move its pages': lambda: call((279, 239), victim, 0, 0, 0, 0, 0),
    'its limits': lambda: resource.prlimit(victim, resource.RLIMIT_CPU, (0, 0)),
    'its cores': lambda: os.sched_setaffinity(victim, {0}),
    'cores that it was not given': lambda: os.sched_setaffinity(0, {0}),
    'its scheduling': lambda: os.sched_setscheduler(victim, os.SCHED_IDLE, os.sched_param(0)),
    'its own scheduling': lambda: os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0)),
    'sched_setattr': lambda: call((314, 274), victim, address(page), 0),
    'its niceness': lambda: os.setpriority(os.PRIO_PROCESS, victim, 19),
    'ioprio_set': lambda: call((251, 30), 1, victim, 3 << 13),
    'share a core with it': lambda: call((157, 167), 62, 1, victim, 0, 0),
    'lend it a priority': lambda: call((202, 98), address(page), 6, 0, 0, 0, 0),
    'interrupt every core': lambda: call((324, 283), 1, 0, 0),
    'shared memory': lambda: call((29, 194), 0, 4096, 0o1600),
    'a semaphore': lambda: call((64, 190), 0, 1, 0o1600),
    'a queue': lambda: call((68, 186), 0, 0o1600),
    'a queue with a name': lambda: call((240, 180), address(page), 0o102, 0o600, 0),
    'memory beside its own': lambda: os.memfd_create('probe'),
    'the same, secret': lambda: call((447, 447), 0),
    'memory in a pipe': lambda: call((278, 75), write, 0, 0, 0),
    'a large pipe': lambda: fcntl.fcntl(write, F_SETPIPE_SZ, 1 << 20),
    'a hole in shared memory': lambda: call((285, 47), opened, 3, 0, 4096),
    'the same by its pages': lambda: call((28, 233), address(page) & ~4095, 4096, 9),
    'push out pages': lambda: call((28, 233), address(page) & ~4095, 4096, 21),
    'wait for one thing many times': lambda: poll(many).poll(0),
    'the same by select': lambda: select.select(many, [], [], 0),
    'the same by epoll': select.epoll,
    'a lease': lambda: fcntl.fcntl(opened, F_SETLEASE, 0),
    'word of a folder': lambda: fcntl.fcntl(beneath, F_NOTIFY, 2),
    'a watch': lambda: call((294, 26), 0),
    'a lock': lambda: fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB),
    'a lock of a part': lambda: fcntl.lockf(write, fcntl.LOCK_EX | fcntl.LOCK_NB),
    'a call that blocks': lambda: fcntl.fcntl(read, fcntl.F_SETFL, 0),
    'the same by ioctl': lambda: fcntl.ioctl(read, 0x5421, struct.pack('i', 0)),
    'type at a terminal': lambda: fcntl.ioctl(0, 0x5412, b'x'),
    'an attribute of a file': lambda: fcntl.ioctl(opened, 0x40086602, struct.pack('q', 0)),
    'chmod': lambda: os.chmod(file, 0o777),
    'chmod of what is open': lambda: os.chmod(opened, 0o777),
    'chown': lambda: os.chown(file, os.getuid(), -1),
    'the time of a file': lambda: os.utime(file),
    'extended attributes': lambda: os.setxattr(file, 'user.probe', b'x'),
    'cut off a file': lambda: os.truncate(file, 0),
    'a link': lambda: os.link(file, folder / 'link'),
    'a symbolic link': lambda: os.symlink(file, folder / 'link'),
    'sync': lambda: call((162, 81)),
    'userfaultfd': lambda: call((323, 282), 1),
    'io_uring': lambda: call((425, 425), 1, address(page)),
    'aio': lambda: call((206, 0), 1, address(page)),
    'bpf': lambda: call((321, 280), 0, 0, 0),
    'perf': lambda: call((298, 241), 0, 0, -1, -1, 0),
    'a key': lambda: call((250, 219), 0, -1, 0),
    'a quota': lambda: call((179, 60), 0, 0, 0, 0),
    'another user': lambda: call((105, 146), 65533),
    'another group of processes': lambda: os.setpgid(0, 0),
    'another personality': lambda: call((135, 92), 0),
    'outliving the parent': lambda: call((157, 167), 1, 0, 0, 0, 0),
    'fork': os.fork,
}
said = {}
for name, probe in denied.items():
    try:
        probe()
    except OSError as problem:
        said[name] = errno.errorcode[problem.errno]
    else:
        said[name] = 'done'

def answer(number):
    if libc.syscall(number, 0, 0, 0, 0, 0, 0) >= 0:
        return 'done'
    return errno.errorcode[ctypes.get_errno()]

print(json.dumps([said, {name: answer(number) for name, number in unnamed.items()}]))
"""


def known(column):
    """Return the calls in the kernel's header for an architecture: names and numbers."""
    if column == 0:
        header = next(
            iter(pathlib.Path('/usr/include').rglob('asm/unistd_64.h')), pathlib.Path('/none')
        )
    else:
        header = pathlib.Path('/usr/include/asm-generic/unistd.h')
    if not header.is_file():
        pytest.skip(f'no header of the kernel for {[*system_calls.ARCHITECTURES][column]}')
    found = re.findall(r'#define\s+__NR(?:3264)?_(\w+)\s+(\d+)', header.read_text())
    return {{'fstatat': 'newfstatat'}.get(name, name): int(number) for name, number in found}


def named():
    """Return the calls that the filter names."""
    return {
        **system_calls.ALLOWED,
        **system_calls.ALLOWED_WITH_CUDA,
        **{name: numbers for name, (numbers, _, _) in system_calls.SOME.items()},
        'clone': system_calls.CLONE,
        'clone3': system_calls.CLONE3,
    }


@pytest.fixture(scope='module')
def said(checkout, tmp_path_factory):
    """Return what became of every probe, and of every call of this machine that has no name."""
    here = [*system_calls.ARCHITECTURES].index(os.uname().machine)
    cuda = system_calls.ALLOWED_WITH_CUDA
    allowed = {numbers[here] for name, numbers in named().items() if name not in cuda}
    unnamed = {name: number for name, number in known(here).items() if number not in allowed}
    victim = subprocess.Popen(['/bin/sleep', '60'], start_new_session=True)
    arguments = (checkout, tmp_path_factory.mktemp('folder'), victim.pid, json.dumps(unnamed))
    try:
        done = subprocess.run(
            [sys.executable, '-I', '-c', PROBES, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            start_new_session=True,
        )
        assert done.returncode == 0, done.stderr
        assert victim.poll() is None, 'it was reached'
    finally:
        victim.kill()
        victim.wait()
    return json.loads(done.stdout)


def test_nothing_reaches_another_process_the_machine_or_a_file_it_may_not_open(said):
    reached = {name: what for name, what in said[0].items() if what != 'EPERM'}
    assert reached == {}


def test_every_call_that_is_not_named_is_denied(said):
    """One younger than the list is missing to its caller, who has an older one for it."""
    assert len(said[1]) > 100
    assert set(said[1].values()) <= {'EPERM', 'ENOSYS'}, said[1]
    missing = {name for name, what in said[1].items() if what == 'ENOSYS'}
    here = [*system_calls.ARCHITECTURES].index(os.uname().machine)
    assert all(known(here)[name] > system_calls.NEWEST for name in missing), missing


@pytest.mark.parametrize('machine', system_calls.ARCHITECTURES)
def test_the_numbers_of_system_calls_are_those_of_the_kernel(machine):
    column = [*system_calls.ARCHITECTURES].index(machine)
    numbers = known(column)
    for name, both in named().items():
        assert numbers.get(name, -1) == both[column], name
    assert numbers['seccomp'] == system_calls.SECCOMP[machine]
    assert numbers['set_mempolicy_home_node'] == system_calls.NEWEST


def test_no_jump_of_the_filter_is_too_long():
    """A step of classic BPF jumps 255 further at most, and a filter has 4096 steps."""
    for machine in system_calls.ARCHITECTURES:
        for cuda in (False, True):
            program = system_calls._program(machine, 4711, cuda)
            assert len(program) % 8 == 0 and len(program) // 8 <= 4096
