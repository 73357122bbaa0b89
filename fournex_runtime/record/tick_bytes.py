"""
The bytes of a ``fournex_msgs/Tick``, written field by field.

A record is written at every tick, on the control loop. Texts and shapes are the same at nearly
every tick, so all but the numbers is kept, and those are written into a copy: a tenth of the time
that the coder of every message type takes. Offsets are counted behind the encapsulation header, as
CDR aligns its numbers (OMG DDS-XTypes 7.4.1, version 1).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..session.tick import Arrays, TickRecord, Timing

_HEADER = b'\0\1\0\0'
_STAMP = struct.Struct('<iI')
_TICK = struct.Struct('<Qq')
_EPISODE = struct.Struct('<QQ?7xqq?3xI')
_INPUT = struct.Struct('<Qqqq')
_ANSWER = struct.Struct('<BB2x')
_COUNT = struct.Struct('<I')
_END = '2d9q4I'
"""Reward and return of the episode, and the timing."""
_FIELDS = {'<f4': (0, 4), '<f8': (1, 8), '<i8': (2, 8), '|u1': (3, 1)}
"""Of a dtype: which of the four fields of ``Array`` it has, and the alignment of its numbers."""
_NONE = _COUNT.pack(0)
_FORMS = 8
"""How many forms of records are kept: a session that only ticks has one."""
_KEPT = 1024
"""How many texts and heads are kept at most; a session has a dozen."""


class _Place(NamedTuple):
    """Where the numbers of an array lie."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    where: slice


class _Form:
    """
    What all records have in common whose texts are the same, and the shapes of their arrays.

    :param record: one of them.
    """

    def __init__(self, record: TickRecord) -> None:
        self.bytes = bytearray(_HEADER)
        self.tick_at = self.episode_at = self.answer_at = self.end_at = 0
        self.inputs_at: list[int] = []
        self.arrays: list[list[_Place]] = []
        self.end = struct.Struct('')
        self._policy, self._chosen = record.policy, record.chosen
        self._episode = record.episode.id
        self._cause, self._limited = record.cause, record.limited
        self._inputs, self._commands = len(record.inputs), _commanded(record)

    def fits(self, record: TickRecord) -> bool:
        """Return whether a record has this form."""
        if (
            record.cause != self._cause
            or record.episode.id != self._episode
            or record.policy != self._policy
            or record.chosen != self._chosen
            or record.limited != self._limited
            or len(record.inputs) != self._inputs
            or _commanded(record) != self._commands
        ):
            return False
        for places, arrays in zip(self.arrays, _arrays(record)):
            if len(places) != len(arrays):
                return False
            for one in places:
                array = arrays.get(one.name)
                if array is None or array.dtype != one.dtype or array.shape != one.shape:
                    return False
        return True

    def room(self, size: int) -> int:
        """Leave room for numbers; return where it is."""
        at = len(self.bytes)
        self.bytes += bytes(size)
        return at


class TickBytes:
    """
    Writes the records of one session.

    :param session: name of the session.
    :param input_topics: fully qualified topic of each source.
    :param command_topics: fully qualified topic of each target.
    """

    def __init__(
        self, session: str, input_topics: Sequence[str], command_topics: Sequence[str]
    ) -> None:
        self._texts: dict[str, bytes] = {}
        self._heads: dict[tuple[str, str, tuple[int, ...]], bytes] = {}
        self._named = self._text('') + self._text(session)
        self._input_topics = [_padded(self._text(topic), 8) for topic in input_topics]
        self._command_topics = list(command_topics)
        self._forms: list[_Form] = []

    def encode(self, record: TickRecord, timing: Timing) -> bytes:
        """Return the CDR bytes of a record."""
        form = self._form_of(record)
        out, episode = form.bytes.copy(), record.episode
        _STAMP.pack_into(out, len(_HEADER), *divmod(record.ros_ns, 1_000_000_000))
        _TICK.pack_into(out, form.tick_at, record.tick, record.due_ns)
        _EPISODE.pack_into(
            out,
            form.episode_at,
            episode.seed,
            episode.tick,
            record.episode_start,
            record.steady_ns,
            record.ros_ns,
            record.stop_requested,
            len(form.inputs_at),
        )
        for at, one in zip(form.inputs_at, record.inputs):
            _INPUT.pack_into(out, at, one.last_index, one.arrival_ns, one.stamp_ns, one.age_ns)
        _ANSWER.pack_into(out, form.answer_at, record.answer, record.mode)
        for places, arrays in zip(form.arrays, _arrays(record)):
            for place in places:
                out[place.where] = arrays[place.name].tobytes()
        form.end.pack_into(
            out,
            form.end_at,
            *filter(None, record.command_indices),
            record.reward,
            episode.total,
            timing.lateness_ns,
            timing.wait_ns,
            timing.take_ns,
            timing.decode_ns,
            timing.observe_ns,
            timing.infer_ns,
            timing.conclude_ns,
            timing.publish_ns,
            timing.record_ns,
            timing.skipped,
            timing.worker,
            timing.batch_size,
            timing.batch_row,
        )
        return bytes(out)

    def _form_of(self, record: TickRecord) -> _Form:
        """Return the form of a record, which nearly always is that of the one before."""
        for number, form in enumerate(self._forms):
            if form.fits(record):
                if number:
                    self._forms.insert(0, self._forms.pop(number))
                return form
        form = self._new_form(record)
        self._forms.insert(0, form)
        del self._forms[_FORMS:]
        return form

    def _new_form(self, record: TickRecord) -> _Form:
        form = _Form(record)
        out = form.bytes
        form.room(_STAMP.size)
        out += self._named
        out += self._text(record.policy)
        out += self._text(record.chosen)
        _pad(out, 8)
        form.tick_at = form.room(_TICK.size)
        out += self._text(record.episode.id)
        _pad(out, 8)
        form.episode_at = form.room(_EPISODE.size)
        for topic, _ in zip(self._input_topics, record.inputs):
            out += topic  # begins and ends at a multiple of 8
            form.inputs_at.append(form.room(_INPUT.size))
        form.answer_at = form.room(_ANSWER.size)
        out += self._text(record.cause)
        form.arrays = [self._places(form, arrays) for arrays in _arrays(record)]
        self._list(out, record.limited)
        pairs = zip(self._command_topics, record.command_indices)
        topics = [topic for topic, index in pairs if index]
        self._list(out, topics)
        out += _COUNT.pack(len(topics))
        _pad(out, 8)  # in front of what follows, which is a number of 8 bytes in any case
        form.end = struct.Struct(f'<{len(topics)}Q{_END}')
        form.end_at = form.room(form.end.size)
        return form

    def _places(self, form: _Form, arrays: Arrays) -> list[_Place]:
        """Write a sequence of ``Array``, with room for its numbers."""
        out, found = form.bytes, []
        _pad(out, 4)
        out += _COUNT.pack(len(arrays))
        for name, array in arrays.items():
            _pad(out, 4)
            out += self._head(name, array)
            field, alignment = _FIELDS[array.dtype.str]
            out += _NONE * field
            out += _COUNT.pack(array.size)
            if array.size:
                _pad(out, alignment)
            at = form.room(array.nbytes)
            found.append(_Place(name, array.dtype, array.shape, slice(at, at + array.nbytes)))
            if field < 3:
                _pad(out, 4)
                out += _NONE * (3 - field)
        return found

    def _head(self, name: str, array: NDArray[Any]) -> bytes:
        """Return name, dtype and shape; begins and ends at a multiple of 4."""
        key = (name, array.dtype.str, array.shape)
        found = self._heads.get(key)
        if found is None:
            shape = struct.pack(f'<I{array.ndim}I', array.ndim, *array.shape)
            found = self._text(name) + self._text(np.dtype(array.dtype).name) + shape
            _keep(self._heads, key, found)
        return found

    def _list(self, out: bytearray, texts: Sequence[str]) -> None:
        _pad(out, 4)
        out += _COUNT.pack(len(texts))
        for text in texts:
            out += self._text(text)

    def _text(self, text: str) -> bytes:
        """Return a text, padded for what may follow: something that is aligned to 4 or more."""
        found = self._texts.get(text)
        if found is None:
            data = text.encode() + b'\0'
            found = _padded(_COUNT.pack(len(data)) + data, 4)
            _keep(self._texts, text, found)
        return found


def _arrays(record: TickRecord) -> tuple[Arrays, Arrays, Arrays, Arrays]:
    """Return the arrays of a record, in the order of the message."""
    return record.observation, record.state, record.raw_action, record.safe_action


def _commanded(record: TickRecord) -> list[bool]:
    """Return on which command topics a record published."""
    return [index != 0 for index in record.command_indices]


def _keep(where: dict[Any, bytes], key: Any, data: bytes) -> None:
    """Keep bytes for the next tick; forget everything when there is too much of it."""
    if len(where) >= _KEPT:
        where.clear()
    where[key] = data


def _pad(out: bytearray, alignment: int) -> None:
    """Fill up with zeros to a multiple of the alignment, counted behind the header."""
    rest = (len(out) - len(_HEADER)) % alignment
    if rest:
        out += bytes(alignment - rest)


def _padded(data: bytes, alignment: int) -> bytes:
    return data + bytes(-len(data) % alignment)
