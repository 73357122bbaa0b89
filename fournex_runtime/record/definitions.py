"""The definitions of the topics of a recording; apart, so that the recorder needs no types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import MessageError, RecordingError
from ..pipeline.messages import Messages
from .channel import Channel, DescribedChannel


def describe(channels: Sequence[Channel], messages: Messages) -> list[DescribedChannel]:
    """
    Return channels with their definitions.

    :param channels: the topics of a recording.
    :param messages: the message types.
    :raises RecordingError: one of them cannot be recorded.
    """
    seen: set[str] = set()
    for channel in channels:
        if not channel.topic.startswith('/'):
            raise RecordingError(f'topic {channel.topic!r} is not fully qualified')
        if channel.topic in seen:
            raise RecordingError(f'topic {channel.topic} is recorded twice')
        seen.add(channel.topic)
    return [_described(channel, messages) for channel in channels]


def _described(channel: Channel, messages: Messages) -> DescribedChannel:
    try:
        messages.ensure(channel.type)
    except MessageError as problem:
        raise RecordingError(f'{channel.topic} cannot be recorded: {problem}') from problem
    typestore: Any = messages.typestore
    definition, _ = typestore.generate_msgdef(channel.type, ros_version=2)
    return DescribedChannel(channel, definition, typestore.hash_rihs01(channel.type))
