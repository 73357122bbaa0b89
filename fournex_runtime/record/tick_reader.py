"""
Reading the bytes of a ``fournex_msgs/Tick``, field by field: the counterpart of ``tick_bytes``.

A replay reads as many records as a robot has written, and the coder of every message type would
take a third of its time. Offsets are counted behind the encapsulation header.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError
from ..session.tick import AnswerKind, Arrays, Episode, Mode, TickInput, TickRecord, Timing

_LITTLE_ENDIAN = b'\0\1'
_TICK = struct.Struct('<Qq')
_EPISODE = struct.Struct('<QQ?7xqq?3xI')
_INPUT = struct.Struct('<Qqqq')
_ANSWER = struct.Struct('<BB2x')
_COUNT = struct.Struct('<I')
_REWARD = struct.Struct('<dd')
_TIMING = struct.Struct('<9q4I')
_STAMP_BYTES = 8
_DTYPES = {'float32': 0, 'float64': 1, 'int64': 2, 'uint8': 3}
"""Which of the four fields of ``Array`` holds the elements."""
_WIDTHS = (4, 8, 8, 1)
_KEPT = 4096
"""How many texts are kept at most; a session has a dozen."""


class _Head:
    """
    What describes an array, to be known again in the next record.

    :param name: of the array.
    :param array: the array.
    :param body: bytes of the record that it was read from.
    :param begin: where it begins there.
    :param first: where its elements begin.
    :param end: where it ends.
    """

    def __init__(
        self, name: str, array: NDArray[Any], body: bytes, begin: int, first: int, end: int
    ) -> None:
        self.name = name
        self.bytes = end - begin
        self._dtype, self._size, self._shape = array.dtype, array.size, array.shape
        self._first = first - begin
        self._head = body[begin:first]
        self._tail = body[first + array.nbytes : end]
        self._tail_at = self._first + array.nbytes
        self._phase = begin % 8  # the elements of another one may be padded otherwise

    def begins(self, body: bytes, at: int) -> bool:
        """Return whether an array that begins somewhere differs in its elements alone."""
        return (
            at % 8 == self._phase
            and body.startswith(self._head, at)
            and body.startswith(self._tail, at + self._tail_at)
            and len(body) >= at + self.bytes
        )

    def elements(self, body: bytes, at: int) -> NDArray[Any]:
        """Return the elements of an array that begins somewhere."""
        if not self._size:
            return np.empty(self._shape, self._dtype)
        flat = np.frombuffer(body, self._dtype, self._size, at + self._first)
        return flat.reshape(self._shape)


class TickReader:
    """
    Reads the records of one session.

    :param command_topics: fully qualified topic of each target of the session; those on which a
        tick published when left out.
    """

    def __init__(self, command_topics: Sequence[str] | None = None) -> None:
        self._command_topics = command_topics
        self._texts: dict[bytes, str] = {}
        self._heads: dict[int, _Head] = {}
        self._place = 0
        self._body = b''
        self._at = 0

    def read(self, data: bytes) -> tuple[TickRecord, Timing]:
        """
        Return the record in a message's bytes, without those of its commands, and its durations.

        :raises MessageError: the bytes are not what the definition allows.
        """
        number = '?'
        try:
            if bytes(data[:2]) != _LITTLE_ENDIAN:
                raise ValueError('it is not little-endian CDR')
            self._body, self._at, self._place = bytes(data[4:]), _STAMP_BYTES, 0
            self._text()  # frame_id
            self._text()  # session
            policies = self._text(), self._text()
            tick, due_ns = self._unpack(_TICK, 8)
            number = str(tick)
            return self._record(policies, tick, due_ns)
        except (struct.error, ValueError, KeyError) as problem:
            raise MessageError(f'tick {number}: cannot be read: {problem}') from problem

    def _record(
        self, policies: tuple[str, str], tick: int, due_ns: int
    ) -> tuple[TickRecord, Timing]:
        episode = self._text()
        seed, of_episode, start, steady_ns, ros_ns, stop, inputs = self._unpack(_EPISODE, 8)
        taken = tuple(self._input() for _ in range(inputs))
        answer, mode = self._unpack(_ANSWER, 1)
        cause = self._text()
        observation, state, raw_action, safe_action = (self._arrays() for _ in range(4))
        limited = tuple(self._list())
        topics = self._list()
        (count,) = self._unpack(_COUNT, 4)
        self._align(8)
        numbers = self._unpack(struct.Struct(f'<{count}Q'), 8)
        reward, total = self._unpack(_REWARD, 8)
        timing = Timing(*self._unpack(_TIMING, 8))
        if len(self._body) - self._at >= 4:
            raise ValueError(f'{len(self._body) - self._at} bytes more than a record has')
        indices = dict(zip(topics, numbers))
        targets = topics if self._command_topics is None else self._command_topics
        record = TickRecord(
            tick=tick,
            due_ns=due_ns,
            episode=Episode(episode, seed, of_episode, total),
            episode_start=start,
            steady_ns=steady_ns,
            ros_ns=ros_ns,
            stop_requested=stop,
            inputs=taken,
            answer=AnswerKind(answer),
            mode=Mode(mode),
            cause=cause,
            observation=observation,
            state=state,
            raw_action=raw_action,
            safe_action=safe_action,
            limited=limited,
            commands=(),
            command_indices=tuple(indices.get(topic, 0) for topic in targets if indices),
            reward=reward,
            policy=policies[0],
            chosen=policies[1],
        )
        return record, timing

    def _input(self) -> TickInput:
        self._text()  # topic
        return TickInput(*self._unpack(_INPUT, 8))

    def _arrays(self) -> Arrays:
        (count,) = self._unpack(_COUNT, 4)
        found = {}
        for _ in range(count):
            name, array = self._array()
            found[name] = array
        return found

    def _array(self) -> tuple[str, NDArray[Any]]:
        """Return the next array; what describes it is mostly that of the record before."""
        self._align(4)
        begin, place = self._at, self._place
        self._place += 1
        known = self._heads.get(place)
        if known is not None and known.begins(self._body, begin):
            self._at = begin + known.bytes
            return known.name, known.elements(self._body, begin)
        name, dtype = self._text(), self._text()
        if dtype not in _DTYPES:
            raise ValueError(f'array {name} is of {dtype}, expected one of {", ".join(_DTYPES)}')
        (dimensions,) = self._unpack(_COUNT, 4)
        shape = self._unpack(struct.Struct(f'<{dimensions}I'), 4)
        array: NDArray[Any] = np.empty(0, dtype)
        first = 0
        for field, width in enumerate(_WIDTHS):
            (size,) = self._unpack(_COUNT, 4)
            if size:
                self._align(width)
            if field == _DTYPES[dtype]:
                first = self._at
                array = np.frombuffer(self._body, dtype, size, first) if size else array
            elif size:
                raise ValueError(f'array {name} is of {dtype} and has elements of another type')
            self._at += size * width
        array = array.reshape(shape)
        if len(self._heads) < _KEPT:
            self._heads[place] = _Head(name, array, self._body, begin, first, self._at)
        return name, array

    def _list(self) -> list[str]:
        (count,) = self._unpack(_COUNT, 4)
        return [self._text() for _ in range(count)]

    def _text(self) -> str:
        """Return a text; what follows it is looked for from its end."""
        (size,) = self._unpack(_COUNT, 4)
        raw = self._body[self._at : self._at + size]
        if len(raw) < size:
            raise ValueError('it is cut off')
        self._at += size
        found = self._texts.get(raw)
        if found is None:
            if len(self._texts) >= _KEPT:
                self._texts.clear()
            found = self._texts[raw] = raw[:-1].decode()
        return found

    def _unpack(self, what: struct.Struct, alignment: int) -> tuple[Any, ...]:
        self._align(alignment)
        found = what.unpack_from(self._body, self._at)
        self._at += what.size
        return found

    def _align(self, alignment: int) -> None:
        self._at += -self._at % alignment
