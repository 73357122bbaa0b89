"""
The bytes of a ``fournex_msgs/Tick``, written field by field.

A record is written at every tick, on the control loop: that of an arm takes a quarter of the time
in this way that the coder of every message type takes. Texts and heads of arrays are the same at
every tick, so their bytes are kept. Offsets are counted behind the encapsulation header, as CDR
aligns its numbers (OMG DDS-XTypes 7.4.1, version 1).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

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
_REWARD = struct.Struct('<dd')
_TIMING = struct.Struct('<9q4I')
_FIELDS = {'<f4': (0, 4), '<f8': (1, 8), '<i8': (2, 8), '|u1': (3, 1)}
"""Of a dtype: which of the four fields of ``Array`` it has, and the alignment of its numbers."""
_NONE = _COUNT.pack(0)
_KEPT = 1024
"""How many texts and heads are kept at most; a session has a dozen."""


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

    def encode(self, record: TickRecord, timing: Timing) -> bytes:
        """Return the CDR bytes of a record."""
        episode = record.episode
        out = bytearray(_HEADER)
        out += _STAMP.pack(*divmod(record.ros_ns, 1_000_000_000))
        out += self._named
        out += self._text(record.policy)
        _pad(out, 8)
        out += _TICK.pack(record.tick, record.due_ns)
        out += self._text(episode.id)
        _pad(out, 8)
        out += _EPISODE.pack(
            episode.seed,
            episode.tick,
            record.episode_start,
            record.steady_ns,
            record.ros_ns,
            record.stop_requested,
            min(len(record.inputs), len(self._input_topics)),
        )
        for topic, one in zip(self._input_topics, record.inputs):
            out += topic  # begins and ends at a multiple of 8
            out += _INPUT.pack(one.last_index, one.arrival_ns, one.stamp_ns, one.age_ns)
        out += _ANSWER.pack(record.answer, record.mode)
        out += self._text(record.cause)
        for arrays in (record.observation, record.state, record.raw_action, record.safe_action):
            self._arrays(out, arrays)
        self._list(out, record.limited)
        indices = [
            (topic, index)
            for topic, index in zip(self._command_topics, record.command_indices)
            if index
        ]
        self._list(out, [topic for topic, _ in indices])
        out += _COUNT.pack(len(indices))
        _pad(out, 8)  # in front of what follows, which is a number of 8 bytes in any case
        out += struct.pack(f'<{len(indices)}Q', *(index for _, index in indices))
        out += _REWARD.pack(record.reward, episode.total)
        out += _TIMING.pack(
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

    def _arrays(self, out: bytearray, arrays: Arrays) -> None:
        """Write a sequence of ``Array``; a text or an array has ended before."""
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
                out += array.tobytes()
            if field < 3:
                _pad(out, 4)
                out += _NONE * (3 - field)

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
