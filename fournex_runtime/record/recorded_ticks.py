"""The ticks of a recording, each with the messages that it consumed and the commands it sent."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator

from ..pipeline.messages import Messages
from ..session.tick import TickInputs, TickRecord, Timing
from .bag_reader import BagReader
from .manifest import Manifest
from .recorded_inputs import RecordedInputs
from .snapshot import SNAPSHOT_TYPE, decode_snapshot, snapshot_topic
from .tick_record import tick_decoder


@dataclasses.dataclass(frozen=True)
class RecordedTick:
    """
    One tick as a bag holds it.

    :param session: name of its session.
    :param record: the tick.
    :param timing: its measured durations.
    :param inputs: the messages that it consumed, as far as they are there.
    :param complete: all of them are.
    :param commands: the bytes that it sent on each of the session's topics; None for nothing.
    """

    session: str
    record: TickRecord
    timing: Timing
    inputs: TickInputs
    complete: bool
    commands: tuple[bytes | None, ...]


def recorded_ticks(
    reader: BagReader, types: Messages, manifest: Manifest
) -> Iterator[RecordedTick]:
    """
    Yield the ticks of every session in the order of the bag.

    :param reader: the bag.
    :param types: its message types.
    :param manifest: its manifest.
    :raises RecordingError: the bag is damaged.
    :raises ReplayError: a tick has other inputs than its session.
    """
    sessions = {one.tick_topic: one for one in manifest.sessions}
    decode = {one.tick_topic: tick_decoder(types, one.command_topics) for one in manifest.sessions}
    inputs = {one.tick_topic: RecordedInputs(one.input_topics) for one in manifest.sessions}
    commands: dict[str, collections.OrderedDict[int, bytes]] = {
        topic: collections.OrderedDict()
        for one in manifest.sessions
        for topic in one.command_topics
    }
    snapshots = {snapshot_topic(topic): topic for topic in sessions}
    following = dict.fromkeys(sessions, 0)
    wanted = {
        *sessions,
        *snapshots,
        *commands,
        *(topic for one in inputs.values() for topic in one.topics),
    }
    present = [one.topic for one in reader.channels if one.topic in wanted]
    for message in reader.messages(present):
        for one in inputs.values():
            one.put(message.topic, message.sequence, message.data)
        if message.topic in commands:
            commands[message.topic][message.sequence] = message.data
        if message.topic in snapshots:
            place = snapshots[message.topic]
            snapshot = decode_snapshot(types.decode(message.data, SNAPSHOT_TYPE))
            if snapshot.state.tick > following[place]:  # the ticks before are not in the bag
                inputs[place].resume(snapshot.inputs)
        session = sessions.get(message.topic)
        if session is None:
            continue
        record, timing = decode[message.topic](message.data)
        following[message.topic] = record.tick + 1
        given = inputs[message.topic].of_tick(record)
        yield RecordedTick(
            session.name,
            record,
            timing,
            given,
            not inputs[message.topic].missing,
            tuple(
                commands[topic].pop(index & 0xFFFFFFFF, None) if index else None
                for topic, index in zip(session.command_topics, record.command_indices)
            ),
        )
