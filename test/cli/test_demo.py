"""``fournex demo``: two processes over real DDS, and nothing left of them."""

from __future__ import annotations

import os
import pathlib
import signal
import sys
import time

import pytest

READY_S = 40.0
COMMAND = [sys.executable, '-m', 'fournex_runtime.cli.main', 'demo', 'pendulum']


def children(pid: int) -> dict[str, int]:
    """Return the ids of a process's children by the module that they run."""
    found = {}
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        for child in (task / 'children').read_text().split():
            words = pathlib.Path(f'/proc/{child}/cmdline').read_text().split('\0')
            if '-m' in words:
                found[words[words.index('-m') + 1]] = int(child)
    return found


def gone(pid: int, within_s: float = 10.0) -> bool:
    """Return whether a process is gone, or will be within some time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_it_drives_records_verifies_and_draws(start, tmp_path):
    """Cut short after 3 s, so the pole was not up for 20 s, which is said and exits with 1."""
    demo = start(
        'demo',
        [*COMMAND, '--out', tmp_path / 'runs', '--seconds', '3', '--steps-before', '2'],
        timeout_s=55,
    )
    assert demo.wait() == 1, demo.text()
    text = demo.text()
    bag = tmp_path / 'runs' / 'pendulum-0001'
    assert '[3/4] pendulum: simulator and runtime up, session "pendulum" active' in text
    assert 'mode policy' in text
    assert f'from {bag}: observations' in text
    assert text.count('UNEQUAL') == text.count('unverifiable') == 0
    assert 'The task was not finished' in text
    assert sorted(path.name for path in bag.iterdir()) == [
        'metadata.yaml',
        'pendulum-0001_0.mcap',
        'run.png',
        'runtime.log',
        'simulator.log',
    ]
    assert [path.name for path in (tmp_path / 'runs').iterdir()] == ['pendulum-0001']


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_everything_and_closes_the_bag(start, tmp_path, number, status):
    demo = start('demo', [*COMMAND, '--out', tmp_path / 'runs'], timeout_s=55)
    demo.wait_for('mode policy', READY_S)
    of_it = children(demo.pid)
    assert set(of_it) == {'fournex_runtime.sim.node', 'fournex_runtime.ros.runtime'}
    demo.signal(number)
    assert demo.wait(15) == status, demo.text()
    assert all(gone(pid, 0.5) for pid in of_it.values())
    assert 'Traceback' not in demo.text()
    bag = tmp_path / 'runs' / 'pendulum-0001'
    assert (bag / 'metadata.yaml').is_file()
    if number == signal.SIGINT:
        last = demo.text().splitlines()[-1]
        assert last == f'Interrupted. The bag up to here: {bag}'


def test_a_second_ctrl_c_leaves_nothing_running(start, tmp_path):
    demo = start('demo', [*COMMAND, '--out', tmp_path / 'runs'], timeout_s=55)
    demo.wait_for('mode policy', READY_S)
    of_it = children(demo.pid)
    for _ in range(3):
        demo.signal(signal.SIGINT)
        time.sleep(0.05)
    assert demo.wait(15) == 130, demo.text()
    assert all(gone(pid, 0.5) for pid in of_it.values())
    assert demo.text().count('Interrupted.') == 1


@pytest.mark.parametrize(
    ('module', 'name'),
    [('fournex_runtime.sim.node', 'simulator'), ('fournex_runtime.ros.runtime', 'runtime')],
)
def test_a_process_that_dies_ends_the_demo_with_its_last_words(start, tmp_path, module, name):
    demo = start('demo', [*COMMAND, '--out', tmp_path / 'runs'], timeout_s=55)
    demo.wait_for('mode policy', READY_S)
    of_it = children(demo.pid)
    os.kill(of_it[module], signal.SIGKILL)
    assert demo.wait(20) == 2, demo.text()
    assert f'the {name} was ended by SIGKILL. Its last words:' in demo.text()
    assert all(gone(pid, 0.5) for pid in of_it.values())


def test_when_the_demo_is_killed_its_processes_end_by_themselves(start, tmp_path):
    demo = start('demo', [*COMMAND, '--out', tmp_path / 'runs'], timeout_s=55)
    demo.wait_for('mode policy', READY_S)
    of_it = children(demo.pid)
    demo.signal(signal.SIGKILL)
    assert all(gone(pid) for pid in of_it.values())
    assert (tmp_path / 'runs' / 'pendulum-0001' / 'metadata.yaml').is_file()


def test_a_second_demo_in_the_same_domain_is_refused(start, tmp_path):
    first = start('first', [*COMMAND, '--out', tmp_path / 'first'], timeout_s=55)
    first.wait_for('mode policy', READY_S)
    second = start('second', [*COMMAND, '--out', tmp_path / 'second'], timeout_s=40)
    assert second.wait() == 2, second.text()
    assert 'another demo or runtime publishes /' in second.text()
    assert list((tmp_path / 'second').iterdir()) == []
    first.signal(signal.SIGINT)
    assert first.wait(15) == 130, first.text()


def test_what_is_refused_starts_nothing(fournex, tmp_path):
    done = fournex('demo', 'pendulum', '--out', tmp_path / 'runs', '--bundle', tmp_path / 'none')
    assert (done.status, done.out) == (2, '')
    assert 'no such policy bundle' in done.err
    assert list(tmp_path.iterdir()) == []
    done = fournex('demo', 'rovr')
    assert (done.status, done.out) == (2, '')
    assert 'rovr' in done.err
