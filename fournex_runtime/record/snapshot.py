"""
Snapshots: what a session remembers, as a ``fournex_msgs/Snapshot`` and back, exactly.

The state is written as it is made: whatever its dataclasses hold goes along, so that a field that
is added to them cannot be forgotten here. Numbers in arrays become ``arrays``, and each field of
the state becomes one of the ``values``, as JSON: a tuple is a list; everything else that JSON does
not have is an object with a key that begins with ``$``.

Only the newest message of each source is left out: these are messages of the recording, and
``inputs`` names them.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError
from ..pipeline.messages import Messages
from ..session.tick import Latched, SessionState, TickInput, frozen

SNAPSHOT_TYPE = 'fournex_msgs/msg/Snapshot'

_ARRAY = 'fournex_msgs/msg/Array'
_DTYPES = ('float32', 'float64', 'int64', 'uint8')
_NO_INPUT = TickInput(0, 0, 0, -1)


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """
    What a session remembers before a tick.

    :param session: its name.
    :param inputs: the newest message of each source; its age is not told.
    :param state: everything else; its ``latched`` is empty.
    """

    session: str
    inputs: tuple[TickInput, ...]
    state: SessionState


def snapshot_topic(tick_topic: str) -> str:
    """Return where the snapshots of a session are in a bag, beside its tick records."""
    return f'{tick_topic.rpartition("/")[0]}/snapshot'


class SnapshotCodec:
    """
    Writes the snapshots of one session.

    :param messages: the message types; must know ``fournex_msgs``.
    :param session: name of the session.
    :param input_topics: fully qualified topic of each source.
    """

    def __init__(self, messages: Messages, session: str, input_topics: Sequence[str]) -> None:
        self._messages = messages
        self._session = session
        self._topics = tuple(input_topics)
        messages.ensure(SNAPSHOT_TYPE)
        self._empty = {dtype: np.empty(0, dtype) for dtype in _DTYPES}

    def encode(self, state: SessionState, ros_ns: int) -> bytes:
        """
        Return the CDR bytes of a snapshot.

        :param state: what the session remembers.
        :param ros_ns: ROS clock now.
        :raises MessageError: the state has something that a snapshot cannot hold.
        """
        make = self._messages.type
        found = _Arrays()
        values = {
            field.name: json.dumps(found.plain(getattr(state, field.name), field.name))
            for field in dataclasses.fields(state)
            if field.name != 'latched'
        }
        message = make(SNAPSHOT_TYPE)(
            header=make('std_msgs/msg/Header')(
                stamp=make('builtin_interfaces/msg/Time')(
                    sec=ros_ns // 1_000_000_000, nanosec=ros_ns % 1_000_000_000
                ),
                frame_id='',
            ),
            session=self._session,
            tick=state.tick,
            inputs=[self._input(*one) for one in zip(self._topics, state.latched)],
            arrays=[self._array(name, array) for name, array in found.arrays.items()],
            values=[
                make('diagnostic_msgs/msg/KeyValue')(key=name, value=text)
                for name, text in values.items()
            ],
        )
        return self._messages.encode(message, SNAPSHOT_TYPE)

    def _input(self, topic: str, latched: Latched | None) -> Any:
        one = _NO_INPUT
        if latched is not None:
            one = TickInput(latched.index, latched.arrival_ns, latched.stamp_ns, -1)
        return self._messages.type('fournex_msgs/msg/TickInput')(
            topic=topic, **{f.name: getattr(one, f.name) for f in dataclasses.fields(one)}
        )

    def _array(self, name: str, array: NDArray[Any]) -> Any:
        dtype = array.dtype.name
        data = {f'{one}_data': empty for one, empty in self._empty.items()}
        data[f'{dtype}_data'] = array.reshape(-1)
        shape = np.array(array.shape, np.uint32)
        return self._messages.type(_ARRAY)(name=name, dtype=dtype, shape=shape, **data)


def decode_snapshot(message: Any) -> Snapshot:
    """
    Return the snapshot that a decoded ``fournex_msgs/Snapshot`` holds.

    :param message: the message object.
    :raises MessageError: it is not one that this version wrote.
    """
    try:
        arrays = {
            one.name: getattr(one, f'{one.dtype}_data').reshape(tuple(int(n) for n in one.shape))
            for one in message.arrays
        }
        values = {one.key: _restored(json.loads(one.value), arrays) for one in message.values}
        return Snapshot(
            session=message.session,
            inputs=tuple(
                TickInput(one.last_index, one.arrival_ns, one.stamp_ns, one.age_ns)
                for one in message.inputs
            ),
            state=SessionState(latched=(), **values),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise MessageError(
            f'the snapshot before tick {message.tick} of session {message.session} cannot be '
            f'read: {type(problem).__name__}: {problem}'
        ) from problem


class _Arrays:
    """Takes a state apart; collects the arrays that it meets, by where they are."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}

    def plain(self, value: Any, path: str) -> Any:
        """Return a value as JSON has it."""
        if isinstance(value, enum.Enum):
            return {'$enum': type(value).__name__, 'value': value.value}
        if isinstance(value, np.ndarray | np.generic):
            return self._array(np.asarray(value), path, isinstance(value, np.generic))
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if type(value).__name__ in _remembered():
            plain = {
                name: self.plain(getattr(value, name), f'{path}/{name}')
                for name in _fields(type(value))
            }
            return {'$type': type(value).__name__, **plain}
        if isinstance(value, tuple):
            return [self.plain(one, f'{path}/{index}') for index, one in enumerate(value)]
        if isinstance(value, Mapping):
            return {
                '$map': [[key, self.plain(one, f'{path}/{key}')] for key, one in value.items()]
            }
        raise MessageError(f'{path}: a snapshot cannot hold a {type(value).__name__}')

    def _array(self, array: NDArray[Any], path: str, single: bool) -> dict[str, Any]:
        kept = array if array.dtype.name in _DTYPES else np.frombuffer(array.tobytes(), np.uint8)
        self.arrays[path] = kept
        plain: dict[str, Any] = {'$array': path}
        if kept is not array:
            plain |= {'dtype': array.dtype.str, 'shape': list(array.shape)}
        if single:
            plain['single'] = True
        return plain


def _restored(plain: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return the value of which :meth:`_Arrays.plain` made JSON."""
    if isinstance(plain, list):
        return tuple(_restored(one, arrays) for one in plain)
    if not isinstance(plain, dict):
        return plain
    if '$array' in plain:
        array = arrays[plain['$array']]
        if 'dtype' in plain:
            array = np.frombuffer(array.tobytes(), plain['dtype']).reshape(plain['shape'])
        return array[()] if plain.get('single') else frozen(array.copy())
    if '$map' in plain:
        return {key: _restored(one, arrays) for key, one in plain['$map']}
    if '$enum' in plain:
        return _remembered()[plain['$enum']](plain['value'])
    kind = _remembered()[plain['$type']]
    return kind(**{key: _restored(one, arrays) for key, one in plain.items() if key != '$type'})


def _fields(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass or a named tuple."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    names: tuple[str, ...] = getattr(kind, '_fields', ())
    return names


@functools.cache
def _remembered() -> Mapping[str, Any]:
    """Return every dataclass, named tuple and enumeration that a state is made of, by name."""
    found: dict[str, Any] = {}
    waiting: list[Any] = [SessionState]
    while waiting:
        kind = waiting.pop()
        waiting.extend(typing.get_args(kind))
        if not isinstance(kind, type) or kind.__name__ in found:
            continue
        if issubclass(kind, enum.Enum):
            found[kind.__name__] = kind
        elif _fields(kind):
            found[kind.__name__] = kind
            waiting.extend(typing.get_type_hints(kind).values())
    return found
