"""A recording of the last seconds: nothing is written until something happens."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from fournex_runtime.errors import RecordingError
from fournex_runtime.record.bag_reader import BagReader

MS = 1_000_000
MAP = 2


class Stream:
    """Numbered messages of a kilobyte, with marks where the recorder asks for them."""

    def __init__(self, recording):
        self.recording = recording
        self.number = 0
        recording.start()
        recording.write(MAP, b'map', log_time_ns=0, publish_time_ns=0, sequence=1)
        self.mark()

    def mark(self):
        self.recording.mark([], time.time_ns())
        self.recording.commit()

    def play(self, seconds, size=1000, period_s=0.002):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.number += 1
            data = self.number.to_bytes(4, 'little') + os.urandom(size)
            now_ns = time.time_ns()
            self.recording.write(
                0, data, log_time_ns=now_ns, publish_time_ns=now_ns, sequence=self.number
            )
            if self.recording.commit() and self.recording.wants_mark:
                self.mark()
            time.sleep(period_s)

    def wait_for(self, path):
        deadline = time.monotonic() + 10
        while not path.exists():
            assert time.monotonic() < deadline, path
            self.play(0.01)


def numbers(bag):
    with BagReader(bag) as reader:
        assert reader.problem is None
        found = list(reader.messages())
    assert found[0].data == b'map', 'what holds from long ago comes first'
    return [one.sequence for one in found if one.topic == '/joint_states']


def test_where_nothing_happens_nothing_is_left(make_recording):
    stream = Stream(make_recording(ring=True))
    stream.play(0.3)
    summary = stream.recording.close()
    assert summary.complete and summary.problem is None and not any(summary.dropped.values())
    assert not summary.folder.exists()


def test_each_trigger_makes_a_bag_of_the_seconds_around_it(make_recording):
    recording = make_recording(ring=True, keep_ns=500 * MS, after_ns=200 * MS)
    stream = Stream(recording)
    stream.play(2.0)
    assert list(recording.folder.iterdir()) == []
    triggered = stream.number
    recording.trigger('a test', time.time_ns())
    stream.wait_for(recording.folder / 'dump-01' / 'metadata.yaml')
    recording.trigger('again', time.time_ns())
    stream.play(0.05)
    ended = stream.number
    summary = recording.close()
    assert summary.complete and summary.problem is None
    first = numbers(recording.folder / 'dump-01')
    assert first == list(range(first[0], first[-1] + 1)), 'none is left out, none comes twice'
    assert 1 < first[0] < triggered < first[-1]
    second = numbers(recording.folder / 'dump-02')
    assert second == list(range(second[0], ended + 1)), 'the end of the run is the end of it'
    assert first[0] < second[0] <= first[-1]
    with BagReader(recording.folder / 'dump-02') as reader:
        assert reader.cause == 'again'
    with pytest.raises(RecordingError, match='it holds the bags dump-01, dump-02'):
        BagReader(recording.folder).open()


def test_the_oldest_bags_go_where_the_disk_is_to_hold_no_more(make_recording):
    recording = make_recording(ring=True, after_ns=20 * MS, keep_bytes=1_000_000)
    stream = Stream(recording)
    for number in (1, 2, 3):
        first = stream.number
        while stream.number - first < 70:  # 700 kB more than the one before
            stream.play(0.01, size=10_000)
        recording.trigger(f'number {number}', time.time_ns())
        stream.wait_for(recording.folder / f'dump-{number:02d}' / 'metadata.yaml')
    assert recording.close().complete
    assert [path.name for path in recording.folder.iterdir()] == ['dump-03']
    assert len(numbers(recording.folder / 'dump-03')) >= 200, 'the newest stays, however large'


def test_a_trigger_meanwhile_makes_the_seconds_after_begin_again(make_recording):
    recording = make_recording(ring=True, keep_ns=500 * MS, after_ns=600 * MS)
    stream = Stream(recording)
    recording.trigger('first', time.time_ns())
    stream.play(0.4)
    again = time.monotonic()
    recording.trigger('second', time.time_ns())
    stream.wait_for(recording.folder / 'dump-01' / 'metadata.yaml')
    assert time.monotonic() - again > 0.55
    recording.close()
    assert [path.name for path in recording.folder.iterdir()] == ['dump-01']


def test_the_past_takes_no_more_memory_than_it_may(make_recording):
    recording = make_recording(ring=True, memory_bytes=2_000_000, compression='none')
    stream = Stream(recording)
    before = resident(recording.pid)
    stream.play(1.5, size=100_000)
    assert stream.number * 100_000 > 10_000_000
    assert resident(recording.pid) - before < 30_000_000
    recording.trigger('a test', time.time_ns())
    stream.play(0.01)
    recording.close()
    found = numbers(recording.folder / 'dump-01')
    assert found == list(range(found[0], stream.number + 1))
    assert 5 < len(found) < 25


def resident(pid):
    """Return the memory of a process that it shares with nobody, bytes."""
    with open(f'/proc/{pid}/statm') as file:
        size, shared = (int(word) for word in file.read().split()[1:3])
    return (size - shared) * 4096


def test_a_runtime_that_is_killed_is_what_somebody_wants_to_know_about(tmp_path):
    script = textwrap.dedent("""
        import pathlib, sys, time
        from fournex_runtime.pipeline.messages import messages
        from fournex_runtime.record.channel import Channel
        from fournex_runtime.record.recording import Recording
        from fournex_runtime.session.wiring_record import RecordWiring

        channels = [Channel('/joint_states', 'std_msgs/msg/String'),
                    Channel('/map', 'std_msgs/msg/String', latched=True)]
        recording = Recording(pathlib.Path(sys.argv[1]), channels, messages=messages(),
                              options=RecordWiring(ring=True))
        recording.start()
        recording.write(1, b'map', log_time_ns=0, publish_time_ns=0, sequence=1)
        recording.mark([], 0)
        for number in range(100):
            recording.write(0, b'text', log_time_ns=number, publish_time_ns=0, sequence=number)
        recording.commit()
        print('committed', flush=True)
        time.sleep(60)
    """)
    folder = tmp_path / 'run'
    process = subprocess.Popen(
        [sys.executable, '-c', script, folder],
        stdout=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
    )
    assert process.stdout.readline() == b'committed\n'
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 10
    while not (folder / 'dump-01' / 'metadata.yaml').exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert numbers(folder / 'dump-01') == list(range(100))
    with BagReader(folder / 'dump-01') as reader:
        assert reader.cause == 'the runtime has ended'


def test_a_folder_that_exists_is_refused_before_anything_happens(make_recording, tmp_path):
    (tmp_path / 'bag').mkdir()
    with pytest.raises(RecordingError, match='never written over another'):
        make_recording(ring=True).start()
