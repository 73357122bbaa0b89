"""What a worker cannot do: tried under the caps that every worker has, and in real workers."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import pytest
from backend_cases import bundle, contract, onnx_model

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.inference import Inference
from fournex_runtime.worker.backend import WorkerBackend
from fournex_runtime.worker.caps import Cap, describe_caps

NOBODY = 65534
USERS = [
    pytest.param(0, marks=pytest.mark.skipif(os.geteuid() != 0, reason='runs as no root')),
    NOBODY if os.geteuid() == 0 else os.geteuid(),
]

PROBES = """
import ctypes, fcntl, getpass, json, os, resource, signal, socket, subprocess, sys, threading
package, scratch, tcp, parent, secret = sys.argv[1:]
tcp, parent = int(tcp), int(parent)
sys.path.insert(0, package)
from fournex_runtime.worker.caps import cap_memory, take_caps
for name in ('LOGNAME', 'USER', 'LNAME', 'USERNAME'):  # as in many a container
    os.environ.pop(name, None)
libc = ctypes.CDLL(None, use_errno=True)
memfd = os.memfd_create('program')
caps = take_caps(scratch, 0, False) + [cap_memory(64 << 20, False)]

def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def clone(flags):
    child = libc.syscall({'x86_64': 56, 'aarch64': 220}[os.uname().machine], flags, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    if child < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def reach(family, kind, address):
    with socket.socket(family, kind) as one:
        one.settimeout(1.0)
        one.connect(address)

def huge_file():
    with open(scratch + '/huge', 'wb') as stream:
        os.ftruncate(stream.fileno(), 1 << 30)

def thread():
    one = threading.Thread(target=list)
    one.start()
    one.join()

def prctl(option, value):
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), 'prctl')

denied = {
    'read a system file': lambda: open('/etc/passwd').read(),
    'read a file of the user': lambda: open(secret).read(),
    'list a folder': lambda: os.listdir(os.path.dirname(secret)),
    'read of another process': lambda: open(f'/proc/{parent}/maps').read(),
    'write beside the scratch folder': lambda: open(scratch + '-beside', 'w'),
    'write to a library': lambda: open(os.__file__, 'a'),
    'write to shared memory': lambda: open('/dev/shm/fournex-probe', 'w'),
    'write a huge file': huge_file,
    'tcp': lambda: reach(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', tcp)),
    'tcp over IPv6': lambda: reach(socket.AF_INET6, socket.SOCK_STREAM, ('::1', tcp)),
    'udp': lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9)),
    'unix socket': lambda: socket.socket(socket.AF_UNIX),
    'netlink': lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    'exec': lambda: os.execv('/bin/true', ['true']),
    'exec of memory': lambda: os.execve(memfd, ['true'], {}),
    'spawn': lambda: os.posix_spawn('/bin/true', ['true'], {}),
    'subprocess': lambda: subprocess.run(['/bin/true']),
    'clone': lambda: clone(signal.SIGCHLD),
    'clone as vfork does': lambda: clone(0x100 | 0x4000 | signal.SIGCHLD),
    'clone3': lambda: call(435, None, 0),
    'ptrace': lambda: call({'x86_64': 101, 'aarch64': 117}[os.uname().machine], 16, parent, 0, 0),
    'memory of the parent': lambda: open(f'/proc/{parent}/mem', 'r+b'),
    'kill the parent': lambda: os.kill(parent, signal.SIGURG),
    'kill everybody': lambda: os.kill(-1, signal.SIGURG),
    'a handle of the parent': lambda: os.pidfd_open(parent),
    'limits of the parent': lambda: resource.prlimit(parent, resource.RLIMIT_CORE, (0, 0)),
    'cores of the parent': lambda: os.sched_setaffinity(parent, os.sched_getaffinity(0)),
    'a niceness': lambda: os.setpriority(os.PRIO_PROCESS, parent, 19),
    'a real-time priority': lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    'more memory': lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)),
    'a large allocation': lambda: bytearray(256 << 20),
    'many open files': lambda: [os.dup(0) for _ in range(1000)],
    'outliving the parent': lambda: prctl(1, 0),
    'debuggers': lambda: prctl(4, 1),
    'a call that blocks': lambda: os.set_blocking(0, False),
    'the same by fcntl': lambda: fcntl.fcntl(0, fcntl.F_SETFL, 0),
    'io_uring': lambda: call(425, 1, None),
    'a namespace': lambda: call({'x86_64': 272, 'aarch64': 97}[os.uname().machine], 0x10000000),
}
allowed = {
    'write in the scratch folder': lambda: open(scratch + '/note', 'w').write('x'),
    'who it is': getpass.getuser,
    'import a library': lambda: __import__('xml.dom.minidom'),
    'a thread': thread,
    'a little memory': lambda: bytearray(16 << 20),
    'a signal to itself': lambda: os.kill(os.getpid(), signal.SIGURG),
}
said = {}
for name, probe in {**denied, **allowed}.items():
    try:
        probe()
    except (OSError, MemoryError, ValueError) as problem:
        said[name] = type(problem).__name__
    else:
        said[name] = 'done'
    if name == 'many open files':
        os.closerange(3, 1000)
report = {
    'said': said,
    'user': os.getuid(),
    'denied': list(denied),
    'caps': [str(one) for one in caps],
    'missing': [one.name for one in caps if not one.in_force],
    'capabilities': [line for line in open('/proc/self/status') if line.startswith('CapEff')],
}
print(json.dumps(report))
"""


@pytest.fixture(scope='module', params=USERS, ids=lambda user: f'user {user}')
def probed(request, checkout, tmp_path_factory):
    """Return what became of every probe, for a user."""
    secret = tmp_path_factory.mktemp('home') / 'secret'
    secret.write_text('secret')
    for folder in (secret, secret.parent, *secret.parent.parents[:2]):
        folder.chmod(0o755)  # nothing but the caps stands between a probe and this file
    other = {} if request.param == os.geteuid() else {'user': request.param, 'extra_groups': []}
    with tempfile.TemporaryDirectory() as folder, socket.create_server(('127.0.0.1', 0)) as tcp:
        scratch = pathlib.Path(folder) / 'scratch'
        scratch.mkdir()
        if other:
            os.chmod(folder, 0o777)
            os.chown(scratch, request.param, -1)
        program = pathlib.Path(folder) / 'probes.py'
        program.write_text(PROBES)
        arguments = (checkout, scratch, tcp.getsockname()[1], os.getpid(), secret)
        pythons = [one for one in (sys.executable, '/usr/bin/python3') if _can_run(one, other)]
        if not pythons:
            pytest.skip(f'user {request.param} may not run {sys.executable}')
        done = subprocess.run(
            [pythons[0], '-I', program, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            **other,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def _can_run(python, user):
    try:
        return subprocess.run([python, '-I', '-c', ''], **user, timeout=60).returncode == 0
    except OSError:
        return False


def test_nothing_outside_can_be_reached(probed):
    denied = {name: probed['said'][name] for name in probed['denied']}
    assert {name for name, what in denied.items() if what == 'done'} == set(), denied


def test_what_a_policy_needs_goes_on(probed):
    allowed = {name: what for name, what in probed['said'].items() if name not in probed['denied']}
    assert set(allowed.values()) == {'done'}, allowed


def test_every_cap_is_in_force_and_a_root_is_root_no_more(probed):
    assert probed['missing'] == ([] if probed['user'] else ['threads']), probed['caps']
    assert int(probed['capabilities'][0].split()[1], 16) & ~(1 << 2) == 0


# --- real workers --------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    text = contract('onnx', 'policy.onnx', 'stateless')
    return bundle(tmp_path_factory.mktemp('plain'), onnx_model('stateless'), text, 'policy.onnx')


@pytest.fixture
def worker(plain):
    backend = WorkerBackend(plain, Inference(memory_bytes=1 << 30))
    yield backend
    backend.close()


def status(worker):
    text = pathlib.Path(f'/proc/{worker.pid}/status').read_text()
    return dict(line.split(':\t', 1) for line in text.splitlines())


def test_a_worker_says_which_caps_hold_and_the_kernel_says_so_too(worker):
    missing = {one.name for one in worker.report.caps if not one.in_force}
    # A matter of systemd, and of whether the runtime is root's.
    assert missing <= {'control group', 'threads'}, describe_caps(worker.report.caps)
    found = status(worker)
    assert found['NoNewPrivs'] == '1' and found['Seccomp'] == '2'
    limits = pathlib.Path(f'/proc/{worker.pid}/limits').read_text()
    limits = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert limits['Max core file size'] == limits['Max realtime priority'] == '0'
    assert limits['Max open files'] == '256'
    assert 1 << 30 < int(limits['Max address space']) < 4 << 30


def test_a_worker_that_needs_no_files_may_write_none(worker):
    (words,) = (one.words for one in worker.report.caps if one.name == 'paths')
    assert words.startswith('its libraries to read, none to write')


def test_no_descriptor_of_the_session_is_inherited(plain):
    read, write = os.pipe()
    os.set_inheritable(write, True)
    backend = WorkerBackend(plain)
    os.close(write)
    assert os.read(read, 1) == b'', 'its end would keep the pipe open'
    os.close(read)
    backend.close()


def test_its_scratch_folder_goes_with_it(plain, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, 'tempdir', os.fspath(tmp_path))
    backend = WorkerBackend(plain)
    (folder,) = tmp_path.iterdir()
    (folder / 'left').write_text('something')
    backend.close()
    assert not folder.exists()


def test_what_a_killed_runtime_left_goes_with_the_next_worker(plain, start, tmp_path, checkout):
    program = (
        'import pathlib, sys, time\n'
        'from fournex_runtime.policy.bundle import load_bundle\n'
        'from fournex_runtime.worker.backend import WorkerBackend\n'
        'backend = WorkerBackend(load_bundle(pathlib.Path(sys.argv[1])))\n'
        'print("ready", flush=True)\n'
        'time.sleep(60)\n'
    )
    scratch = tmp_path / 'scratch'
    scratch.mkdir()
    environment = {**os.environ, 'PYTHONPATH': str(checkout), 'TMPDIR': str(scratch)}
    command = [sys.executable, '-c', program, plain.folder]
    killed = start('killed', command, environment=environment)
    killed.wait_for('ready')
    (left,) = scratch.iterdir()
    (left / 'file').write_text('something')
    start('beside', command, environment=environment).wait_for('ready')
    assert left.exists() and len([*scratch.iterdir()]) == 2, 'that of one that lives stays'
    killed.signal(signal.SIGKILL)
    killed.wait(5)
    assert left.exists()
    start('next', command, environment=environment).wait_for('ready')
    assert not left.exists() and len([*scratch.iterdir()]) == 2


AMBIENT = """
import sys
sys.path.insert(0, sys.argv[1])
from fournex_runtime.worker.caps import take_caps
before = [line for line in open('/proc/self/status') if line.startswith('Cap')]
take_caps(sys.argv[2], None, False)
after = [line for line in open('/proc/self/status') if line.startswith('Cap')]
for line in (*before, *after):
    if 'Bnd' not in line:
        print(int(line.split()[1], 16))
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which('setpriv'), reason='needs root and setpriv to set it up'
)
def test_what_a_unit_gives_the_runtime_is_not_the_workers(checkout, tmp_path):
    """``AmbientCapabilities=CAP_SYS_NICE`` is how a plain user's runtime gets its priority."""
    user = ('--reuid', str(NOBODY), '--clear-groups')
    given = ('--inh-caps', '+sys_nice', '--ambient-caps', '+sys_nice')
    program = ('/usr/bin/python3', '-I', '-c', AMBIENT, checkout, tmp_path)
    done = subprocess.run(
        ['setpriv', *user, *given, *program], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == [str(1 << 23)] * 4 + ['0'] * 4, done.stderr


READS = """
import os, sys, tempfile
package, scratch = sys.argv[1:]
sys.path.insert(0, package)
from fournex_runtime.worker.caps import take_caps
take_caps(scratch, None, False)
assert tempfile.gettempdir() == scratch
for write in (
    lambda: open(scratch + '/file', 'w'),
    lambda: os.mkdir(scratch + '/folder'),
    lambda: os.remove(scratch + '/there'),
    lambda: os.truncate(scratch + '/there', 0),
):
    try:
        write()
    except PermissionError:
        print('denied')
"""


def test_a_scratch_folder_that_nothing_may_be_written_in(tmp_path, checkout):
    (tmp_path / 'there').write_text('x')
    command = [sys.executable, '-c', READS, checkout, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ['denied'] * 4, done.stderr
    assert [one.read_text() for one in tmp_path.iterdir()] == ['x']


def test_an_artifact_that_takes_too_much_memory_is_refused_and_only_its_worker_suffers(plain):
    with pytest.raises((ArtifactError, MemoryError)):
        WorkerBackend(plain, Inference(memory_bytes=1 << 16))


def test_a_cap_that_does_not_hold_is_named_with_the_reason():
    caps = [Cap('paths', False, 'this kernel has no Landlock'), Cap('memory', True, '1 MiB')]
    words = 'capped: memory; no cap on paths: this kernel has no Landlock'
    assert describe_caps(caps) == words
