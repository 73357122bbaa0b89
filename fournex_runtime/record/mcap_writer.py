"""
Writing one MCAP file of ROS 2 messages that can be read whenever the writer is killed.

rosbag2's own writer and that of ``rosbags`` keep up to a megabyte in memory. Here chunks are
small, :meth:`McapWriter.flush` closes the open chunk and hands it to the operating system, and a
file that ends without its summary is read from the front (``mcap_file.py``).

Beside messages a file has metadata records of ours. ``fournex_file``, directly behind the header,
has the ``number`` of the file in its recording; ``begins_with``, how many messages of each topic
(JSON) come first that were recorded before the file begins, so that it stands alone; ``dropped``,
how many of each topic (JSON) the recording had lost by then; the ``cause`` of a recording that
something set off; and ``cut_off``, in a file that was recovered, how many of its bytes could not
be used.
``fournex_dropped`` has by topic how many messages the recording has lost so far; the last holds.
Under ``middleware TOPIC`` it has how many of an input the middleware dropped before they were
taken, which no tick has seen.
"""

from __future__ import annotations

import collections
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import IO, cast

from mcap.writer import CompressionType, Writer

from .. import __version__
from . import metadata
from .bag_file import BagFile
from .channel import DescribedChannel
from .ring import RingRecord

FILE_METADATA = 'fournex_file'
DROPPED_METADATA = 'fournex_dropped'
MISSED = 'middleware '
"""Before a topic in ``fournex_dropped``: how many messages never came to the recording."""

_COMPRESSIONS = {
    'zstd': CompressionType.ZSTD,
    'lz4': CompressionType.LZ4,
    'none': CompressionType.NONE,
}
_FLUSH_BYTES = 1024 * 1024


class McapWriter:
    """
    One file of a bag, open from its construction until :meth:`finish`.

    :param path: the file; it must not exist.
    :param number: its number in the recording, from 0.
    :param channels: the topics; a message names its topic by its index here.
    :param compression: of the chunks: ``zstd``, ``lz4`` or ``none``.
    :param chunk_bytes: size of a chunk before it is compressed.
    :param head: what the file begins with.
    :param dropped: messages by topic that the recording had lost before, as far as known.
    :param cause: why the bag is made; empty where that goes without saying.
    :param name: of the file in the bag, if that is not to be its present one.
    :param cut_off: of a file that is written again because it was cut off: how many of its bytes
        could not be used.
    :raises OSError: it cannot be written; nothing is left of it.
    """

    def __init__(
        self,
        path: pathlib.Path,
        number: int,
        channels: Sequence[DescribedChannel],
        compression: str,
        chunk_bytes: int,
        head: Sequence[RingRecord] = (),
        cause: str = '',
        dropped: Mapping[str, int] | None = None,
        name: str = '',
        cut_off: int | None = None,
    ) -> None:
        self.path = path
        self._name = name or path.name
        self._channels = tuple(channels)
        self.counts = [0] * len(self._channels)
        """Messages of each channel that were written."""
        self.flushed = list(self.counts)
        """Messages of each channel that the operating system has."""
        self.start_ns: int | None = None
        self.end_ns: int | None = None
        self._compression = compression
        self._ids: list[int] = []
        self._file = BagFile(path)
        self._mcap = Writer(
            cast(IO[bytes], self._file),
            chunk_size=chunk_bytes,
            compression=_COMPRESSIONS[compression],
        )
        try:
            self._begin(number, head, cause, dropped or {}, cut_off)
        except OSError:
            self._file.close()
            path.unlink()
            raise

    @property
    def size(self) -> int:
        """Return the bytes of the file so far, without the open chunk."""
        return self._file.tell()

    @property
    def extent(self) -> metadata.Extent:
        """Return what of the file the operating system has."""
        start_ns, end_ns = (self.start_ns, self.end_ns) if sum(self.flushed) else (None, None)
        return metadata.Extent(self._name, tuple(self.flushed), start_ns, end_ns)

    def hurry(self, hurrying: bool) -> None:
        """
        Compress the next chunks with lz4 in the place of zstd, or no longer.

        Every chunk says how it is compressed, so a file can have both. lz4 takes a tenth of the
        time: what comes in has priority over how small it becomes. The writer of ``mcap`` knows
        one compression and has no way to change it; if it should once forget this attribute, all
        chunks are compressed as was asked for.
        """
        if self._compression == 'zstd':
            self._mcap._Writer__compression = (  # type: ignore[attr-defined]
                _COMPRESSIONS['lz4' if hurrying else 'zstd']
            )

    def write(self, record: RingRecord) -> None:
        """
        Add a message.

        :raises OSError: the disk refused a flush.
        """
        log_time_ns = record.log_time_ns
        self._mcap.add_message(
            channel_id=self._ids[record.channel],
            log_time=log_time_ns,
            data=cast(bytes, record.data),
            publish_time=record.publish_time_ns,
            sequence=record.sequence,
        )
        self.counts[record.channel] += 1
        if self.start_ns is None or self.end_ns is None:
            self.start_ns = self.end_ns = log_time_ns
        self.start_ns = min(self.start_ns, log_time_ns)
        self.end_ns = max(self.end_ns, log_time_ns)
        if self._file.waiting_bytes > _FLUSH_BYTES:
            self.flush()

    def write_dropped(self, dropped: Mapping[str, int]) -> None:
        """Note how many messages of a topic the recording has lost so far."""
        texts = {topic: str(count) for topic, count in dropped.items()}
        self._mcap.add_metadata(DROPPED_METADATA, texts)

    def flush(self) -> None:
        """
        Close the open chunk and hand everything to the operating system.

        :raises OSError: the disk refused it; the file ends with the flush before.
        """
        self._mcap.flush()  # type: ignore[no-untyped-call]
        self.flushed = list(self.counts)

    def finish(self) -> None:
        """
        Write the summary and close the file; falls back on the reserved space.

        :raises OSError: the disk refused it; what was flushed stays readable.
        """
        try:
            self._file.use_reserve()
            self.flush()
            text = metadata.to_yaml(metadata.bag_information(self._channels, [self.extent]))
            self._mcap.add_metadata('rosbag2', {'serialized_metadata': text})
            self._mcap.finish()  # type: ignore[no-untyped-call]
            self._file.flush()
            self._file.sync()
        finally:
            self._file.close()

    def _begin(
        self,
        number: int,
        head: Sequence[RingRecord],
        cause: str,
        dropped: Mapping[str, int],
        cut_off: int | None,
    ) -> None:
        self._mcap.start(profile='ros2', library=f'fournex_runtime {__version__}')
        again = collections.Counter(self._channels[one.channel].channel.topic for one in head)
        about = {'number': str(number), 'begins_with': json.dumps(again, sort_keys=True)}
        if dropped:
            about['dropped'] = json.dumps(dict(dropped), sort_keys=True)
        if cause:
            about['cause'] = cause
        if cut_off is not None:
            about['cut_off'] = str(cut_off)
        self._mcap.add_metadata(FILE_METADATA, about)
        schemas: dict[str, int] = {}
        for described in self._channels:
            channel = described.channel
            if channel.type not in schemas:
                schemas[channel.type] = self._mcap.register_schema(
                    channel.type, described.encoding, described.definition.encode()
                )
            qos = metadata.to_yaml([metadata.qos_plain(channel.qos)])
            self._ids.append(
                self._mcap.register_channel(
                    channel.topic,
                    'cdr',
                    schemas[channel.type],
                    {
                        'offered_qos_profiles': qos.strip(),
                        'topic_type_hash': described.type_hash,
                    },
                )
            )
        for one in head:
            self.write(one)
        self.flush()
