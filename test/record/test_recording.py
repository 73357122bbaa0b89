"""What is handed to a recording is in the bag, for us and for everybody else's readers."""

import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from fournex_runtime.errors import ConfigurationError, RecordingError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.channel import Channel, QosProfile
from fournex_runtime.record.recovery import recover
from fournex_runtime.record.ring import RingRecord

BASE_NS = 1_700_000_000_000_000_000


def write_all(recording, sent):
    for number, (channel, data) in enumerate(sent):
        assert recording.write(
            channel,
            data,
            log_time_ns=BASE_NS + number,
            publish_time_ns=BASE_NS - 50 + number,
            sequence=2**32 - 10 + number,
        )
        recording.commit()


@pytest.mark.parametrize('compression', ['zstd', 'lz4', 'none'])
def test_a_bag_holds_every_byte_time_and_sequence(make_recording, traffic, channels, compression):
    recording = make_recording(compression=compression)
    recording.start()
    sent = traffic(1500)
    write_all(recording, sent)
    summary = recording.close()

    assert summary.complete and summary.problem is None
    assert sum(summary.written.values()) == 1500 and not any(summary.dropped.values())
    with BagReader(recording.folder) as bag:
        assert not bag.truncated and bag.problem is None
        assert bag.counts == bag.expected_counts == summary.written
        found = list(bag.messages())
    assert [(message.topic, message.data) for message in found] == [
        (channels[channel].topic, data) for channel, data in sent
    ]
    assert [message.log_time_ns for message in found] == list(range(BASE_NS, BASE_NS + 1500))
    assert [message.publish_time_ns - message.log_time_ns for message in found] == [-50] * 1500
    assert [message.sequence for message in found] == [
        (2**32 - 10 + number) % 2**32 for number in range(1500)
    ]


def test_rosbags_decodes_it_with_the_definitions_in_the_file(make_recording, traffic, channels):
    recording = make_recording()
    recording.start()
    sent = traffic(200)
    write_all(recording, sent)
    recording.close()

    with AnyReader([recording.folder]) as reader:
        assert {connection.topic for connection in reader.connections} == {
            channel.topic for channel in channels
        }
        received = list(reader.messages())
        assert len(received) == 200
        for (connection, log_time_ns, raw), (number, (_, data)) in zip(received, enumerate(sent)):
            assert log_time_ns == BASE_NS + number
            decoded = reader.deserialize(raw, connection.msgtype)
            assert raw == data == bytes(messages().encode(decoded, connection.msgtype))
        grid = next(one for one in reader.connections if one.topic == '/map')
        assert grid.ext.offered_qos_profiles[0].durability.name == 'TRANSIENT_LOCAL'
        assert grid.digest == messages().typestore.hash_rihs01('nav_msgs/msg/OccupancyGrid')


def test_types_come_from_the_bag_alone(make_recording, traffic, monkeypatch):
    channels = (Channel('/tick', 'fournex_msgs/msg/Tick'), Channel('/text', 'std_msgs/msg/String'))
    recording = make_recording(channels=channels)
    recording.start()
    text = messages().encode(
        messages().type('std_msgs/msg/String')(data='hello'), 'std_msgs/msg/String'
    )
    recording.write(1, text, log_time_ns=1, publish_time_ns=1, sequence=1)
    recording.close()

    monkeypatch.setenv('AMENT_PREFIX_PATH', '')
    with BagReader(recording.folder) as bag:
        types = bag.types()
        assert types.decode(next(bag.messages()).data, 'std_msgs/msg/String').data == 'hello'
    known = types.typestore.fielddefs
    assert 'fournex_msgs/msg/TickInput' in known
    assert 'sensor_msgs/msg/Imu' not in known


def test_the_metadata_is_that_of_rosbag2_in_the_folder_and_in_the_file(make_recording, traffic):
    recording = make_recording()
    recording.start()
    write_all(recording, traffic(300))
    summary = recording.close()

    text = (recording.folder / 'metadata.yaml').read_text()
    information = yaml.safe_load(text)['rosbag2_bagfile_information']
    assert (information['version'], information['storage_identifier']) == (9, 'mcap')
    assert information['message_count'] == 300
    assert information['starting_time']['nanoseconds_since_epoch'] == BASE_NS
    assert information['duration']['nanoseconds'] == 299
    assert information['relative_file_paths'] == ['bag_0.mcap']
    topic = information['topics_with_message_count'][0]
    assert topic['message_count'] == summary.written['/joint_states']
    assert topic['topic_metadata']['offered_qos_profiles'][0]['reliability'] == 'best_effort'
    with (recording.folder / 'bag_0.mcap').open('rb') as stream:
        reader = make_reader(stream)
        assert reader.get_header().profile == 'ros2'
        assert {
            channel.topic: channel.metadata['topic_type_hash'][:7]
            for channel in reader.get_summary().channels.values()
        }['/map'] == 'RIHS01_'
        record = next(one for one in reader.iter_metadata() if one.name == 'rosbag2')
    assert yaml.safe_load(record.metadata['serialized_metadata']) == information
    assert sorted(path.name for path in recording.folder.iterdir()) == [
        'bag_0.mcap',
        'metadata.yaml',
    ]


def test_a_recording_without_messages_is_a_bag_all_the_same(make_recording, channels):
    recording = make_recording()
    recording.start()
    assert recording.close().complete
    with BagReader(recording.folder) as bag:
        assert list(bag.messages()) == [] and not bag.truncated
        assert len(bag.channels) == len(channels)
    with AnyReader([recording.folder]) as reader:
        assert reader.message_count == 0


def test_a_large_message_goes_through_beside_small_ones(make_recording):
    recording = make_recording()
    recording.start()
    large, small = os.urandom(20_000_000), b'small'
    for number, data in enumerate((small, large, small)):
        assert recording.write(0, data, log_time_ns=number, publish_time_ns=0, sequence=0)
    assert not recording.write(0, bytes(80_000_000), log_time_ns=3, publish_time_ns=0, sequence=0)
    summary = recording.close()
    assert summary.dropped['/joint_states'] == 1 and summary.complete
    with BagReader(recording.folder) as bag:
        assert [message.data for message in bag.messages()] == [small, large, small]


def test_what_was_committed_is_in_the_file_soon_without_anything_more(make_recording, traffic):
    recording = make_recording()
    recording.start()
    delays = []
    for number, (channel, data) in enumerate(traffic(10)):
        recording.write(channel, data, log_time_ns=number, publish_time_ns=0, sequence=0)
        recording.commit()
        committed = time.monotonic()
        while sum(recording.written) <= number:
            assert time.monotonic() < committed + 5.0
            time.sleep(0.001)
        delays.append(time.monotonic() - committed)
    # A tenth of a second; the middle one of ten, and a machine that is busy with other things.
    assert sorted(delays)[5] < 1.0
    with BagReader(recording.folder) as bag:
        assert len(list(bag.messages())) == 10


def test_what_a_mark_brings_is_in_the_bag_and_counts_neither_as_written_nor_as_lost(
    make_recording, traffic, channels
):
    recording = make_recording()
    recording.start()
    channel, data = next(one for one in traffic(20) if one[0] == 1)
    recording.mark([RingRecord(channel, 1, BASE_NS, BASE_NS, memoryview(data))], BASE_NS)
    write_all(recording, [(channel, data)])
    summary = recording.close()
    topic = channels[channel].topic
    assert (summary.written[topic], summary.dropped[topic]) == (1, 0)
    with BagReader(recording.folder) as bag:
        assert bag.counts[topic] == bag.expected_counts[topic] == 2


def test_a_bag_is_not_recovered_as_long_as_it_is_being_written(make_recording, traffic):
    recording = make_recording()
    recording.start()
    write_all(recording, traffic(20))
    with pytest.raises(RecordingError, match='bag_0.mcap is being written: its recorder finishes'):
        recover(recording.folder)
    write_all(recording, traffic(20))
    assert recording.close().complete
    with BagReader(recording.folder) as bag:
        assert not bag.truncated and sum(bag.counts.values()) == 40
    assert recover(recording.folder).mended == {}


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_recorder_does_not_end_the_recording(make_recording, traffic, number):
    recording = make_recording()
    recording.start()
    os.kill(recording.pid, number)
    write_all(recording, traffic(50))
    assert sum(recording.close().written.values()) == 50


def test_the_recorder_is_of_its_own_session_and_less_urgent(make_recording):
    recording = make_recording(cpus=[min(os.sched_getaffinity(0))])
    recording.start()
    assert os.getsid(recording.pid) == recording.pid
    assert os.getpriority(os.PRIO_PROCESS, recording.pid) == min(
        19, os.getpriority(os.PRIO_PROCESS, 0) + 5
    )
    assert os.sched_getaffinity(recording.pid) == {min(os.sched_getaffinity(0))}


def test_an_existing_folder_is_refused_and_left_alone(make_recording, tmp_path, descriptors):
    (tmp_path / 'bag').mkdir()
    (tmp_path / 'bag' / 'thesis.txt').write_text('keep me')
    before = descriptors()
    recording = make_recording()
    with pytest.raises(RecordingError, match='bag exists: a recording is never written over'):
        recording.start()
    assert recording.pid is None and descriptors() == before
    assert [path.name for path in (tmp_path / 'bag').iterdir()] == ['thesis.txt']


def test_a_folder_that_cannot_be_made_is_refused(make_recording, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(RecordingError, match='cannot be made: Not a directory'):
        make_recording('file/bag').start()


@pytest.mark.parametrize(
    ('channels', 'complaint'),
    [
        ([Channel('scan', 'std_msgs/msg/String')], "'scan' is not fully qualified"),
        ([Channel('/a', 'std_msgs/msg/String')] * 2, '/a is recorded twice'),
        ([Channel('/a', 'nowhere_msgs/msg/Thing')], '/a cannot be recorded: .*nowhere_msgs'),
    ],
)
def test_channels_that_cannot_be_recorded_are_refused(
    make_recording, tmp_path, channels, complaint
):
    with pytest.raises(RecordingError, match=complaint):
        make_recording(channels=channels).start()
    assert list(tmp_path.iterdir()) == []


def test_options_that_cannot_be_are_refused_without_a_trace(make_recording, tmp_path, descriptors):
    before = descriptors()
    with pytest.raises(RecordingError, match="'gzip': expected one of zstd, lz4, none"):
        make_recording(compression='gzip').start()
    with pytest.raises(RecordingError, match='too small'):
        make_recording(ring_bytes=10).start()
    with pytest.raises(RecordingError, match='cannot be started|Invalid argument'):
        make_recording(cpus=[100_000]).start()
    with pytest.raises(ConfigurationError, match="reliability 'sure'"):
        QosProfile(reliability='sure')
    assert list(tmp_path.iterdir()) == [] and descriptors() == before


def test_nothing_is_left_of_a_recording_but_the_bag(make_recording, traffic, descriptors):
    before = descriptors()
    recording = make_recording()
    recording.start()
    pid = recording.pid
    write_all(recording, traffic(20))
    summary = recording.close()
    assert recording.close() is summary
    assert descriptors() == before
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_loop_can_write_before_and_after_and_it_counts(make_recording):
    recording = make_recording()
    assert not recording.write(1, b'early', log_time_ns=0, publish_time_ns=0, sequence=0)
    recording.commit()
    with pytest.raises(RecordingError, match='was not started'):
        recording.close()
    recording.start()
    with pytest.raises(RecordingError, match='started before'):
        recording.start()
    with pytest.raises(IndexError):
        recording.write(3, b'no such channel', log_time_ns=0, publish_time_ns=0, sequence=0)
    assert recording.alive() and recording.dropped == (0, 1, 0)
    assert recording.close().dropped == {'/joint_states': 0, '/command': 1, '/map': 0}
    assert not recording.write(1, b'late', log_time_ns=0, publish_time_ns=0, sequence=0)
    assert not recording.alive()


def test_the_recorder_starts_without_numpy_rosbags_or_ros():
    script = (
        'import sys, fournex_runtime.record.recorder\n'
        "print(sorted({'numpy', 'rosbags', 'rclpy', 'rosbag2_py'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, '-c', script],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == '[]'
