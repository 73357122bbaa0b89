"""What a session remembers goes into a snapshot and comes out of it, to the bit."""

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping

import numpy as np
import pytest
from framed_session import CONTRACT as FRAMED_CONTRACT
from framed_session import FRAMED
from tf_messages import UPRIGHT, tf
from tiny_session import Run, make_engine, result

from fournex_runtime.errors import MessageError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.snapshot import (
    SNAPSHOT_TYPE,
    SnapshotCodec,
    decode_snapshot,
    snapshot_topic,
)
from fournex_runtime.session.tick import Received, SessionState


def there_and_back(state, topics=('/joint_states', '/reward')):
    data = SnapshotCodec(messages(), 'tiny', topics).encode(state, 1_500_000_000)
    return decode_snapshot(messages().decode(data, SNAPSHOT_TYPE))


def anything(hint, field=''):
    """Return a value of a type that is not what an empty state would have there."""
    kind, parts = typing.get_origin(hint), typing.get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return anything(next(part for part in parts if part is not type(None)), field)
    if kind is tuple:
        return tuple(anything(part, field) for part in parts if part is not Ellipsis) * 2
    if kind is np.ndarray:
        return np.frombuffer(b'\x01\x00\x00\x00\x00\x00\xf8\x7f\xff' + bytes(7), np.float64)
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return {f'{field} {number}': anything(parts[1], field) for number in range(2)}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return list(hint)[-1]
    if dataclasses.is_dataclass(hint):
        return filled(hint)
    if isinstance(hint, type) and issubclass(hint, tuple):  # a named one
        return hint(*(anything(part, name) for name, part in typing.get_type_hints(hint).items()))
    return {int: 2**62 + 3, float: 0.1, str: f'{field} ü "quoted"', bool: True}[hint]


def filled(kind):
    """Return an instance of a dataclass that has something in every field."""
    hints = typing.get_type_hints(kind)
    fields = [field.name for field in dataclasses.fields(kind)]
    return kind(
        **{name: anything(hints[name], name) for name in fields if name != 'latched'}
        | ({'latched': ()} if 'latched' in fields else {})
    )


def assert_same(found, expected, place='state'):
    assert type(found) is type(expected), place
    if isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), place
        assert found.tobytes() == expected.tobytes(), place
    elif isinstance(expected, tuple):
        assert len(found) == len(expected), place
        for number, pair in enumerate(zip(found, expected)):
            assert_same(*pair, f'{place}/{number}')
    elif isinstance(expected, Mapping):
        assert list(found) == list(expected), place
        for key in expected:
            assert_same(found[key], expected[key], f'{place}/{key}')
    elif dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            pair = getattr(found, field.name), getattr(expected, field.name)
            assert_same(*pair, f'{place}/{field.name}')
    else:
        assert found == expected, place


def test_every_field_that_a_state_has_comes_back():
    state = filled(SessionState)
    assert_same(there_and_back(state, ()).state, state)


def test_an_initial_state_comes_back_with_its_nothings():
    state = make_engine().initial_state()
    found = there_and_back(state)
    assert_same(found.state, dataclasses.replace(state, latched=()))
    assert [one.last_index for one in found.inputs] == [0, 0]


def test_a_session_goes_on_from_its_snapshot_with_the_same_bits():
    run = Run()
    for tick in range(5):
        run.tick(run.joints(0.1 * tick), episode='first' if tick == 0 else '')
    found = there_and_back(run.state)
    assert found.session == 'tiny' and found.state.tick == 5
    assert [one.last_index for one in found.inputs] == [5, 0]

    newest = run.state.latched[0].data
    other = Run()
    other.state = other.engine.resumed_state(
        found.state, [Received(5, found.inputs[0].arrival_ns, newest), None]
    )
    other.now_ns = run.now_ns
    for _ in range(3):  # without a new message: the one from before counts, until it is too old
        answer = result(0.25, -0.75, h=(1.0, 2.0))
        assert_same(other.tick(answer=answer), run.tick(answer=answer), 'record')
        assert_same(other.state, run.state)


def test_the_tree_of_frames_comes_back_as_it_was_told():
    run = Run(make_engine(FRAMED_CONTRACT, FRAMED))
    sources = [source.topic for source in run.engine.wiring.sources]
    given = [[] for _ in sources]
    given[sources.index('/tf')] = [tf(('odom', 'base', (1.0, 0.0, 0.0), UPRIGHT), stamp_ns=9)]
    given[sources.index('/tf_static')] = [tf(('map', 'odom', (0.0, 2.0, 0.0), UPRIGHT))]
    run.tick(*given, episode='first')
    links = there_and_back(run.state, sources).state.frames.links
    assert list(links) == list(run.state.frames.links) == ['odom', 'base']
    assert links['base'].transform() == run.state.frames.links['base'].transform()
    assert (links['odom'].fixed, links['base'].stamp_ns) == (True, 9)
    assert links['base'].arrival_ns == run.state.frames.links['base'].arrival_ns


def test_what_a_snapshot_cannot_hold_is_named():
    state = dataclasses.replace(make_engine().initial_state(), recurrent={'h': object()})
    with pytest.raises(MessageError, match='recurrent/h: a snapshot cannot hold a object'):
        there_and_back(state)


def test_a_snapshot_of_another_version_is_refused_with_the_field():
    data = SnapshotCodec(messages(), 'tiny', ()).encode(make_engine().initial_state(), 0)
    message = messages().decode(data, SNAPSHOT_TYPE)
    message.values = [one for one in message.values if one.key != 'history']
    with pytest.raises(MessageError, match="before tick 0 of session tiny .*'history'"):
        decode_snapshot(message)


def test_snapshots_are_beside_the_tick_records():
    assert snapshot_topic('/r1/fournex/arm/tick') == '/r1/fournex/arm/snapshot'
