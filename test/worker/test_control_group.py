"""The control group of a worker: in a tree as systemd delegates it, and without one."""

import os
import pathlib
import subprocess
import sys

import pytest

from fournex_runtime.worker import control_group
from fournex_runtime.worker.control_group import confine, own_group


@pytest.fixture
def own(tmp_path):
    """Return the group of a runtime under a unit that is delegated: files in place of a kernel."""
    unit = tmp_path / 'robot.service'
    (unit / 'runtime').mkdir(parents=True)
    (unit / 'cgroup.subtree_control').write_text('memory pids\n')
    (unit / 'cgroup.controllers').write_text('cpu io memory pids\n')
    try:
        os.setxattr(unit, 'user.delegate', b'1')
    except OSError:
        pytest.skip('this filesystem has no extended attributes')
    return unit / 'runtime'


def test_a_worker_gets_a_group_beside_that_of_the_runtime(own):
    group = confine(4711, 512 << 20, 2, own)
    assert group.cap.in_force and group.cap.words == '1536 MiB in all, 80 threads, 2 processors'
    (made,) = own.parent.glob('fournex-worker-*')
    found = {file.name: file.read_text() for file in made.iterdir()}
    assert found == {
        'memory.max': str(1536 << 20),
        'pids.max': '80',
        'cpu.max': '200000 100000',
        'cgroup.procs': '4711',
    }
    assert (own.parent / 'cgroup.subtree_control').read_text() == '+cpu'


def test_what_a_killed_runtime_left_is_removed(own):
    left = own.parent / 'fournex-worker-1-1'
    left.mkdir()
    confine(4711, 0, 1, own)
    assert not left.exists()


def test_where_nothing_is_delegated_that_is_said(tmp_path):
    group = confine(4711, 0, 1, tmp_path / 'user.slice' / 'session.scope')
    assert not group.cap.in_force and 'is not delegated (systemd' in group.cap.words
    group.remove()


@pytest.mark.parametrize(
    ('mountinfo', 'found'),
    [
        ('30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n', '/sys/fs/cgroup/a/b'),
        ('30 1 0:26 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n', '/sys/fs/cgroup/b'),
    ],
)
def test_the_group_of_a_process_is_found_where_it_is_mounted(mountinfo, found, tmp_path):
    (tmp_path / 'mountinfo').write_text('29 1 0:25 / /sys rw - sysfs sysfs rw\n' + mountinfo)
    (tmp_path / 'cgroup').write_text('4:memory:/elsewhere\n0::/a/b\n')
    assert own_group(tmp_path) == pathlib.Path(found)


def test_without_cgroup_2_that_is_said(tmp_path):
    (tmp_path / 'mountinfo').write_text('29 1 0:25 / /sys rw - sysfs sysfs rw\n')
    with pytest.raises(OSError, match='no cgroup v2 is mounted'):
        own_group(tmp_path)


def test_without_a_controller_that_is_said(own):
    (own.parent / 'cgroup.controllers').write_text('hugetlb pids\n')
    group = confine(4711, 0, 1, own)
    assert not group.cap.in_force
    assert 'lacks the controllers memory, cpu (cgroup v1' in group.cap.words


@pytest.fixture
def real_own():
    """Return a group of the kernel's, delegated as systemd does it, and remove it."""
    try:
        unit = own_group() / f'fournex-test-{os.getpid()}'
        unit.mkdir()
    except OSError as problem:
        pytest.skip(f'no control group can be made: {problem}')
    try:
        os.setxattr(unit, 'user.delegate', b'1')
        (unit / 'runtime').mkdir()
        yield unit / 'runtime'
        (unit / 'runtime').rmdir()
    finally:
        unit.rmdir()


EATS = """
import sys, threading, time
sys.stdin.readline()
def eat(what):
    if what == 'memory':
        b'x' * (64 << 20)
    elif what == 'threads':
        for _ in range(200):
            threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
    else:
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            pass
try:
    eat(sys.argv[1])
except RuntimeError as problem:
    print(problem)
print(time.process_time())
"""


@pytest.mark.parametrize('what', ['memory', 'threads', 'processors'])
def test_the_kernel_holds_what_is_in_a_group_of_its_own(what, real_own, monkeypatch):
    """Needs a cgroup v2 with the three controllers; elsewhere the refusal says what is missing."""
    monkeypatch.setattr(control_group, 'LIBRARIES_BYTES', 32 << 20)
    monkeypatch.setattr(control_group, 'SHARE_US', 20_000)  # a fifth of a processor
    child = subprocess.Popen(
        [sys.executable, '-c', EATS, what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    group = confine(child.pid, 0, 1, real_own)
    try:
        if not group.cap.in_force:
            assert 'lacks the controllers' in group.cap.words
            pytest.skip(group.cap.words)
        assert 'fournex-worker-' in pathlib.Path(f'/proc/{child.pid}/cgroup').read_text()
        said, _ = child.communicate('go\n', timeout=60)
        if what == 'memory':
            assert child.returncode == -9
        elif what == 'threads':
            assert said.startswith("can't start new thread")
        else:
            assert float(said) < 0.6, 'of a second in which it would have had it all'
    finally:
        child.kill()
        child.communicate()
        group.remove()
    assert not list(real_own.parent.glob('fournex-worker-*'))
