"""Bags that were not finished: cut off at any byte, and made proper ones again."""

import random
import shutil

import pytest
from rosbags.highlevel import AnyReader

from fournex_runtime.errors import RecordingError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record import metadata
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.bag_writer import BagWriter
from fournex_runtime.record.channel import Channel, QosProfile
from fournex_runtime.record.definitions import describe
from fournex_runtime.record.mark import Latest
from fournex_runtime.record.recovery import recover
from fournex_runtime.record.ring import RingRecord
from fournex_runtime.session.wiring_record import RecordWiring

COUNT = 600
QOS = QosProfile(reliability='best_effort', depth=3)
CHANNELS = (
    Channel('/map', 'std_msgs/msg/String', latched=True),
    Channel('/a', 'std_msgs/msg/String', QOS),
)


def text(words):
    return messages().encode(
        messages().type('std_msgs/msg/String')(data=words), 'std_msgs/msg/String'
    )


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Return a bag of three files; the message on /map comes once, and begins each of them."""
    folder = tmp_path_factory.mktemp('whole') / 'bag'
    writer = BagWriter(folder, describe(CHANNELS, messages()), RecordWiring(chunk_bytes=4096))
    latest = Latest([one.latched for one in CHANNELS])
    writer.open()
    generator = random.Random(1)
    for number in range(COUNT):
        words = generator.randbytes(generator.randrange(1, 200)).hex()
        first = number == 0
        data = memoryview(text('the map' if first else words))
        record = RingRecord(0 if first else 1, max(1, number), number, number, data)
        latest.keep(record)
        writer.write(record)
        if number % 25 == 0:
            writer.flush()
        if number in (200, 400):
            writer.write_dropped({'/a': number})
            writer.split(latest.head([], number))
    writer.close()
    return folder


@pytest.fixture
def bag(whole, tmp_path):
    shutil.copytree(whole, tmp_path / 'bag')
    return tmp_path / 'bag'


def unfinished(bag, size):
    """Leave a bag as a recorder does that is killed while it writes the last file."""
    (bag / 'metadata.yaml').unlink()
    last = bag / 'bag_2.mcap'
    last.write_bytes(last.read_bytes()[:size])
    return last


def contents(path):
    with BagReader(path) as reader:
        return [(one.topic, one.sequence, one.data) for one in reader.messages()]


def test_files_that_follow_each_other_are_read_once(whole):
    found = contents(whole)
    assert [sequence for _, sequence, _ in found] == [1, *range(1, COUNT)]
    with BagReader(whole) as reader:
        assert reader.dropped == {'/a': 400}
    with BagReader(whole / 'bag_2.mcap') as reader:
        assert next(reader.messages()).topic == '/map', 'alone, it has the map, too'
        assert reader.dropped == {}, 'all of that was lost before this file'
        assert reader.counts == {'/map': 1, '/a': COUNT - 401}


def test_cut_off_at_any_byte_it_is_read_as_far_as_it_goes_and_made_a_proper_bag(whole, tmp_path):
    before = contents(whole)
    size = (whole / 'bag_2.mcap').stat().st_size
    generator = random.Random(0)
    cuts = [0, 3, 8, 20, size - 1, *(generator.randrange(size) for _ in range(9))]
    kept = []
    for number, cut in enumerate(sorted(cuts)):
        bag = tmp_path / f'{number}' / 'bag'
        shutil.copytree(whole, bag)
        unfinished(bag, cut)
        with BagReader(bag) as reader:
            assert 'metadata.yaml is missing' in reader.problem
            assert 'bag_2.mcap is' in reader.problem, reader.problem
        found = contents(bag)
        assert found == before[: len(found)] and len(found) > 400
        kept.append(len(found))

        recovery = recover(bag)

        assert contents(bag) == found
        assert sum(recovery.counts.values()) == len(found)
        assert recovery.dropped == {'/a': 400}
        assert set(recovery.mended) | set(recovery.aside) <= {
            'bag_2.mcap',
            'bag_2.mcap.unreadable',
        }
        again = recover(bag)
        assert not again.mended and not again.aside
        assert set(again.before) == set(recovery.mended) | set(recovery.aside) != set()
        with BagReader(bag) as reader:
            assert reader.problem is None and reader.counts == reader.expected_counts
        with AnyReader([bag]) as theirs:
            assert theirs.message_count == metadata.read(bag)['message_count']
            assert sum(1 for _ in theirs.messages()) == theirs.message_count
            qos = next(one for one in theirs.connections if one.topic == '/a').ext
            assert qos.offered_qos_profiles[0].reliability.name == 'BEST_EFFORT'
        shutil.rmtree(bag.parent)
    assert kept == sorted(kept) and kept[-1] == COUNT


def test_a_tail_of_zeros_as_a_power_cut_leaves_one_is_no_message(bag):
    last = unfinished(bag, 5000)
    found = contents(bag)
    with last.open('ab') as stream:
        stream.write(bytes(10_000))
    assert contents(bag) == found
    assert recover(bag).mended['bag_2.mcap'] > 10_000
    assert contents(bag) == found


def test_numbers_that_are_left_out_are_told(bag):
    (bag / 'metadata.yaml').unlink()
    (bag / 'bag_1.mcap').unlink()
    recovery = recover(bag)
    assert recovery.missing == {'/a': 200} and not recovery.mended


def test_files_that_metadata_had_are_named_for_ever(bag):
    (bag / 'bag_2.mcap').unlink()
    with pytest.raises(RecordingError, match='lacks bag_2.mcap.*fournex recover'):
        contents(bag)
    for _ in range(2):
        recovery = recover(bag)
        assert recovery.gone == ('bag_2.mcap',) and recovery.lost['/a'] == COUNT - 401
        with BagReader(bag) as reader:
            assert reader.lost == recovery.lost and reader.lost_files == recovery.gone
            assert 'metadata.yaml has more files: bag_2.mcap' in reader.problem
    with AnyReader([bag]) as theirs:
        assert theirs.message_count == sum(1 for _ in theirs.messages()) == len(contents(bag)) + 1


def test_a_file_that_comes_back_is_missed_no_longer(bag, whole):
    (bag / 'bag_1.mcap').unlink()
    assert recover(bag).gone == ('bag_1.mcap',)
    shutil.copy(whole / 'bag_1.mcap', bag)
    recovery = recover(bag)
    assert not recovery.gone and not recovery.lost
    with BagReader(bag) as reader:
        assert reader.problem is None
    assert contents(bag) == contents(whole)


def test_metadata_that_cannot_be_read_is_put_aside(bag):
    (bag / 'metadata.yaml').write_text('no metadata')
    assert recover(bag).aside == ('metadata.yaml.unreadable',)
    assert (bag / 'metadata.yaml.unreadable').read_text() == 'no metadata'
    assert recover(bag).before == ('metadata.yaml.unreadable',)


def test_one_file_is_recovered_alone(bag):
    last = unfinished(bag, 5000)
    found = contents(last)
    assert recover(last).mended.keys() == {'bag_2.mcap'}
    assert contents(last) == found
    assert not (bag / 'metadata.yaml').exists()


def test_what_is_whole_stays_as_it_is(bag):
    before = {path.name: path.read_bytes() for path in bag.glob('*.mcap')}
    recovery = recover(bag)
    assert not recovery.mended and not recovery.missing
    assert {path.name: path.read_bytes() for path in bag.glob('*.mcap')} == before
    assert contents(bag)


def test_nothing_to_recover(tmp_path):
    with pytest.raises(RecordingError, match='there is no such folder or file'):
        recover(tmp_path / 'nowhere')
    with pytest.raises(RecordingError, match='there is no .mcap file in it'):
        recover(tmp_path)
    (tmp_path / 'bag_0.mcap').write_bytes(b'')
    with pytest.raises(RecordingError, match='bag_0.mcap is empty'):
        recover(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['bag_0.mcap']
