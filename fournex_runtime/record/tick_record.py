"""Tick records as ``fournex_msgs/Tick`` messages, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ..errors import MessageError
from ..pipeline.messages import Messages, messages
from ..session.tick import (
    AnswerKind,
    Episode,
    Mode,
    TickInput,
    TickRecord,
    Timing,
)
from .tick_bytes import TickBytes
from .tick_reader import TickReader

TICK_TYPE = 'fournex_msgs/msg/Tick'


class TickCodec:
    """
    Codes the tick records of one session.

    :param messages: the message types; must know ``fournex_msgs``.
    :param session: name of the session.
    :param input_topics: fully qualified topic of each source.
    :param command_topics: fully qualified topic of each target.
    """

    def __init__(
        self,
        messages: Messages,
        session: str,
        input_topics: Sequence[str],
        command_topics: Sequence[str],
    ) -> None:
        messages.ensure(TICK_TYPE)
        self._bytes = TickBytes(session, input_topics, command_topics)

    def encode(self, record: TickRecord, timing: Timing) -> bytes:
        """Return the CDR bytes of a record."""
        return self._bytes.encode(record, timing)


def tick_decoder(
    types: Messages, command_topics: Sequence[str] | None = None
) -> Callable[[bytes], tuple[TickRecord, Timing]]:
    """
    Return what makes records, without the command bytes, and durations of a message's bytes.

    :param types: the message types of the bag.
    :param command_topics: as for :func:`decode_tick`.
    """
    if _definition(types) == _definition(messages()):
        return TickReader(command_topics).read

    def decode(data: bytes) -> tuple[TickRecord, Timing]:
        message = types.decode(data, TICK_TYPE)
        return decode_tick(message, command_topics), decode_timing(message)

    return decode


def _definition(types: Messages) -> str:
    """Return the hash of the definition of tick records."""
    types.ensure(TICK_TYPE)
    return str(types.typestore.hash_rihs01(TICK_TYPE))


def decode_tick(message: Any, command_topics: Sequence[str] | None = None) -> TickRecord:
    """
    Return the record that a decoded ``fournex_msgs/Tick`` holds, without the command bytes.

    :param message: the message object.
    :param command_topics: fully qualified topic of each target of the session; those on which
        the tick published when left out.
    :raises MessageError: an array or an enumeration in it is not what the definition allows.
    """
    try:
        return _record(message, command_topics)
    except (ValueError, AttributeError) as problem:
        raise MessageError(f'tick {message.tick}: cannot be read: {problem}') from problem


def decode_timing(message: Any) -> Timing:
    """Return what was measured, as a decoded ``fournex_msgs/Tick`` holds."""
    fields = (field.name for field in dataclasses.fields(Timing))
    return Timing(**{name: int(getattr(message.timing, name)) for name in fields})


def _record(message: Any, command_topics: Sequence[str] | None) -> TickRecord:
    indices = dict(zip(message.command_topics, message.command_indices))
    topics = message.command_topics if command_topics is None else command_topics
    return TickRecord(
        tick=message.tick,
        due_ns=message.due_ns,
        episode=Episode(
            message.episode, message.episode_seed, message.episode_tick, message.episode_return
        ),
        episode_start=message.episode_start,
        steady_ns=message.steady_ns,
        ros_ns=message.ros_ns,
        stop_requested=message.stop_requested,
        inputs=tuple(
            TickInput(one.last_index, one.arrival_ns, one.stamp_ns, one.age_ns)
            for one in message.inputs
        ),
        answer=AnswerKind(message.answer),
        mode=Mode(message.mode),
        cause=message.cause,
        observation=_to_arrays(message.observation),
        state=_to_arrays(message.state),
        raw_action=_to_arrays(message.raw_action),
        safe_action=_to_arrays(message.safe_action),
        limited=tuple(message.limited),
        commands=(),
        command_indices=tuple(int(indices.get(topic, 0)) for topic in topics if indices),
        reward=message.reward,
        policy=message.policy,
        chosen=message.chosen,
    )


def _to_arrays(arrays: Sequence[Any]) -> Mapping[str, NDArray[Any]]:
    return {
        one.name: getattr(one, f'{one.dtype}_data').reshape(tuple(int(n) for n in one.shape))
        for one in arrays
    }
