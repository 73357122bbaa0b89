"""The control group of a worker: in a tree as systemd delegates it, and without one."""

import os
import pathlib

import pytest

from fournex_runtime.worker.control_group import confine, own_group


@pytest.fixture
def own(tmp_path):
    """Return the group of a runtime under a unit that is delegated: files in place of a kernel."""
    unit = tmp_path / 'robot.service'
    (unit / 'runtime').mkdir(parents=True)
    (unit / 'cgroup.subtree_control').write_text('memory pids\n')
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


def test_a_process_is_really_held_where_groups_are_delegated():
    """Needs a unit with ``Delegate``, or the like; elsewhere nothing can be shown."""
    child = os.fork()
    if child == 0:
        import time

        time.sleep(30)
        os._exit(0)
    group = confine(child, 64 << 20, 1)
    try:
        if not group.cap.in_force:
            pytest.skip(group.cap.words)
        assert 'fournex-worker-' in pathlib.Path(f'/proc/{child}/cgroup').read_text()
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        group.remove()
