"""A recording of several files: each of them stands alone, and together they are one."""

import dataclasses
import time

import pytest
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.record import metadata
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.compare import compare
from fournex_runtime.record.recording_difference import recording_difference
from fournex_runtime.record.replay import verify
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import Mode
from fournex_runtime.session.wiring import load_wiring
from fournex_runtime.session.wiring_record import RecordWiring
from fournex_runtime.sim.evaluation import Evaluation
from fournex_runtime.sim.evaluation_recording import EvaluationRecording
from fournex_runtime.sim.registry import make_robot

EPISODES = 2
TICK_TOPIC, SNAPSHOTS = '/fournex/rover/tick', '/fournex/rover/snapshot'


def drive(folder, checkout, options, seeds=range(EPISODES)):
    """Record episodes of the rover, whose goal and map come once an episode; return the ticks."""
    wiring = load_wiring(checkout / 'examples/rover/wiring.yaml')
    wiring = dataclasses.replace(wiring, record=options)
    session = wiring.sessions[0]
    bundle = wiring.bundles[session.name]
    engine = Engine(bundle, session, messages())
    backend = load_backend(bundle, session.inference.inline())
    recording = EvaluationRecording(folder, wiring, [engine], [backend.description], messages())
    recording.start()
    records = []

    def on_tick(inputs, record, timing, state):
        recording.on_tick(inputs, record, timing, state)
        records.append(record)
        time.sleep(0.002)  # as a robot gives the recorder time to look at the size of its file

    evaluation = Evaluation(make_robot('rover'), engine, backend, messages(), on_tick=on_tick)
    for seed in seeds:
        evaluation.run(seed)
    recording.close()
    return records


@pytest.fixture(scope='module', params=['zstd', 'none'])
def split(request, tmp_path_factory, checkout):
    """Return a recording of several files, and its ticks."""
    folder = tmp_path_factory.mktemp(request.param) / 'bag'
    size = {'zstd': 60_000, 'none': 200_000}[request.param]
    options = RecordWiring(compression=request.param, split_bytes=size, chunk_bytes=16_384)
    return folder, drive(folder, checkout, options)


def files_of(folder):
    """Return the files that have ticks; what comes at the very end can have one to itself."""
    found = sorted(folder.glob('*.mcap'))
    with BagReader(found[-1]) as bag:
        return found if TICK_TOPIC in bag.counts else found[:-1]


def test_all_files_together_are_one_recording(split):
    folder, records = split
    files = sorted(folder.glob('*.mcap'))
    assert len(files) >= 3, sorted(file.stat().st_size for file in files)
    with BagReader(folder) as bag:
        assert bag.problem is None and bag.deleted == 0
        assert bag.counts == bag.expected_counts
        assert bag.counts[TICK_TOPIC] == len(records)
        for topic in bag.counts:
            numbers = [one.sequence for one in bag.messages([topic])]
            assert len(set(numbers)) == len(numbers) == bag.counts[topic], topic
    (verification,) = verify(folder)
    assert verification.all_equal and verification.ticks == len(records)


def test_each_file_replays_alone_from_its_first_tick(split):
    folder, records = split
    ticks = 0
    for file in files_of(folder):
        (verification,) = verify(file)
        assert verification.all_equal, (file.name, verification)
        ticks += verification.ticks
    assert ticks == len(records)


def test_each_file_has_the_ticks_of_the_whole(split):
    folder, records = split
    for file in files_of(folder):
        found = recording_difference(folder, file)
        (session,) = found.sessions
        assert not found.configuration and session.compared > 0
        assert session.only_before == len(records) - session.compared and not session.only_after
        for stage, count in session.stages.items():
            assert (count.equal, count.unequal) == (session.compared, 0), (stage, count.first)


def test_another_version_is_compared_over_one_file(split, checkout):
    folder, _ = split
    file = sorted(folder.glob('*.mcap'))[1]
    (verification,) = verify(file)
    (same,) = compare(file, {'rover': checkout / 'examples/rover/bundle'})
    assert same.ticks == verification.ticks and same.unknown == 0
    assert not same.exceeds(0.0)


def test_a_file_begins_with_manifest_inputs_and_snapshot(split):
    folder, _ = split
    for number, file in enumerate(files_of(folder)):
        with BagReader(file) as bag:
            topics = [one.topic for one in bag.messages()]
        assert topics[0] == '/fournex/manifest'
        if number:
            first_tick = topics.index(TICK_TOPIC)
            assert topics.index(SNAPSHOTS) < first_tick
            # Goal and map of the episode came long before.
            assert {'/scan', '/odom', '/goal'} <= set(topics[:first_tick])


def test_other_readers_open_all_files_and_each(split):
    folder, records = split
    with AnyReader([folder]) as reader:
        ours = metadata.read(folder)
        assert reader.message_count == ours['message_count']
        ticks = [one for one in reader.connections if one.topic == TICK_TOPIC]
        raw = [data for _, _, data in reader.messages(ticks)]
        assert len(raw) == len(records)
        decoded = reader.deserialize(raw[-1], ticks[0].msgtype)
        assert (decoded.tick, decoded.mode) == (records[-1].tick, records[-1].mode)
        assert decoded.mode == Mode.POLICY
    total = 0
    for file, listed in zip(sorted(folder.glob('*.mcap')), ours['files']):
        with file.open('rb') as stream:
            reader = make_reader(stream)
            assert listed['message_count'] == reader.get_summary().statistics.message_count
            total += sum(1 for _ in reader.iter_messages([TICK_TOPIC]))
    assert total == len(records)


def test_rosbag2_opens_it_where_it_is_installed(split):
    rosbag2_py = pytest.importorskip('rosbag2_py', reason='rosbag2_py comes with apt ROS only')
    folder, records = split
    reader = rosbag2_py.SequentialReader()
    reader.open_uri(str(folder))
    ticks = 0
    while reader.has_next():
        ticks += reader.read_next()[0] == TICK_TOPIC
    assert ticks == len(records)


def test_a_budget_deletes_the_oldest_files_and_what_is_left_replays(tmp_path, checkout):
    folder = tmp_path / 'bag'
    options = RecordWiring(split_bytes=50_000, keep_bytes=180_000, chunk_bytes=16_384)
    records = drive(folder, checkout, options)
    assert sum(file.stat().st_size for file in folder.glob('*.mcap')) < 180_000 + 50_000 + 50_000
    with BagReader(folder) as bag:
        assert bag.problem is None and bag.deleted > 0
        left = bag.counts[TICK_TOPIC]
    (verification,) = verify(folder)
    assert verification.all_equal and verification.ticks == left < len(records)
