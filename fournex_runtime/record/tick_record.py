"""Tick records as ``fournex_msgs/Tick`` messages, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError
from ..pipeline.messages import Messages
from ..session.tick import (
    AnswerKind,
    Arrays,
    Episode,
    Mode,
    TickInput,
    TickRecord,
    Timing,
)

TICK_TYPE = 'fournex_msgs/msg/Tick'
_DTYPES = ('float32', 'float64', 'int64', 'uint8')


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
        self._messages = messages
        self._session = session
        self._input_topics = list(input_topics)
        self._command_topics = list(command_topics)
        self._tick = messages.type(TICK_TYPE)
        self._array = messages.type('fournex_msgs/msg/Array')
        self._input = messages.type('fournex_msgs/msg/TickInput')
        self._timing = messages.type('fournex_msgs/msg/TickTiming')
        self._header = messages.type('std_msgs/msg/Header')
        self._time = messages.type('builtin_interfaces/msg/Time')
        self._none = {f'{dtype}_data': np.empty(0, dtype) for dtype in _DTYPES}

    def encode(self, record: TickRecord, timing: Timing) -> bytes:
        """Return the CDR bytes of a record."""
        stamp = self._time(
            sec=record.ros_ns // 1_000_000_000, nanosec=record.ros_ns % 1_000_000_000
        )
        sent = [
            (topic, index)
            for topic, index in zip(self._command_topics, record.command_indices)
            if index
        ]
        message = self._tick(
            header=self._header(stamp=stamp, frame_id=''),
            session=self._session,
            tick=record.tick,
            due_ns=record.due_ns,
            episode=record.episode.id,
            episode_seed=record.episode.seed,
            episode_tick=record.episode.tick,
            episode_start=record.episode_start,
            steady_ns=record.steady_ns,
            ros_ns=record.ros_ns,
            stop_requested=record.stop_requested,
            inputs=[
                self._input(
                    topic=topic,
                    last_index=one.last_index,
                    arrival_ns=one.arrival_ns,
                    stamp_ns=one.stamp_ns,
                    age_ns=one.age_ns,
                )
                for topic, one in zip(self._input_topics, record.inputs)
            ],
            answer=int(record.answer),
            mode=int(record.mode),
            cause=record.cause,
            observation=self._arrays(record.observation),
            state=self._arrays(record.state),
            raw_action=self._arrays(record.raw_action),
            safe_action=self._arrays(record.safe_action),
            limited=list(record.limited),
            command_topics=[topic for topic, _ in sent],
            command_indices=np.array([index for _, index in sent], np.uint64),
            reward=record.reward,
            episode_return=record.episode.total,
            timing=self._timing(
                lateness_ns=timing.lateness_ns,
                take_ns=timing.take_ns,
                observe_ns=timing.observe_ns,
                infer_ns=timing.infer_ns,
                conclude_ns=timing.conclude_ns,
                publish_ns=timing.publish_ns,
                skipped=timing.skipped,
            ),
        )
        return self._messages.encode(message, TICK_TYPE)

    def _arrays(self, arrays: Arrays) -> list[Any]:
        return [self._to_array(name, array) for name, array in arrays.items()]

    def _to_array(self, name: str, array: NDArray[Any]) -> Any:
        fields = dict(self._none)
        fields[f'{array.dtype.name}_data'] = np.ascontiguousarray(array).ravel()
        return self._array(
            name=name,
            dtype=array.dtype.name,
            shape=np.array(array.shape, np.uint32),
            **fields,
        )


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
    """Return the measured durations that a decoded ``fournex_msgs/Tick`` holds."""
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
    )


def _to_arrays(arrays: Sequence[Any]) -> Mapping[str, NDArray[Any]]:
    return {
        one.name: getattr(one, f'{one.dtype}_data').reshape(tuple(int(n) for n in one.shape))
        for one in arrays
    }
