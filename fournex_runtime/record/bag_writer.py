"""
Writing a rosbag2 bag (MCAP storage) that can be read whenever the writer is killed.

rosbag2's own writer and that of ``rosbags`` keep up to a megabyte in memory. Here chunks are
small, :meth:`BagWriter.flush` closes the open chunk and hands it to the operating system, and a
file that ends without its summary is read from the front (``bag_reader.py``).
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import IO, cast

from mcap.writer import CompressionType, Writer

from .. import __version__
from ..errors import RecordingError
from . import metadata
from .bag_file import BagFile
from .channel import DescribedChannel

CHUNK_BYTES = 64 * 1024
_FLUSH_BYTES = 1024 * 1024

COMPRESSIONS = {
    'zstd': CompressionType.ZSTD,
    'lz4': CompressionType.LZ4,
    'none': CompressionType.NONE,
}


class BagWriter:
    """
    One bag: a folder with one MCAP file, and ``metadata.yaml`` once it is closed.

    :param folder: the bag; it must not exist.
    :param channels: the topics; a message names its topic by its index here.
    :param compression: of the chunks: ``zstd``, ``lz4`` or ``none``.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        channels: Sequence[DescribedChannel],
        compression: str = 'zstd',
    ) -> None:
        self._folder = folder
        self._channels = tuple(channels)
        self._compression = compression
        self._path = folder / f'{folder.name}_0.mcap'
        self._counts = [0] * len(self._channels)
        self._written = [0] * len(self._channels)
        self._start_ns: int | None = None
        self._end_ns: int | None = None
        self._ids: list[int] = []
        self._file: BagFile | None = None
        self._mcap: Writer | None = None

    @property
    def path(self) -> pathlib.Path:
        """Return the MCAP file."""
        return self._path

    @property
    def written(self) -> list[int]:
        """Return how many messages of each channel the operating system has."""
        return list(self._written)

    def open(self) -> None:
        """
        Make the folder and the file, and declare the channels.

        :raises RecordingError: the folder exists or cannot be made or written; nothing is left.
        """
        if self._compression not in COMPRESSIONS:
            raise RecordingError(
                f'compression {self._compression!r}: expected one of {", ".join(COMPRESSIONS)}'
            )
        try:
            self._folder.mkdir(parents=True)
        except FileExistsError as problem:
            raise RecordingError(
                f'{self._folder} exists: a recording is never written over another. '
                'Choose another folder or remove it'
            ) from problem
        except OSError as problem:
            raise RecordingError(f'{self._folder} cannot be made: {problem.strerror}') from problem
        try:
            self._file = BagFile(self._path)
            self._begin(self._file)
        except OSError as problem:
            self._path.unlink(missing_ok=True)
            self._folder.rmdir()
            raise RecordingError(
                f'{self._path} cannot be written: {problem.strerror}'
            ) from problem

    def write(
        self,
        channel: int,
        data: bytes | memoryview,
        *,
        log_time_ns: int,
        publish_time_ns: int,
        sequence: int,
    ) -> None:
        """
        Add a message.

        :param channel: index of its channel.
        :param data: its CDR bytes.
        :param log_time_ns: when it was received, nanoseconds since the Unix epoch.
        :param publish_time_ns: when it was published, nanoseconds since the Unix epoch.
        :param sequence: its number, 32 bits.
        :raises OSError: the disk refused a flush.
        """
        file, mcap = self._opened()
        mcap.add_message(
            channel_id=self._ids[channel],
            log_time=log_time_ns,
            data=cast(bytes, data),
            publish_time=publish_time_ns,
            sequence=sequence,
        )
        self._counts[channel] += 1
        if self._start_ns is None or self._end_ns is None:
            self._start_ns = self._end_ns = log_time_ns
        self._start_ns = min(self._start_ns, log_time_ns)
        self._end_ns = max(self._end_ns, log_time_ns)
        if file.waiting_bytes > _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """
        Close the open chunk and hand everything to the operating system.

        :raises OSError: the disk refused it; the file ends with the flush before.
        """
        _, mcap = self._opened()
        mcap.flush()  # type: ignore[no-untyped-call]
        self._written = list(self._counts)

    def close(self) -> None:
        """
        Finish the bag: flush, summary and ``metadata.yaml``; falls back on the reserved space.

        :raises RecordingError: part of it could not be written; what was flushed stays readable.
        """
        file, mcap = self._opened()
        self._file = self._mcap = None
        problems: list[str] = []
        information = self._information(self._counts)
        try:
            file.use_reserve()
            mcap.flush()  # type: ignore[no-untyped-call]
            self._written = list(self._counts)
            mcap.add_metadata('rosbag2', {'serialized_metadata': metadata.to_yaml(information)})
            mcap.finish()  # type: ignore[no-untyped-call]
            file.flush()
            file.sync()
        except OSError as problem:
            problems.append(f'{self._path} is cut off: {problem.strerror}')
        finally:
            file.close()
        try:
            metadata.write(self._folder, self._information(self._written))
        except OSError as problem:
            problems.append(
                f'{self._folder / metadata.FILE_NAME} is not written: {problem.strerror}'
            )
        if problems:
            raise RecordingError('; '.join(problems))

    def _begin(self, file: BagFile) -> None:
        mcap = Writer(
            cast(IO[bytes], file),
            chunk_size=CHUNK_BYTES,
            compression=COMPRESSIONS[self._compression],
        )
        mcap.start(profile='ros2', library=f'fournex_runtime {__version__}')
        schemas: dict[str, int] = {}
        for described in self._channels:
            channel = described.channel
            if channel.type not in schemas:
                schemas[channel.type] = mcap.register_schema(
                    channel.type, 'ros2msg', described.definition.encode()
                )
            qos = metadata.to_yaml([metadata.qos_plain(channel.qos)])
            self._ids.append(
                mcap.register_channel(
                    channel.topic,
                    'cdr',
                    schemas[channel.type],
                    {
                        'offered_qos_profiles': qos.strip(),
                        'topic_type_hash': described.type_hash,
                    },
                )
            )
        mcap.flush()  # type: ignore[no-untyped-call]
        self._mcap = mcap

    def _information(self, counts: Sequence[int]) -> dict[str, object]:
        extent = metadata.BagExtent(counts, self._start_ns, self._end_ns)
        if not sum(counts):
            extent = metadata.BagExtent(counts, None, None)
        return metadata.bag_information(self._channels, extent, self._path.name)

    def _opened(self) -> tuple[BagFile, Writer]:
        if self._file is None or self._mcap is None:
            raise RecordingError(f'{self._folder} is not open for writing')
        return self._file, self._mcap
