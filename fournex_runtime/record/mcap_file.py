"""
Reading one MCAP file from the front, whole or cut off.

The summary at the end of a file says what is in it without reading it; a file whose writer was
killed has none, and is read through once instead. Where a file is cut off reading ends with the
last whole chunk; a file that has its end and is wrong before it is an error.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import IO, Any, cast

from mcap.exceptions import EndOfFile, McapError
from mcap.reader import SeekingReader
from mcap.records import Channel, Header, Message, Metadata, Schema
from mcap.stream_reader import StreamReader

from ..errors import RecordingError
from .mcap_writer import DROPPED_METADATA, FILE_METADATA

MAGIC = b'\x89MCAP0\r\n'


@dataclasses.dataclass(frozen=True)
class RecordedChannel:
    """
    A topic of a bag as the bag describes it.

    :param topic: name.
    :param type: message type.
    :param definition: text of the type and all types it is made of.
    :param encoding: language of the definition: ``ros2msg`` or ``ros2idl``.
    :param metadata: what the writer noted: ``offered_qos_profiles``, ``topic_type_hash``.
    """

    topic: str
    type: str
    definition: str
    encoding: str
    metadata: dict[str, str]


@dataclasses.dataclass(frozen=True)
class RecordedMessage:
    """
    One message of a bag.

    :param topic: its topic.
    :param sequence: its number as the writer gave it, 32 bits.
    :param log_time_ns: when it was received, nanoseconds since the Unix epoch.
    :param publish_time_ns: when it was published, nanoseconds since the Unix epoch.
    :param data: its CDR bytes.
    """

    topic: str
    sequence: int
    log_time_ns: int
    publish_time_ns: int
    data: bytes


@dataclasses.dataclass(frozen=True)
class FileBeginning:
    """
    What our recorder notes at the beginning of a file; see ``mcap_writer.py``.

    :param number: of the file in its recording, from 0.
    :param head: how many messages of each topic come first that were recorded before.
    :param cause: what set the recording off; empty where that goes without saying.
    :param dropped: messages by topic that the recording had lost before the file.
    :param recovered: the file was cut off and has been given its end: what came then is missing.
    """

    number: int = 0
    head: Mapping[str, int] = dataclasses.field(default_factory=dict)
    cause: str = ''
    dropped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    recovered: bool = False


class _ExactStream:
    """A stream that ends with an error and not with fewer bytes than were asked for."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, length: int) -> bytes:
        data = self._stream.read(length)
        if len(data) < length:
            raise EndOfFile()
        return data


class McapFile:
    """
    One MCAP file of ROS 2 messages.

    :param path: the file.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.channels: list[RecordedChannel] = []
        self.counts: dict[str, int] = {}
        self.beginning = FileBeginning()
        self.dropped: dict[str, int] = {}
        """Messages by topic that the recording had lost as the file was finished, of all files."""
        self.truncated = False
        self.readable_bytes = 0
        """Of a file that is cut off: where the last whole record ends."""
        self.start_ns: int | None = None
        """The least log time; None without messages."""
        self.end_ns: int | None = None
        """The greatest log time; None without messages."""

    def open(self) -> None:
        """
        Find out what is in the file.

        :raises RecordingError: it cannot be read, is not MCAP, or does not hold ROS 2 messages.
        """
        try:
            with self.path.open('rb') as stream:
                self.truncated = not _has_end(stream)
                self._check_beginning(stream)
                if self.truncated or not self._read_summary(stream):
                    self._read_through(stream)
        except OSError as problem:
            raise RecordingError(f'{self.path} cannot be read: {problem.strerror}') from problem

    def messages(
        self, topics: frozenset[str] | None = None, *, without_head: bool = False
    ) -> Iterator[RecordedMessage]:
        """
        Yield messages in the order in which they lie in the file.

        :param topics: only these; all when left out.
        :param without_head: leave out what the file before this one has, too.
        :raises RecordingError: the file is damaged.
        """
        names: dict[int, str] = {}
        found, counted = 0, sum(self.counts.values())
        head = sum(self.beginning.head.values()) if without_head else 0
        with self.path.open('rb') as stream:
            for record in self._records(stream):
                if isinstance(record, Channel):
                    names[record.id] = record.topic
                elif isinstance(record, Message):
                    if self.truncated and found == counted:
                        return  # it has grown since it was opened: it is being recorded
                    found += 1
                    topic = self._known(names, record)
                    if found > head and (topics is None or topic in topics):
                        yield RecordedMessage(
                            topic,
                            record.sequence,
                            record.log_time,
                            record.publish_time,
                            record.data,
                        )
        if found != counted:
            raise RecordingError(
                f'{self.path} is damaged: {found} messages can be read, and its summary says '
                f'{counted}'
            )

    def _check_beginning(self, stream: IO[bytes]) -> None:
        stream.seek(0)
        beginning = stream.read(len(MAGIC))
        if not beginning:
            raise RecordingError(f'{self.path} is empty')
        if len(beginning) < len(MAGIC) and MAGIC.startswith(beginning):
            raise RecordingError(f'{self.path} is cut off before its header')
        if beginning != MAGIC:
            raise RecordingError(f'{self.path} is not an MCAP file')
        stream.seek(0)
        records = self._records(stream)
        header = next(records, None)
        if not isinstance(header, Header):
            raise RecordingError(f'{self.path} is cut off before its header')
        if header.profile != 'ros2':
            raise RecordingError(
                f'{self.path} does not hold ROS 2 messages: its profile is {header.profile!r}'
            )
        second = next(records, None)
        if isinstance(second, Metadata) and second.name == FILE_METADATA:
            self.beginning = self._read_beginning(second.metadata)
            self.dropped = dict(self.beginning.dropped)

    def _read_beginning(self, values: Mapping[str, str]) -> FileBeginning:
        try:
            return FileBeginning(
                int(values['number']),
                _counts(values['begins_with']),
                values.get('cause', ''),
                _counts(values.get('dropped', '{}')),
                'cut_off' in values,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise RecordingError(
                f'{self.path} is damaged: its metadata {FILE_METADATA} cannot be read'
            ) from problem

    def _read_dropped(self, values: Mapping[str, str]) -> None:
        self.dropped = {topic: int(count) for topic, count in values.items() if count.isdigit()}

    def _read_summary(self, stream: IO[bytes]) -> bool:
        stream.seek(0)
        try:
            summary = SeekingReader(stream).get_summary()
        except Exception as problem:  # mcap lets through what struct and its codecs raise
            raise self._damaged(problem) from problem
        if summary is None or summary.statistics is None:
            return False
        if any(one.schema_id not in summary.schemas for one in summary.channels.values()) or (
            summary.statistics.channel_count != len(summary.channels)
        ):
            return False  # a summary need not repeat what the data section says
        for channel in summary.channels.values():
            self._add(channel, summary.schemas.get(channel.schema_id))
            self.counts[channel.topic] += summary.statistics.channel_message_counts.get(
                channel.id, 0
            )
        if summary.statistics.message_count:
            self.start_ns = summary.statistics.message_start_time
            self.end_ns = summary.statistics.message_end_time
        for index in summary.metadata_indexes:
            if index.name == DROPPED_METADATA:
                stream.seek(index.offset)
                for record in self._records(stream, magic=False):
                    if isinstance(record, Metadata):
                        self._read_dropped(record.metadata)
                    break
        return True

    def _read_through(self, stream: IO[bytes]) -> None:
        stream.seek(0)
        schemas: dict[int, Schema] = {}
        names: dict[int, str] = {}
        for record in self._records(stream):
            self.readable_bytes = stream.tell()
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel) and record.id not in names:
                names[record.id] = record.topic
                self._add(record, schemas.get(record.schema_id))
            elif isinstance(record, Message):
                self.counts[self._known(names, record)] += 1
                self._extend(record.log_time)
            elif isinstance(record, Metadata) and record.name == DROPPED_METADATA:
                self._read_dropped(record.metadata)

    def _extend(self, time_ns: int) -> None:
        """Count a message's time in."""
        if self.start_ns is None or self.end_ns is None:
            self.start_ns = self.end_ns = time_ns
        self.start_ns = min(self.start_ns, time_ns)
        self.end_ns = max(self.end_ns, time_ns)

    def _known(self, names: dict[int, str], message: Message) -> str:
        topic = names.get(message.channel_id)
        if topic is None or topic not in self.counts:
            raise RecordingError(
                f'{self.path} is damaged: a message is of channel {message.channel_id}, '
                f'topic {topic}, which is not declared'
            )
        return topic

    def _add(self, channel: Channel, schema: Schema | None) -> None:
        if schema is None:
            raise RecordingError(
                f'{self.path}: topic {channel.topic} comes without its message definition'
            )
        if channel.topic not in self.counts:
            self.counts[channel.topic] = 0
            self.channels.append(
                RecordedChannel(
                    channel.topic,
                    schema.name,
                    schema.data.decode(errors='replace'),
                    schema.encoding,
                    dict(channel.metadata),
                )
            )

    def _records(self, stream: IO[bytes], *, magic: bool = True) -> Iterator[Any]:
        """Yield the records; a cut-off file ends where it is cut off."""
        exact = cast(IO[bytes], _ExactStream(stream))
        reader = StreamReader(exact, skip_magic=not magic, validate_crcs=True)
        records = reader.records
        while True:
            try:
                record = next(records, None)
            except Exception as problem:  # mcap lets through what struct and its codecs raise
                if self.truncated:
                    return
                raise self._damaged(problem) from problem
            if record is None:
                return
            yield record

    def _damaged(self, problem: Exception) -> RecordingError:
        if isinstance(problem, (McapError, ValueError)) and str(problem):
            return RecordingError(f'{self.path} is damaged: {problem}')
        return RecordingError(f'{self.path} is damaged: {type(problem).__name__} {problem}')


def _counts(text: str) -> dict[str, int]:
    return {topic: int(count) for topic, count in json.loads(text).items()}


def _has_end(stream: IO[bytes]) -> bool:
    stream.seek(0, 2)
    size = stream.tell()
    if size < 2 * len(MAGIC):
        return False
    stream.seek(size - len(MAGIC))
    return stream.read(len(MAGIC)) == MAGIC
