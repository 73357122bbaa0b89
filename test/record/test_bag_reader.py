"""Bags are read as far as they go, and what is no bag is refused with the reason."""

import pathlib
import random
import shutil

import numpy
import pytest
from mcap.reader import make_reader
from mcap.writer import Writer as McapWriter
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as RosbagsWriter
from rosbags.typesys import Stores, get_typestore

from fournex_runtime.errors import RecordingError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.bag_writer import BagWriter
from fournex_runtime.record.channel import Channel, DescribedChannel
from fournex_runtime.record.definitions import describe
from fournex_runtime.record.ring import RingRecord


@pytest.fixture
def bag(tmp_path):
    """Write a bag of many small chunks; return its folder."""
    channels = [Channel('/a', 'std_msgs/msg/String'), Channel('/b', 'sensor_msgs/msg/Imu')]
    writer = BagWriter(tmp_path / 'bag', describe(channels, messages()))
    writer.open()
    generator = random.Random(0)
    for number in range(400):
        data = memoryview(generator.randbytes(generator.randrange(1, 300)))
        writer.write(RingRecord(number % 2, number, number, number, data))
        if number % 20 == 0:
            writer.flush()
    writer.close()
    return tmp_path / 'bag'


def sequences(path, topics=None):
    with BagReader(path) as reader:
        return [message.sequence for message in reader.messages(topics)]


def refusal(path):
    with pytest.raises(RecordingError) as caught, BagReader(path) as reader:
        list(reader.messages())
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_bag_is_read_as_a_folder_and_as_a_file(bag):
    assert sequences(bag) == sequences(bag / 'bag_0.mcap') == list(range(400))
    with BagReader(bag / 'bag_0.mcap') as reader:
        assert reader.expected_counts is None and not reader.truncated
        assert reader.counts == {'/a': 200, '/b': 200}
        assert [channel.type for channel in reader.channels] == [
            'std_msgs/msg/String',
            'sensor_msgs/msg/Imu',
        ]
        assert 'geometry_msgs/Quaternion' in reader.channels[1].definition


def test_topics_can_be_chosen_and_a_misspelt_one_is_named(bag):
    assert sequences(bag, ['/b']) == list(range(1, 400, 2))
    with (
        BagReader(bag) as reader,
        pytest.raises(RecordingError, match='topic /c is not in .*, which has /a, /b'),
    ):
        reader.messages(['/c'])


def test_a_bag_can_be_read_twice_at_once(bag):
    with BagReader(bag) as reader:
        pairs = list(zip(reader.messages(), reader.messages()))
    assert len(pairs) == 400 and all(one == other for one, other in pairs)


def test_without_metadata_the_file_is_read_and_the_lack_is_told(bag):
    (bag / 'metadata.yaml').unlink()
    with BagReader(bag) as reader:
        assert reader.truncated and 'metadata.yaml is missing' in reader.problem
        assert len(list(reader.messages())) == 400


def test_wherever_a_file_is_cut_off_its_beginning_is_read(bag):
    (bag / 'metadata.yaml').unlink()
    file = bag / 'bag_0.mcap'
    whole = file.read_bytes()
    generator = random.Random(1)
    lengths = sorted(generator.randrange(70, len(whole)) for _ in range(60))
    previous = 0
    for length in lengths:
        file.write_bytes(whole[:length])
        with BagReader(bag) as reader:
            assert reader.truncated and 'bag_0.mcap is cut off' in reader.problem
            found = [message.sequence for message in reader.messages()]
            assert sum(reader.counts.values()) == len(found)
        assert found == list(range(len(found)))
        assert len(found) >= previous, 'a longer file has fewer messages'
        previous = len(found)
    assert previous > 300


def test_of_a_file_that_is_being_recorded_is_read_what_was_there_as_it_was_opened(bag):
    (file,) = bag.glob('*.mcap')
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with BagReader(file) as reader:
        file.write_bytes(whole[: 3 * len(whole) // 4])
        found = list(reader.messages())
        assert len(found) == sum(reader.counts.values())
    with BagReader(file) as reader:
        assert len(list(reader.messages())) > len(found) > 0


def test_a_cut_off_file_says_what_its_metadata_promised(bag):
    file = bag / 'bag_0.mcap'
    file.write_bytes(file.read_bytes()[:20_000])
    with BagReader(bag) as reader:
        assert reader.truncated
        missing = reader.expected_counts['/a'] - reader.counts['/a']
        assert missing > 0 and f'{missing} of /a' in reader.problem


def test_a_changed_byte_is_an_error_or_changes_no_message(bag):
    file = bag / 'bag_0.mcap'
    whole = file.read_bytes()
    with BagReader(file) as reader:
        expected = [(one.topic, one.sequence, one.data) for one in reader.messages()]
    generator = random.Random(2)
    noticed = 0
    places = [generator.randrange(8, len(whole) - 8) for _ in range(200)]
    for place in [*range(8, 90), *places]:
        content = bytearray(whole)
        content[place] ^= 1 << generator.randrange(8)
        file.write_bytes(content)
        try:
            with BagReader(file) as reader:
                found = [(one.topic, one.sequence, one.data) for one in reader.messages()]
        except RecordingError as problem:
            noticed += 1
            assert str(file) in str(problem)
        else:
            assert found == expected
    assert noticed > 100


def test_a_file_full_of_zeros_at_its_end_is_read_up_to_them(bag):
    (bag / 'metadata.yaml').unlink()
    file = bag / 'bag_0.mcap'
    file.write_bytes(file.read_bytes()[:20_000] + bytes(5_000))
    found = sequences(bag)
    assert found == list(range(len(found))) and len(found) > 50


def test_what_is_no_bag_is_refused_with_the_reason(bag, tmp_path):
    empty = tmp_path / 'empty'
    empty.mkdir()
    assert 'there is no such folder or file' in refusal(tmp_path / 'nowhere')
    assert 'is not a bag: it holds neither' in refusal(empty)
    (empty / 'run_0.db3').write_bytes(b'SQLite')
    assert "storage 'sqlite3'; only mcap is read" in refusal(empty)
    assert 'ros2 bag convert' in refusal(empty / 'run_0.db3')
    (tmp_path / 'nothing.mcap').write_bytes(b'')
    assert 'is empty' in refusal(tmp_path / 'nothing.mcap')
    (tmp_path / 'text.mcap').write_text('not a recording at all')
    assert 'is not an MCAP file' in refusal(tmp_path / 'text.mcap')
    (tmp_path / 'short.mcap').write_bytes((bag / 'bag_0.mcap').read_bytes()[:12])
    assert 'before its header' in refusal(tmp_path / 'short.mcap')


@pytest.mark.parametrize(
    ('change', 'complaint'),
    [
        (('storage_identifier: mcap', 'storage_identifier: sqlite3'), "of storage 'sqlite3'"),
        (("compression_mode: ''", 'compression_mode: FILE'), 'compressed by FILE'),
        (('bag_0.mcap', 'bag_7.mcap'), 'lacks bag_7.mcap'),
        (('relative_file_paths', 'relative_paths'), "lacks a field .*'relative_file_paths'"),
        (('rosbag2_bagfile_information', 'something'), "lacks 'rosbag2_bagfile_information'"),
        (('version: 9', 'version: ['), 'cannot be read'),
    ],
)
def test_metadata_that_does_not_fit_is_refused(bag, change, complaint):
    file = bag / 'metadata.yaml'
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(RecordingError, match=complaint), BagReader(bag):
        pass


def test_mcap_of_something_else_than_ros2_is_refused(tmp_path):
    with (tmp_path / 'other.mcap').open('wb') as stream:
        writer = McapWriter(stream)
        writer.start(profile='x-protobuf')
        writer.finish()
    assert "its profile is 'x-protobuf'" in refusal(tmp_path / 'other.mcap')


def test_a_bag_of_another_writer_is_read(tmp_path):
    store = get_typestore(Stores.ROS2_JAZZY)
    numbers = store.types['std_msgs/msg/Float64MultiArray'](
        layout=store.types['std_msgs/msg/MultiArrayLayout'](dim=[], data_offset=0),
        data=numpy.arange(5.0),
    )
    data = bytes(store.serialize_cdr(numbers, 'std_msgs/msg/Float64MultiArray'))
    with RosbagsWriter(tmp_path / 'other', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(
            '/numbers', 'std_msgs/msg/Float64MultiArray', typestore=store
        )
        for number in range(30):
            writer.write(connection, number, data)
    with BagReader(tmp_path / 'other') as reader:
        assert not reader.truncated and reader.counts == {'/numbers': 30}
        types = reader.types()
        for message in reader.messages():
            decoded = types.decode(message.data, 'std_msgs/msg/Float64MultiArray')
            assert decoded.data.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_files_of_a_split_bag_are_read_in_the_order_of_their_numbers(bag, tmp_path):
    split = tmp_path / 'split'
    split.mkdir()
    for number in (0, 2, 10):
        shutil.copy(bag / 'bag_0.mcap', split / f'run_{number}.mcap')
    with BagReader(split) as reader:
        assert [pathlib.Path(file.path).name for file in reader._files] == [
            'run_0.mcap',
            'run_2.mcap',
            'run_10.mcap',
        ]
        assert reader.counts == {'/a': 600, '/b': 600}


def test_definitions_that_cannot_be_understood_are_named(tmp_path):
    described = [DescribedChannel(Channel('/x', 'my_msgs/msg/X'), 'float64 [[[', 'RIHS01_0')]
    writer = BagWriter(tmp_path / 'bag', described)
    writer.open()
    writer.close()
    with (
        BagReader(tmp_path / 'bag') as reader,
        pytest.raises(RecordingError, match=r'definition of my_msgs/msg/X \(/x\) cannot be used'),
    ):
        reader.types()


def test_chunks_that_were_written_in_a_hurry_are_compressed_otherwise(tmp_path):
    described = describe([Channel('/a', 'std_msgs/msg/String')], messages())
    writer = BagWriter(tmp_path / 'bag', described)
    writer.open()
    for number in range(30):
        writer.hurry(10 <= number < 20)
        writer.write(RingRecord(0, number, number, number, memoryview(bytes(100_000))))
        writer.flush()
    writer.close()
    with (tmp_path / 'bag' / 'bag_0.mcap').open('rb') as stream:
        chunks = make_reader(stream).get_summary().chunk_indexes
    assert [one.compression for one in chunks] == ['zstd'] * 10 + ['lz4'] * 10 + ['zstd'] * 10
    assert sequences(tmp_path / 'bag') == list(range(30))
    with AnyReader([tmp_path / 'bag']) as reader:
        assert sum(len(data) for _, _, data in reader.messages()) == 3_000_000
