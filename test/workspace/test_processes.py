"""The test harness itself: isolation, and an end for everything that tests start."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import dds
import processes
import pytest

SLEEP = [sys.executable, '-c', 'import time; print("up"); time.sleep(60)']
PARENT = [
    sys.executable,
    '-c',
    'import subprocess, sys, time\n'
    'subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],'
    ' start_new_session=True)\n'
    'print("up")\n'
    'time.sleep(60)',
]


@pytest.fixture
def starter(tmp_path):
    """Return a starter that the test ends itself; what a failed test leaves is ended here."""
    starter = processes.Starter(tmp_path)
    yield starter
    with contextlib.suppress(AssertionError):
        starter.end(patience_s=0.5)


def test_each_run_has_a_domain_of_its_own():
    first, second = dds.Domain(), dds.Domain()
    ours = int(os.environ['ROS_DOMAIN_ID'])
    assert len({first.number, second.number, ours}) == 3
    assert all(number < 101 for number in (first.number, second.number, ours))
    assert os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    for one in (first, second):
        one.release()


def test_start_ends_what_it_started(starter):
    started = starter('sleeper', SLEEP)
    assert 'up' in started.wait_for('up')
    starter.end()
    assert started.process.returncode == -signal.SIGINT


def test_a_grandchild_in_a_session_of_its_own_is_found_killed_and_reported(starter):
    started = starter('parent', PARENT)
    started.wait_for('up')
    deadline_s = time.monotonic() + 5.0
    while len(processes.marked(processes.PROCESS, started.mark)) < 2:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    with pytest.raises(AssertionError, match='parent left running'):
        starter.end()
    assert not processes.marked(processes.PROCESS, started.mark)


def test_a_process_deaf_to_sigint_is_killed_and_reported(starter):
    deaf = 'import signal, time; signal.signal(2, 1); print("up", flush=True); time.sleep(60)'
    started = starter('deaf', [sys.executable, '-c', deaf])
    started.wait_for('up')
    with pytest.raises(AssertionError, match='deaf did not end on SIGINT'):
        starter.end(patience_s=0.3)
    assert started.process.returncode == -signal.SIGKILL


def test_what_was_started_ends_with_a_run_that_is_killed(starter, tmp_path):
    mark = 'a run that is killed'
    code = (
        'import os, subprocess, sys, time, processes\n'
        f'os.environ[processes.RUN] = {mark!r}\n'
        f'mourner = processes.Mourner(processes.RUN, {mark!r})\n'
        f'subprocess.Popen({PARENT!r}, start_new_session=True)\n'
        'time.sleep(60)\n'
    )
    path = os.pathsep.join([str(pathlib.Path(processes.__file__).parent), *sys.path])
    run = starter(
        'run', [sys.executable, '-c', code], environment={**os.environ, 'PYTHONPATH': path}
    )
    deadline_s = time.monotonic() + 10.0
    while len(processes.marked(processes.RUN, mark)) < 2:
        assert time.monotonic() < deadline_s, run.text()
        time.sleep(0.02)
    run.signal(signal.SIGKILL)
    run.wait()
    while processes.marked(processes.RUN, mark):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_waiting_tells_what_was_printed_instead(starter):
    started = starter('brief', [sys.executable, '-c', 'print("good bye")'])
    with pytest.raises(AssertionError, match='good bye'):
        started.wait_for('welcome')
    assert started.wait() == 0
    starter.end()


def test_shared_memory_goes_only_when_nobody_uses_it():
    kept = dds.SHARED_MEMORY / f'fastrtps_test_{os.getpid()}_kept'
    dead = dds.SHARED_MEMORY / f'fastrtps_test_{os.getpid()}_dead'
    before = time.time() - 5.0
    dead.write_bytes(b'0' * 16)
    with kept.open('wb'):
        removed = dds.remove_dead_shared_memory(since=before)
        assert dead.name in removed
        assert kept.exists()
        assert kept.name not in removed
    kept.unlink()


def test_a_killed_node_leaves_no_shared_memory_after_the_sweep(starter):
    code = (
        'import rclpy, time; rclpy.init(); node = rclpy.create_node("doomed"); '
        'print("up", flush=True); time.sleep(60)'
    )
    present = set(dds.SHARED_MEMORY.iterdir())
    node = starter('doomed', [sys.executable, '-c', code])
    node.wait_for('up')
    used = {path.name for path in set(dds.SHARED_MEMORY.iterdir()) - present}
    maps = pathlib.Path(f'/proc/{node.pid}/maps').read_text().splitlines()
    # fastrtps_ in Jazzy, fastdds_ from Kilted on
    mapped = {line.rsplit('/', 1)[1] for line in maps if '/dev/shm/fast' in line}
    own = mapped & used  # others may have made a port that it uses, too
    assert own, maps
    node.signal(signal.SIGKILL)
    node.wait()
    dds.remove_dead_shared_memory(since=time.time() - 60.0)
    assert not [name for name in own if (dds.SHARED_MEMORY / name).exists()]
    starter.end()


def test_rclpy_and_our_messages_import():
    code = 'import rclpy; from fournex_msgs.msg import Tick; print(Tick.MODE_POLICY)'
    answer = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=30, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip().isdigit()
