"""A recording as the command line looks at it: its manifest, its ticks, its topics."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError, RecordingError
from ..record.bag_reader import BagReader
from ..record.manifest import MANIFEST_TYPE, Manifest, SessionManifest, decode_manifest
from ..record.tick_record import TICK_TYPE

Nanoseconds = NDArray[np.int64]


@dataclasses.dataclass
class RecordedTopic:
    """
    What a recording has of one topic.

    :param type: its message type.
    :param count: messages of it.
    :param first_ns: log time of the first, since the Unix epoch.
    :param last_ns: log time of the last.
    :param missing: numbers left out in the messages' sequence.
    """

    type: str
    count: int = 0
    first_ns: int = 0
    last_ns: int = 0
    missing: int = 0
    _sequence: int = 0

    def add(self, log_time_ns: int, sequence: int) -> None:
        """Count one message."""
        if self.count == 0:
            self.first_ns = log_time_ns
        elif sequence > self._sequence + 1:
            self.missing += sequence - self._sequence - 1
        self.count += 1
        self.last_ns = max(self.last_ns, log_time_ns)
        self._sequence = sequence

    @property
    def rate(self) -> float:
        """Return messages a second between the first and the last; 0 for fewer than two."""
        span_ns = self.last_ns - self.first_ns
        return (self.count - 1) * 1e9 / span_ns if span_ns > 0 else 0.0


@dataclasses.dataclass(frozen=True)
class RecordedSession:
    """
    One session of a recording.

    :param manifest: what it consists of.
    :param ticks: its ``fournex_msgs/Tick`` messages, decoded, in order.
    :param log_ns: their log times, since the Unix epoch.
    """

    manifest: SessionManifest
    ticks: Sequence[Any]
    log_ns: Sequence[int]

    def column(self, *path: str) -> NDArray[Any]:
        """Return one field of every tick; ``('timing', 'lateness_ns')`` for a nested one."""
        values = self.ticks
        for name in path:
            values = [getattr(value, name) for value in values]
        return np.array(values)

    def seconds(self) -> NDArray[np.float64]:
        """Return the steady time of every tick, from the first."""
        steady_ns = self.column('steady_ns').astype(np.int64)
        return np.asarray((steady_ns - steady_ns[:1]) * 1e-9, np.float64)

    def ages_ns(self, source: int) -> Nanoseconds:
        """Return the age of one input at every tick; -1 before its first message."""
        return np.array(
            [
                tick.inputs[source].age_ns if source < len(tick.inputs) else -1
                for tick in self.ticks
            ],
            np.int64,
        )

    @property
    def missing(self) -> int:
        """Return how many ticks are missing between the first and the last."""
        if not self.ticks:
            return 0
        return int(self.ticks[-1].tick - self.ticks[0].tick + 1 - len(self.ticks))


@dataclasses.dataclass(frozen=True)
class RecordedRun:
    """
    A recording, read once.

    :param path: the bag.
    :param manifest: what it is; None for a bag that Fournex did not write.
    :param topics: its topics by name.
    :param sessions: its sessions in the order of the manifest.
    :param messages: log time and decoded message of each message of the types asked for.
    :param problem: what of it is not there: it is cut off, for instance; empty when all is well.
    :param recovered: it was, and then recovered.
    :param dropped: messages that the recording lost as it was made, by topic.
    :param missed: messages that the middleware dropped before they were taken, by topic.
    :param cause: what set it off; empty where that goes without saying.
    :param deleted: how many of its first files are not there, deleted to make room or left out.
    """

    path: pathlib.Path
    manifest: Manifest | None
    topics: Mapping[str, RecordedTopic]
    sessions: Sequence[RecordedSession]
    messages: Mapping[str, Sequence[tuple[int, Any]]]
    problem: str
    recovered: bool
    dropped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    missed: Mapping[str, int] = dataclasses.field(default_factory=dict)
    cause: str = ''
    deleted: int = 0

    @property
    def first_ns(self) -> int:
        """Return the log time of the first message; 0 for an empty bag."""
        return min((topic.first_ns for topic in self.topics.values() if topic.count), default=0)

    @property
    def last_ns(self) -> int:
        """Return the log time of the last message; 0 for an empty bag."""
        return max((topic.last_ns for topic in self.topics.values()), default=0)


def read_run(path: pathlib.Path, keep: Sequence[str] = ()) -> RecordedRun:
    """
    Read a recording, with nothing but the definitions inside it.

    :param path: a bag, or one MCAP file.
    :param keep: message types whose decoded messages are wanted.
    :raises RecordingError: it is no bag, or its tick records cannot be decoded.
    """
    with BagReader(path) as reader:
        types = reader.types()
        topics = {channel.topic: RecordedTopic(channel.type) for channel in reader.channels}
        manifest: Manifest | None = None
        wanted = {*keep, TICK_TYPE}
        kept: dict[str, list[tuple[int, Any]]] = {
            name: [] for name, topic in topics.items() if topic.type in wanted
        }
        for message in reader.messages():
            topic = topics[message.topic]
            topic.add(message.log_time_ns, message.sequence)
            try:
                if topic.type == MANIFEST_TYPE:
                    manifest = manifest or decode_manifest(types.decode(message.data, topic.type))
                elif message.topic in kept:
                    kept[message.topic].append(
                        (message.log_time_ns, types.decode(message.data, topic.type))
                    )
            except (MessageError, AttributeError, TypeError) as problem:
                raise RecordingError(f'{path}: {message.topic}: {problem}') from problem
        sessions = (
            []
            if manifest is None
            else [_session(one, kept.get(one.tick_topic, [])) for one in manifest.sessions]
        )
        return RecordedRun(
            path,
            manifest,
            topics,
            sessions,
            kept,
            reader.problem or '',
            bool(reader.recovered),
            reader.dropped,
            reader.missed,
            reader.cause,
            reader.deleted,
        )


def _session(manifest: SessionManifest, ticks: Sequence[tuple[int, Any]]) -> RecordedSession:
    return RecordedSession(manifest, [tick for _, tick in ticks], [log_ns for log_ns, _ in ticks])
