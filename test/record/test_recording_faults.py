"""
What a recording survives: a killed runtime, a killed or stopped recorder, a full disk.
"""

import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from fournex_runtime.errors import RecordingError
from fournex_runtime.record.bag_reader import BagReader

# Started as the runtime: records, says how far it has committed, and waits to be killed.
RUNTIME = textwrap.dedent("""
    import os, pathlib, sys, time
    from fournex_runtime.pipeline.messages import messages
    from fournex_runtime.record.channel import Channel
    from fournex_runtime.record.recording import Recording

    recording = Recording(
        pathlib.Path(sys.argv[1]), [Channel('/text', 'std_msgs/msg/String')], messages=messages())
    recording.start()
    if sys.argv[3] == 'forks' and os.fork() == 0:
        time.sleep(60)  # holds copies of every descriptor of the recording
    for number in range(int(sys.argv[2])):
        recording.write(0, b'%d' % number * 50, log_time_ns=number, publish_time_ns=0,
                        sequence=number)
        recording.commit()
    recording.write(0, b'never committed', log_time_ns=0, publish_time_ns=0, sequence=0)
    print(f'committed {recording.pid}', flush=True)
    if sys.argv[3] == 'exits':
        os._exit(3)
    time.sleep(60)
""")


@pytest.fixture
def runtime(start):
    """Start a runtime that commits so many records; return it and its recorder's pid."""

    def begin(folder, count, manner='waits'):
        started = start(
            'runtime',
            [sys.executable, '-c', RUNTIME, folder, str(count), manner],
            environment={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
        )
        recorder = int(started.wait_for('committed').split()[-1])
        return started, recorder

    return begin


def wait_gone(pid, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            with open(f'/proc/{pid}/stat') as stat:
                if stat.read().rsplit(')', 1)[1].split()[0] in 'ZX':
                    return
        except OSError:
            return
        time.sleep(0.01)
    raise AssertionError(f'process {pid} still runs')


def assert_all_there(folder, count):
    with BagReader(folder) as bag:
        assert not bag.truncated
        found = list(bag.messages())
    assert [message.sequence for message in found] == list(range(count))
    assert all(message.data == b'%d' % message.sequence * 50 for message in found)


def fill(recording, count, size=1000, seed=0, period_s=0.0):
    """Write random bytes, which no compression makes smaller; return what was accepted."""
    generator = random.Random(seed)
    accepted = []
    for number in range(count):
        data = generator.randbytes(size)
        if recording.write(
            number % 2, data, log_time_ns=time.time_ns(), publish_time_ns=0, sequence=number
        ):
            accepted.append(data)
        recording.commit()
        if period_s:
            time.sleep(period_s)
    return accepted


def wait_until(condition, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize('count', [0, 1, 20_000])
def test_a_killed_runtime_loses_nothing_that_it_committed(runtime, tmp_path, count):
    started, recorder = runtime(tmp_path / 'bag', count)
    started.signal(signal.SIGKILL)
    wait_gone(recorder)
    assert_all_there(tmp_path / 'bag', count)


def test_a_runtime_that_ends_without_closing_leaves_a_whole_bag(runtime, tmp_path):
    _, recorder = runtime(tmp_path / 'bag', 500, 'exits')
    wait_gone(recorder)
    assert_all_there(tmp_path / 'bag', 500)


def test_a_forked_child_does_not_keep_the_recorder_alive(runtime, tmp_path):
    started, recorder = runtime(tmp_path / 'bag', 500, 'forks')
    started.signal(signal.SIGKILL)
    wait_gone(recorder)
    assert_all_there(tmp_path / 'bag', 500)
    os.killpg(started.pid, signal.SIGKILL)


def test_a_killed_recorder_leaves_a_readable_bag_and_a_loop_that_counts(make_recording):
    recording = make_recording()
    recording.start()
    sent = fill(recording, 200, period_s=0.005)
    killed_ns = time.time_ns()
    os.kill(recording.pid, signal.SIGKILL)
    wait_until(lambda: (fill(recording, 1), recording.alive())[1] is False)
    assert fill(recording, 100) == []
    offered = sum(recording.dropped) + sum(recording.written)
    summary = recording.close()

    assert summary.problem == 'the recorder was killed by SIGKILL' and not summary.complete
    assert sum(summary.dropped.values()) + sum(summary.written.values()) == offered
    with BagReader(recording.folder) as bag:
        assert bag.truncated and 'metadata.yaml is missing' in bag.problem
        found = list(bag.messages())
    assert [message.data for message in found] == sent[: len(found)]
    assert sum(summary.written.values()) <= len(found)
    lost_ns = killed_ns - found[-1].log_time_ns
    assert lost_ns < 1_000_000_000, f'{lost_ns / 1e6:.0f} ms were lost; about 100 is the design'


def test_a_stopped_recorder_fills_the_ring_and_the_rest_is_counted(make_recording):
    recording = make_recording(ring_bytes=256 * 1024)
    recording.start()
    os.kill(recording.pid, signal.SIGSTOP)
    began = time.monotonic()
    accepted = fill(recording, 1000)
    assert time.monotonic() - began < 20.0, 'writing waited for the recorder'
    assert 200 < len(accepted) < 256
    assert sum(recording.dropped) == 1000 - len(accepted) and recording.alive()
    os.kill(recording.pid, signal.SIGCONT)
    wait_until(lambda: sum(recording.written) == len(accepted))
    again = fill(recording, 50, seed=1)
    assert len(again) == 50, 'the ring is not taken into use again'
    summary = recording.close()
    assert summary.complete and summary.problem is None
    assert sum(summary.dropped.values()) == 1000 - len(accepted)
    with BagReader(recording.folder) as bag:
        assert bag.dropped == {topic: n for topic, n in summary.dropped.items() if n}
        assert [message.data for message in bag.messages()] == accepted + again


def test_a_recorder_that_hangs_at_the_end_is_killed_and_reported(make_recording):
    recording = make_recording()
    recording.start()
    fill(recording, 20)
    wait_until(lambda: sum(recording.written) == 20)
    os.kill(recording.pid, signal.SIGSTOP)
    fill(recording, 5)
    began = time.monotonic()
    summary = recording.close(timeout_s=0.5)
    assert 0.4 < time.monotonic() - began < 20.0
    assert 'killed by SIGKILL before it finished the bag' in summary.problem
    assert (sum(summary.written.values()), sum(summary.dropped.values())) == (20, 5)
    with pytest.raises(ProcessLookupError):
        os.kill(recording.pid, 0)


def test_a_recorder_that_cannot_start_is_an_error_with_its_ending(
    make_recording, tmp_path, monkeypatch, descriptors
):
    before = descriptors()
    monkeypatch.setattr(sys, 'executable', '/bin/false')
    with pytest.raises(RecordingError, match='ended with status 1'):
        make_recording().start()
    assert descriptors() == before and list(tmp_path.iterdir()) == []


def test_a_file_that_may_not_grow_is_cut_back_to_whole_chunks(make_recording):
    recording = make_recording(compression='lz4')
    recording.start()
    resource.prlimit(recording.pid, resource.RLIMIT_FSIZE, (300_000, 300_000))
    for number in range(5000):
        fill(recording, 1, seed=number)
        time.sleep(0.001)
        if not recording.alive():
            break
    assert 'File too large' in recording.problem()
    assert fill(recording, 10) == []
    summary = recording.close()
    assert not summary.complete and 'is cut off: File too large' in summary.problem
    assert sum(summary.dropped.values()) > 10
    with BagReader(recording.folder) as bag:
        assert bag.truncated
        assert bag.counts == bag.expected_counts == summary.written
        assert sum(bag.counts.values()) == len(list(bag.messages())) > 200
    assert 0 < (recording.folder / 'bag_0.mcap').stat().st_size <= 300_000


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of three megabytes."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip('mounting a small file system needs root')
    yield folder
    subprocess.run(['umount', folder], check=True)


def test_a_full_disk_ends_a_recording_that_every_reader_opens(make_recording, small_disk):
    from rosbags.highlevel import AnyReader

    recording = make_recording('disk/bag')
    recording.start()
    sent = []
    while recording.alive():
        sent += fill(recording, 1, size=3000, seed=len(sent))
        time.sleep(0.0005)
        assert len(sent) < 20_000
    assert 'No space left on device; recording has stopped' in recording.problem()
    assert fill(recording, 10) == []
    summary = recording.close()
    assert summary.complete, 'the reserve was there to finish it'
    assert sum(summary.dropped.values()) >= 10
    with BagReader(recording.folder) as bag:
        assert not bag.truncated
        assert bag.counts == bag.expected_counts == summary.written
        found = [message.data for message in bag.messages()]
    assert found == sent[: len(found)] and len(found) > 300
    with AnyReader([recording.folder]) as reader:
        assert reader.message_count == len(found)


def test_a_disk_without_room_is_refused_at_the_start(make_recording, small_disk):
    (small_disk / 'ballast').write_bytes(bytes(2_500_000))
    with pytest.raises(RecordingError, match='bag_0.mcap cannot be written: No space left'):
        make_recording('disk/bag').start()
    assert [path.name for path in small_disk.iterdir()] == ['ballast']
