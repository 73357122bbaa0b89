"""Replay: what is equal is counted as equal, and nothing else ever is."""

import dataclasses
import pathlib
import shutil
import time

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import Writer
from ros_messages import ARRAY, FLOAT64, cdr, joint_state
from tiny_session import MS, edited

from fournex_runtime.errors import BundleError, MessageError, RecordingError, ReplayError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.compare import compare
from fournex_runtime.record.replay import verify
from fournex_runtime.record.selection import Selection
from fournex_runtime.record.tick_record import TICK_TYPE
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import (
    Answer,
    AnswerKind,
    EpisodeStart,
    Mode,
    Received,
    TickInputs,
    Timing,
)
from fournex_runtime.session.wiring import load_wiring
from fournex_runtime.session.wiring_record import EVERYTHING, RecordWiring
from fournex_runtime.sim.evaluation_recording import EvaluationRecording

TICKS = 80
EPISODES = (0, 35, 49, 55, 65, 73)
TICK_TOPIC = '/fournex/pendulum/tick'
JOINTS, REWARD, COMMAND = '/joint_states', '/reward', '/effort_controller/commands'
MANIFEST = '/fournex/manifest'


KEYS = """\
      late_answer: use in the next tick
    overrides: {joystick: {topic: joy, priority: 1, timeout: 30 ms}}
    reward:"""


class Player:
    """Drives the shipped pendulum policy through every mode and records it."""

    def __init__(self, folder, checkout, backend=lambda loaded: loaded, options=EVERYTHING):
        examples = checkout / 'examples' / 'pendulum'
        file = folder.parent / 'wiring.yaml'
        text = (examples / 'wiring.yaml').read_text()
        changes = (('policy: bundle', f'policy: {examples / "bundle"}'), ('    reward:', KEYS))
        file.write_text(edited(text, *changes))
        wiring = dataclasses.replace(load_wiring(file), record=options)
        session = wiring.sessions[0]
        self.engine = Engine(wiring.bundles[session.name], session, messages())
        self.backend = backend(load_backend(wiring.bundles[session.name]))
        self.recording = EvaluationRecording(
            folder, wiring, [self.engine], [self.backend.description], messages()
        )
        self.state = self.engine.initial_state()
        self.now_ns = 1_000_000_000
        self.counts = [0, 0, 0]
        self.alone_from = TICKS
        """From this tick on each begins a file of its own."""
        self.records = []

    def play(self):
        self.recording.start()
        for tick in range(TICKS):
            self.tick(tick)
            self.now_ns += 20 * MS
        self.recording.close()
        return self.records

    def messages_of(self, tick):
        """Return two joint states and a reward a tick; once nothing, garbage, a joystick."""
        if tick < 2 or 20 <= tick < 30:
            return [[], [], []]
        angle = 0.05 * np.sin(tick)
        states = [
            joint_state(['pole', 'cart'], [angle, 0.01 * tick], self.now_ns - age)
            for age in (10 * MS, 0)
        ]
        if tick == 60:
            states.append(b'garbage')
        joy = [cdr(ARRAY, data=[99.0])] if tick == 75 else []
        return [states, [cdr(FLOAT64, data=0.1)], joy]

    def tick(self, tick):
        taken = []
        for source, given in enumerate(self.messages_of(tick)):
            first = self.counts[source] + 1
            self.counts[source] += len(given)
            taken.append(
                tuple(Received(first + i, self.now_ns, data) for i, data in enumerate(given))
            )
        episode = EpisodeStart(f'episode-{tick}', tick) if tick in EPISODES else None
        stop = 'operator' if tick == 70 else ''
        inputs = TickInputs(tuple(taken), self.now_ns, self.now_ns, self.now_ns, episode, stop)
        request = self.engine.observe(inputs, self.state)
        answer = Answer(AnswerKind.NONE)
        if tick == 79:
            answer = Answer(AnswerKind.BELATED, *self.given)
        elif request.observation is not None:
            self.given = self.backend.run(request.observation.inputs, request.recurrent)
            answer = Answer(AnswerKind.RESULT, *self.given)
        if tick in (50, 78):
            answer = Answer(AnswerKind.LATE, problem='no answer after 10 ms')
        if tick == 48:
            answer = dataclasses.replace(answer, outputs={})
        record, self.state = self.engine.conclude(request, answer, self.state)
        if tick >= self.alone_from:
            while not self.recording._recording.wants_mark:
                self.recording._recording.commit()
                time.sleep(0.001)
        self.recording.on_tick(inputs, record, Timing(), self.state)
        self.records.append(record)


@pytest.fixture(scope='module')
def original(tmp_path_factory, checkout):
    """Return the recording as one file, and its tick records."""
    folder = tmp_path_factory.mktemp('original') / 'bag'
    records = Player(folder, checkout).play()
    (file,) = folder.glob('*.mcap')
    return file, records


@pytest.fixture
def tampered(original, tmp_path):
    """Copy the recording, with each message as ``change(topic, sequence, data)`` returns it."""

    def make(change):
        target = tmp_path / 'tampered.mcap'
        with original[0].open('rb') as source, target.open('wb') as stream:
            reader = make_reader(source)
            summary = reader.get_summary()
            writer = Writer(stream)
            writer.start('ros2', 'test')
            schemas = {
                key: writer.register_schema(one.name, one.encoding, one.data)
                for key, one in summary.schemas.items()
            }
            channels = {
                key: writer.register_channel(
                    one.topic, one.message_encoding, schemas[one.schema_id], one.metadata
                )
                for key, one in summary.channels.items()
            }
            for _, channel, one in reader.iter_messages(log_time_order=False):
                data = change(channel.topic, one.sequence, one.data)
                if data is not None:
                    where = channels[channel.id]
                    writer.add_message(where, one.log_time, data, one.publish_time, one.sequence)
            writer.finish()
        return target

    return make


def edit_tick(number, edit):
    """Return a change that edits the tick record of a number."""

    def change(topic, sequence, data):
        if topic != TICK_TOPIC:
            return data
        message = messages().decode(data, TICK_TYPE)
        if message.tick != number:
            return data
        edit(message)
        return messages().encode(message, TICK_TYPE)

    return change


def drop(topic, *sequences):
    """Return a change that leaves messages out."""
    return lambda t, sequence, data: None if t == topic and sequence in sequences else data


def flip_bit(array, field):
    """Flip the lowest bit of the first element of an ``Array``'s data."""
    data = bytearray(getattr(array, field).tobytes())
    data[0] ^= 1
    setattr(array, field, np.frombuffer(bytes(data), getattr(array, field).dtype))


def counts(result):
    return {name: (c.equal, c.unequal, c.unverifiable) for name, c in result.stages.items()}


ALL = dict.fromkeys(('observations', 'raw actions', 'safe actions', 'commands'), (TICKS, 0, 0))


# --- what is equal -------------------------------------------------------------------------------


def test_the_recording_visits_every_mode_and_answer(original):
    records = original[1]
    assert {record.mode for record in records} == set(Mode)
    assert {record.answer for record in records} == set(AnswerKind)
    assert {record.cause.split(':')[0] for record in records} >= {
        'stale',
        'late',
        'failed',
        'operator',
    }
    assert any(record.mode is Mode.POLICY and record.tick > 66 for record in records)


def test_every_stage_of_every_tick_is_equal(original):
    (result,) = verify(original[0].parent)
    assert counts(result) == ALL
    assert (result.ticks, result.first_difference, result.environment) == (TICKS, '', ())
    assert result.all_equal


def test_a_file_that_begins_with_an_answer_to_the_tick_before_is_equal_alone(tmp_path, checkout):
    """Tick 79 acts on what tick 78 was asked, which is in the file before."""
    player = Player(tmp_path / 'bag', checkout, options=RecordWiring(split_bytes=1))
    player.alone_from = 76
    records = player.play()
    assert records[79].answer is AnswerKind.BELATED
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.counts[TICK_TOPIC] == TICKS
    of_ticks = {}
    for file in sorted((tmp_path / 'bag').glob('*.mcap')):
        with BagReader(file) as bag:
            if bag.counts.get(TICK_TOPIC):
                (result,) = verify(file)
                assert result.all_equal, (file.name, result)
                of_ticks[file] = bag.counts[TICK_TOPIC]
    assert list(of_ticks.values())[-3:] == [1, 1, 1] and sum(of_ticks.values()) == TICKS
    (same,) = compare(list(of_ticks)[-1], {'pendulum': checkout / 'examples/pendulum/bundle'})
    assert (same.ticks, same.compared) == (1, 1) and not same.exceeds(0.0)
    (result,) = verify(tmp_path / 'bag')
    assert counts(result) == ALL


def test_a_copy_is_equal_too_and_progress_is_told(tampered):
    told = []
    same = tampered(lambda topic, sequence, data: data)
    (result,) = verify(same, progress=lambda *numbers: told.append(numbers))
    assert counts(result) == ALL
    assert told == [(50, TICKS), (TICKS, TICKS)]


def test_measured_durations_are_not_compared(tampered):
    def slower(message):
        message.timing.infer_ns += 5

    (result,) = verify(tampered(edit_tick(10, slower)))
    assert result.all_equal


# --- what is not ---------------------------------------------------------------------------------


def numbers(name, field, index=0):
    return lambda message: flip_bit(getattr(message, name)[index], field)


def set_field(name, value):
    return lambda message: setattr(message, name, value)


def set_stamp(message):
    message.inputs[0].stamp_ns += 1


def later(message):
    message.ros_ns += 1


@pytest.mark.parametrize(
    ('tick', 'edit', 'stages', 'words'),
    [
        (10, numbers('observation', 'float32_data'), {'observations'}, 'observation obs[0]: rec'),
        (10, numbers('raw_action', 'float32_data'), {'raw actions'}, 'raw action action[0]: rec'),
        (10, numbers('safe_action', 'float64_data'), {'safe actions'}, 'safe action joint_effort'),
        (10, numbers('state', 'float32_data', 1), {'raw actions'}, 'state c[0]: recorded'),
        (23, numbers('state', 'float32_data'), {'safe actions'}, 'state h[0]: recorded'),
        (32, numbers('state', 'float32_data'), {'safe actions'}, 'state h[0]: recorded'),
        (10, set_field('reward', 0.25), {'safe actions'}, 'reward: recorded 0.25, re-run 0.1'),
        (10, set_field('episode_return', 9.0), {'safe actions'}, 'episode: recorded'),
        (10, set_field('episode_tick', 3), {'safe actions'}, 'episode: recorded'),
        (10, set_field('limited', ['x: y']), {'safe actions'}, "limits touched: recorded ['x: y"),
        (23, set_field('cause', 'other'), {'safe actions'}, "cause: recorded 'other', re-run 'st"),
        (10, set_field('mode', 2), {'safe actions'}, "mode: recorded 'fallback', re-run 'policy'"),
        (50, set_field('answer', 3), {'safe actions'}, "mode: recorded 'fallback', re-run 'stop"),
        (10, set_field('answer', 2), {'raw actions'}, 'raw action: recorded with the answer late'),
        (10, set_stamp, {'safe actions'}, 'inputs: recorded'),
        (10, set_field('command_indices', np.array([], np.uint64)), {'commands'}, 'commands'),
        (10, later, {'safe actions'}, 'inputs: recorded'),
        (72, set_field('answer', 2), {'safe actions'}, "answer: recorded 'late', re-run 'none'"),
    ],
)  # fmt: skip
def test_one_changed_value_of_a_tick_record_is_found(tampered, tick, edit, stages, words):
    (result,) = verify(tampered(edit_tick(tick, edit)))
    assert not result.all_equal
    assert result.first_difference.startswith(f'tick {tick}: {words}')
    for stage in stages:
        equal, unequal, _ = counts(result)[stage]
        assert unequal >= 1 and equal < TICKS


def test_one_difference_does_not_spread(tampered):
    edit = numbers('safe_action', 'float64_data')
    (result,) = verify(tampered(edit_tick(10, edit)))
    assert counts(result)['safe actions'] == (TICKS - 1, 1, 0)
    assert counts(result)['observations'] == (TICKS, 0, 0)
    assert counts(result)['commands'] == (TICKS, 0, 0)


def test_a_changed_command_byte_is_found(tampered):
    def change(topic, sequence, data):
        return data[:-1] + bytes([data[-1] ^ 1]) if (topic, sequence) == (COMMAND, 5) else data

    (result,) = verify(tampered(change))
    assert counts(result) == {**ALL, 'commands': (TICKS - 1, 1, 0)}
    assert result.first_difference == f'tick 6: the command on {COMMAND} has other bytes'


def test_a_changed_input_message_is_found(tampered):
    def change(topic, sequence, data):
        return (
            data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]
            if (topic == JOINTS and sequence == 10)
            else data
        )

    (result,) = verify(tampered(change))
    assert not result.all_equal
    assert result.first_difference.startswith('tick 6: observation obs[')
    assert counts(result)['observations'] == (TICKS - 1, 1, 0)


@pytest.mark.parametrize('sequence', [9, 10])
def test_a_missing_input_message_is_never_equal(tampered, sequence):
    (result,) = verify(tampered(drop(JOINTS, sequence)))
    assert result.first_difference == f'tick 6: message {sequence} of {JOINTS} is not there'
    assert counts(result)['observations'] == (TICKS - 1, 0, 1)
    assert counts(result)['raw actions'] == (TICKS, 0, 0)
    assert not result.all_equal


def test_a_missing_input_is_unverifiable_for_as_long_as_it_was_the_newest(tampered):
    last = 2 * 18  # two messages in each of the ticks 2 to 19; then none for ten ticks
    (result,) = verify(tampered(drop(JOINTS, last)))
    assert counts(result)['observations'] == (TICKS - 11, 0, 11)
    assert result.first_difference == f'tick 19: message {last} of {JOINTS} is not there'


def test_a_missing_reward_is_never_equal(tampered):
    (result,) = verify(tampered(drop(REWARD, 3)))
    assert result.first_difference == f'tick 4: message 3 of {REWARD} is not there'
    assert not result.all_equal


@pytest.mark.parametrize('tick', [0, 10, 23, TICKS - 1])
def test_a_missing_tick_record_is_never_equal(tampered, tick):
    (result,) = verify(tampered(drop(TICK_TOPIC, tick + 1)))
    assert not result.all_equal
    assert result.commands.unverifiable >= 1
    if tick < TICKS - 1:
        assert result.ticks == TICKS
        assert result.first_difference == f'tick {tick}: 1 tick records are not in the bag'
    else:
        assert 'belongs to no tick record' in result.first_difference


def test_a_tick_record_twice_is_never_equal(tampered):
    def twice(message):
        message.tick = 9

    (result,) = verify(tampered(edit_tick(10, twice)))
    assert not result.all_equal
    assert result.first_difference == 'tick 9: comes after tick 9'


def test_a_missing_command_is_never_equal(tampered):
    (result,) = verify(tampered(drop(COMMAND, 5)))
    assert counts(result) == {**ALL, 'commands': (TICKS - 1, 0, 1)}
    assert result.first_difference == f'tick 6: command 5 on {COMMAND} is not there'


# --- what cannot be re-run -----------------------------------------------------------------------


def test_without_a_manifest(tampered):
    with pytest.raises(ReplayError, match=r'has no manifest .*: it was not recorded by Fournex'):
        verify(tampered(drop(MANIFEST, 1)))


def edit_manifest(edit):
    def change(topic, sequence, data):
        if topic != MANIFEST:
            return data
        message = messages().decode(data, 'fournex_msgs/msg/Manifest')
        edit(message)
        return messages().encode(message, 'fournex_msgs/msg/Manifest')

    return change


def test_of_another_schema(tampered):
    with pytest.raises(ReplayError, match='are of schema 2, this version .* knows schema 3'):
        verify(tampered(edit_manifest(set_field('schema', 2))))


def test_with_another_bundle(original, checkout, tmp_path):
    folder = shutil.copytree(checkout / 'examples/pendulum/bundle', tmp_path / 'bundle')
    file = original[0]
    assert verify(file, {'pendulum': folder})[0].all_equal
    text = (folder / 'policy.yaml').read_text()
    (folder / 'policy.yaml').write_text(edited(text, ('scale: 10.0', 'scale: 9.0')))
    with pytest.raises(ReplayError, match='the recording was made with pendulum-balance@1 of has'):
        verify(file, {'pendulum': folder})
    (folder / 'policy.yaml').write_text(text)
    (folder / 'policy.onnx').write_bytes(b'other')
    with pytest.raises(BundleError, match=r'policy\.onnx: altered'):
        verify(file, {'pendulum': folder})


def test_without_the_bundle(tampered):
    def moved(message):
        message.sessions[0].bundle = '/nowhere'

    with pytest.raises(ReplayError, match='is not at /nowhere, and the registry has none of hash'):
        verify(tampered(edit_manifest(moved)))


def test_without_ticks(tampered):
    with pytest.raises(ReplayError, match='holds no tick of session pendulum'):
        verify(tampered(drop(TICK_TOPIC, *range(TICKS + 1))))


def test_with_a_tick_record_that_cannot_be(tampered):
    for name, value, words in (
        ('answer', 9, 'tick 10: cannot be read: 9 is not a valid AnswerKind'),
        ('mode', 9, 'tick 10: cannot be read: 9 is not a valid Mode'),
    ):
        with pytest.raises(MessageError, match=words):
            verify(tampered(edit_tick(10, set_field(name, value))))

    def other_shape(message):
        message.observation[0].shape = np.array([3, 7], np.uint32)

    with pytest.raises(MessageError, match='tick 10: cannot be read: cannot reshape'):
        verify(tampered(edit_tick(10, other_shape)))
    with pytest.raises(ReplayError, match='tick 10: has 0 inputs, the manifest names 3'):
        verify(tampered(edit_tick(10, set_field('inputs', []))))


def test_of_what_is_no_bag(tmp_path):
    with pytest.raises(RecordingError):
        verify(pathlib.Path(tmp_path / 'nothing'))


def test_another_environment_is_told(tampered):
    def older(message):
        for one in message.environment:
            if one.key == 'package.numpy':
                one.value = '1.0'

    (result,) = verify(tampered(edit_manifest(older)))
    assert result.all_equal and not result.only_inference
    assert result.environment == (f'package.numpy: recorded with 1.0, here {np.__version__}',)


class OtherProcessor:
    """A backend as on a processor whose last bits are others."""

    def __init__(self, backend):
        self.backend = backend
        self.description = backend.description

    def run(self, inputs, state):
        outputs, following = self.backend.run(inputs, state)
        action = np.nextafter(outputs['action'], np.float32(2.0), dtype=np.float32)
        return {'action': action}, following


def test_what_another_processor_computed_is_told_in_units(tmp_path, checkout):
    records = Player(tmp_path / 'bag', checkout, OtherProcessor).play()
    asked = [one.raw_action['action'] for one in records if one.raw_action]
    (result,) = verify(tmp_path / 'bag')
    unequal = len(asked)
    assert counts(result) == {**ALL, 'raw actions': (TICKS - unequal, unequal, 0)}
    (deviation,) = result.deviations
    assert (deviation.stage, deviation.name) == ('raw action', 'joint_effort_target/cart')
    assert (deviation.unit, deviation.ticks) == ('N', unequal)
    ulp = max(np.spacing(abs(action)).max() for action in asked)  # ten newtons a unit
    assert 5.0 * ulp <= deviation.greatest <= 10.0 * ulp
    assert result.only_inference and not result.all_equal
    assert result.within(1e-5) and not result.within(1e-9)
    assert len(result.divergences) == unequal
    assert result.divergences[0].stage == 'raw actions'
    assert result.divergences[0].tick == deviation.first
    assert 'raw action action[0]: recorded' in result.divergences[0].words


def test_no_bound_excuses_what_the_network_did_not_compute(tampered):
    edit = numbers('safe_action', 'float64_data')
    (result,) = verify(tampered(edit_tick(10, edit)))
    assert not result.only_inference and not result.within(1e9)
    (deviation,) = result.deviations
    assert (deviation.stage, deviation.name) == ('safe action', 'joint_effort_target/cart')
    assert (deviation.ticks, deviation.first, deviation.at) == (1, 10, 10)


def test_an_error_of_an_observation_is_in_the_unit_of_its_term(tampered):
    def nearer(message):
        seen = message.observation[0].float32_data.copy()
        seen[1] += np.float32(0.5)  # the contract's scale for the pole is 10 a radian
        message.observation[0].float32_data = seen

    (result,) = verify(tampered(edit_tick(10, nearer)))
    found = {(one.stage, one.name): one for one in result.deviations}
    deviation = found['observation', 'joint_position/pole']
    assert deviation.unit == 'rad' and deviation.greatest == pytest.approx(0.05, rel=1e-5)
    assert not result.within(1.0)


def test_ticks_that_a_bag_claims_and_does_not_have_are_unverifiable(original, tmp_path):
    bag = shutil.copytree(original[0].parent, tmp_path / 'bag')
    metadata = bag / 'metadata.yaml'
    lines = metadata.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip() == f'name: {TICK_TOPIC}')
    at += next(i for i, line in enumerate(lines[at:]) if 'message_count' in line)
    lines[at] = lines[at].replace(str(TICKS), str(TICKS + 7))
    metadata.write_text('\n'.join(lines) + '\n')
    (result,) = verify(bag)
    assert result.ticks == TICKS + 7
    assert counts(result) == dict.fromkeys(ALL, (TICKS, 0, 7))
    assert result.first_difference == f'tick {TICKS}: 7 tick records are not in the bag'
    (part,) = verify(bag, selection=Selection(10, 20))
    assert part.all_equal and part.ticks == 11
