"""Tick records as messages: everything comes back, bit for bit."""

import math

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from fournex_runtime.errors import MessageError
from fournex_runtime.pipeline.messages import Messages, messages
from fournex_runtime.record.tick_reader import TickReader
from fournex_runtime.record.tick_record import (
    TICK_TYPE,
    TickCodec,
    decode_tick,
    decode_timing,
    tick_decoder,
)
from fournex_runtime.session.tick import AnswerKind, Episode, Mode, TickInput, TickRecord, Timing

NAN_PAYLOADS = np.array([0x7FC0_1234, 0xFFC0_0001, 0x8000_0000, 0x0000_0001], np.uint32)
SIGNALLING = np.array([0x7FF0_0000_0000_0001, 0xFFF8_DEAD_BEEF_0001], np.uint64)


def record(**changes):
    fields = {
        'tick': 2**40,
        'due_ns': 2**62,
        'episode': Episode('épisode', 2**63, 7, -1.5),
        'episode_start': True,
        'steady_ns': 123,
        'ros_ns': 1_000_000_001,
        'stop_requested': False,
        'inputs': (TickInput(2**33, 5, 6, 7), TickInput(0, 0, 0, -1)),
        'answer': AnswerKind.RESULT,
        'mode': Mode.POLICY,
        'cause': '',
        'observation': {'obs': NAN_PAYLOADS.view(np.float32).reshape(2, 2)},
        'state': {'h': np.zeros((1, 2, 3), np.float32), 'n': np.array([2**62], np.int64)},
        'raw_action': {'action': np.array([[-0.0, 5e-45]], np.float32)},
        'safe_action': {'a': SIGNALLING.view(np.float64), 'none': np.empty(0)},
        'limited': ('a/x: rate', 'a/x: range'),
        'commands': (b'bytes', b'more'),
        'command_indices': (1, 2**33),
        'reward': 0.1,
        'policy': 'reach@3',
    }
    return TickRecord(**{**fields, **changes})


def codec():
    return TickCodec(messages(), 'session', ['/in', '/reward'], ['/one', '/two'])


def through_bytes(original, timing=None):
    data = codec().encode(original, timing or Timing())
    message = messages().decode(data, TICK_TYPE)
    return message, decode_tick(message)


def read(data, command_topics=None):
    return TickReader(command_topics).read(data)


def same_bits(left, right):
    assert list(left) == list(right)
    for name, array in left.items():
        other = right[name]
        assert (array.dtype, array.shape, array.tobytes()) == (
            other.dtype,
            other.shape,
            other.tobytes(),
        )


@pytest.mark.parametrize(
    'original',
    [
        record(),
        record(mode=Mode.STANDBY, answer=AnswerKind.NONE, cause='wait', observation={}, state={},
               raw_action={}, safe_action={}, limited=(), commands=(), command_indices=()),
        record(mode=Mode.STOPPED, cause='Grüße', command_indices=(3, 4), limited=('abcd',)),
        record(episode=Episode('e' * 7), inputs=(), safe_action={'a': np.arange(3.0)},
               state={'abc': np.arange(3, dtype=np.uint8), 'd': np.arange(3, dtype=np.uint8)}),
        record(state={'scalar': np.float32(1.5).reshape(()), 'flat': np.zeros((0, 3), np.uint8)}),
    ],
)  # fmt: skip
def test_everything_comes_back(original):
    message, found = through_bytes(original)
    of_every_type = messages().encode(message, TICK_TYPE)
    assert codec().encode(original, Timing()) == of_every_type
    for name in ('observation', 'state', 'raw_action', 'safe_action'):
        same_bits(getattr(original, name), getattr(found, name))
    for name in TickRecord.__slots__:
        if name not in ('observation', 'state', 'raw_action', 'safe_action', 'commands'):
            assert getattr(found, name) == getattr(original, name), name
    assert found.commands == ()  # they are messages of their own
    again, timing = read(of_every_type)
    assert timing == Timing()
    for name in TickRecord.__slots__:
        if name in ('observation', 'state', 'raw_action', 'safe_action'):
            same_bits(getattr(found, name), getattr(again, name))
        else:
            assert getattr(found, name) == getattr(again, name), name


def test_records_of_any_order_are_written_as_if_each_were_the_first():
    kept, changes = codec(), [
        {},
        {'tick': 1, 'reward': 2.0, 'command_indices': (7, 8)},
        {'command_indices': (7, 0)},
        {'command_indices': (0, 7)},
        {'commands': (), 'command_indices': ()},
        {'cause': 'late', 'mode': Mode.FALLBACK},
        {'limited': ()},
        {'inputs': (TickInput(1, 2, 3, 4),)},
        {'policy': 'reach@4'},
        {'episode': Episode('other', 1, 2, 3.0)},
        {'observation': {}},
        {'observation': {'obs': np.zeros((2, 3), np.float32)}},
        {'observation': {'obs': np.zeros((2, 2))}},
        {'observation': {'other': np.ones((2, 2), np.float32)}},
        {'state': {'h': np.ones((1, 2, 3), np.float32), 'n': np.array([5], np.int64)}},
    ]  # fmt: skip
    for index in [*range(len(changes)), *range(len(changes))[::-1], 0, 5, 5, 0, 1]:
        one = record(**changes[index])
        assert kept.encode(one, Timing(index)) == codec().encode(one, Timing(index)), changes[
            index
        ]


def test_the_message_says_what_a_reader_of_the_definition_expects():
    timing = Timing(*range(1, 14))
    message, _ = through_bytes(record(), timing)
    assert message.session == 'session'
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1, 1)
    assert [one.topic for one in message.inputs] == ['/in', '/reward']
    assert message.command_topics == ['/one', '/two']
    assert message.episode_return == -1.5
    assert (message.policy, message.timing.lateness_ns, message.timing.skipped) == (
        'reach@3',
        1,
        10,
    )
    assert decode_timing(message) == timing
    (array,) = message.observation
    assert (array.name, array.dtype, array.shape.tolist()) == ('obs', 'float32', [2, 2])
    assert array.float64_data.size == array.int64_data.size == array.uint8_data.size == 0
    assert not math.isfinite(array.float32_data[0])
    quiet, _ = through_bytes(record(commands=(), command_indices=()))
    assert quiet.command_topics == []


def test_what_is_read_field_by_field_is_what_every_coder_reads():
    timing = Timing(*range(1, 14))
    data = codec().encode(record(commands=(None, b'more'), command_indices=(0, 9)), timing)
    message = messages().decode(data, TICK_TYPE)
    found, measured = read(data, ['/one', '/two'])
    assert measured == timing
    assert found.command_indices == (0, 9)
    assert found.command_indices == decode_tick(message, ['/one', '/two']).command_indices
    assert read(data)[0].command_indices == decode_tick(message).command_indices == (9,)
    with pytest.raises(ValueError, match='read-only'):
        found.observation['obs'][0, 0] = 1.0


def test_one_reader_reads_records_of_any_arrays():
    """It knows the arrays of the record before again, wherever they begin in this one."""
    generator = np.random.default_rng(0)
    reader = TickReader()
    arrays: list[dict] = []
    for number in range(300):

        def drawn(names):
            found = {}
            for name in names[: generator.integers(len(names) + 1)]:
                shape = ((), (2,), (1, 3), (0, 2))[generator.integers(4)]
                dtype = ('float32', 'float64', 'int64', 'uint8')[generator.integers(4)]
                found[name] = (generator.random(shape) * 3).astype(dtype)
                if generator.random() < 0.5:
                    found[name] = np.zeros_like(found[name])
            return found

        if number % 3:  # the same arrays as before with other elements
            arrays = [{name: np.array(one + 1) for name, one in part.items()} for part in arrays]
        else:
            arrays = [drawn(['obs', 'image', 'x']), drawn(['h', 'cell']), drawn(['a']),
                      drawn(['b', 'cc'])]  # fmt: skip
        original = record(
            tick=number, cause='c' * int(generator.integers(9)), observation=arrays[0],
            state=arrays[1], raw_action=arrays[2], safe_action=arrays[3],
        )  # fmt: skip
        found, _ = reader.read(codec().encode(original, Timing()))
        for name in ('observation', 'state', 'raw_action', 'safe_action'):
            same_bits(getattr(original, name), getattr(found, name))
        assert (found.tick, found.cause) == (number, original.cause)


def test_damaged_bytes_are_refused_and_nothing_else_happens():
    data = codec().encode(record(), Timing())
    for end in range(len(data)):
        with pytest.raises(MessageError, match='cannot be read'):
            read(data[:end])
    with pytest.raises(MessageError, match='8 bytes more than a record has'):
        read(data + bytes(8))
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(2000):
        altered = bytearray(data)
        altered[generator.integers(len(data))] ^= 1 << generator.integers(8)
        try:
            read(bytes(altered))
        except MessageError:
            refused += 1
    assert 100 < refused < 1900, 'a length is noticed, another number is not'


def test_a_definition_that_is_not_ours_is_read_by_the_coder_of_every_type():
    data = codec().encode(record(), Timing(infer_ns=5))
    decode = tick_decoder(messages(), ['/one', '/two'])
    assert decode.__self__.__class__ is TickReader
    assert decode(data)[1].infer_ns == 5
    other = Messages(get_typestore(Stores.EMPTY))
    definition, _ = messages().typestore.generate_msgdef(TICK_TYPE, ros_version=2)
    changed = definition.replace('float64 reward\n', 'float64 bonus\nfloat64 reward\n', 1)
    assert changed != definition
    other.typestore.register(get_types_from_msg(changed, TICK_TYPE))
    with pytest.raises(MessageError):
        tick_decoder(other)(data)  # eight bytes too few for it


def test_arrays_that_are_not_contiguous_are_recorded_in_row_major_order():
    grid = np.arange(6, dtype=np.float32).reshape(2, 3)
    _, found = through_bytes(record(observation={'obs': grid.T}))
    assert found.observation['obs'].tolist() == grid.T.tolist()


def test_decoded_arrays_cannot_be_written():
    _, found = through_bytes(record())
    with pytest.raises(ValueError, match='read-only'):
        found.observation['obs'][0, 0] = 1.0


def test_an_unknown_element_type_is_named():
    message, _ = through_bytes(record())
    message.state[0].dtype = 'float16'
    with pytest.raises(MessageError, match=f'tick {2**40}: cannot be read: .*float16_data'):
        decode_tick(message)
