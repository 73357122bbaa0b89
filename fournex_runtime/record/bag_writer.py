"""
Writing a rosbag2 bag (MCAP storage): one file after the other, the oldest deleted first.
"""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping, Sequence

from ..errors import RecordingError
from ..session.wiring_record import COMPRESSIONS, EVERYTHING, RecordWiring
from . import metadata
from .channel import DescribedChannel
from .mcap_writer import McapWriter
from .ring import RingRecord


class BagWriter:
    """
    One bag: a folder with MCAP files, and ``metadata.yaml`` once it is closed.

    :param folder: the bag; it must not exist.
    :param channels: the topics; a message names its topic by its index here.
    :param options: how it is cut, packed and kept within bounds.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        channels: Sequence[DescribedChannel],
        options: RecordWiring = EVERYTHING,
    ) -> None:
        self._folder = folder
        self._channels = tuple(channels)
        self._options = options
        self._file: McapWriter | None = None
        self._cause = ''
        self._number = 0
        self._begun_ns = 0
        self._finished: list[metadata.Extent] = []
        self._sizes: dict[str, int] = {}
        self._written = [0] * len(self._channels)
        self._again = [0] * len(self._channels)
        self._dropped: dict[str, int] = {}

    @property
    def path(self) -> pathlib.Path:
        """Return the MCAP file in use, or the next one."""
        return self._folder / f'{self._folder.name}_{self._number}.mcap'

    @property
    def written(self) -> list[int]:
        """
        Return how many messages of each channel the operating system was given.

        What was written again at the beginning of a later file counts once, a snapshot never; what
        was deleted to make room counts all the same.
        """
        if self._file is None:
            return list(self._written)
        return [
            before + max(0, flushed - again)  # those may not be flushed yet
            for before, flushed, again in zip(self._written, self._file.flushed, self._again)
        ]

    @property
    def full(self) -> bool:
        """Return whether the file in use is to be followed by another one."""
        return self._file is not None and (
            self._file.size >= self._options.split_bytes
            or time.monotonic_ns() - self._begun_ns >= self._options.split_ns
        )

    def open(
        self,
        head: Sequence[RingRecord] = (),
        cause: str = '',
        dropped: Mapping[str, int] | None = None,
    ) -> None:
        """
        Make the folder and the first file, and declare the channels.

        :param head: what the file begins with.
        :param cause: why the bag is made; empty where that goes without saying.
        :param dropped: messages by topic that the recording had lost before it.
        :raises RecordingError: the folder exists or cannot be made or written; nothing is left.
        """
        if self._options.compression not in COMPRESSIONS:
            raise RecordingError(
                f'compression {self._options.compression!r}: expected one of '
                f'{", ".join(COMPRESSIONS)}'
            )
        make_folder(self._folder)
        self._cause, self._dropped = cause, dict(dropped or {})
        try:
            self._begin(head, again=False)
        except OSError as problem:
            self._folder.rmdir()
            raise RecordingError(f'{self.path} cannot be written: {problem.strerror}') from problem

    def hurry(self, hurrying: bool) -> None:
        """Say whether more comes in than can be compressed well; see :class:`McapWriter`."""
        if self._file is not None:
            self._file.hurry(hurrying)

    def write(self, record: RingRecord) -> None:
        """
        Add a message.

        :raises OSError: the disk refused a flush.
        """
        self._opened().write(record)

    def write_uncounted(self, record: RingRecord) -> None:
        """
        Add a message that the runtime made for the recording alone, and so did not count.

        :raises OSError: the disk refused a flush.
        """
        self._opened().write(record)
        self._again[record.channel] += 1

    def write_dropped(self, dropped: Mapping[str, int]) -> None:
        """Note how many messages of a topic the recording has lost so far, if that is news."""
        if dropped != self._dropped:
            self._dropped = dict(dropped)
            self._opened().write_dropped(dropped)

    def flush(self) -> None:
        """
        Close the open chunk and hand everything to the operating system; delete what is too much.

        :raises OSError: the disk refused it; the file ends with the flush before.
        """
        self._opened().flush()
        self._keep_within_bounds()

    def split(self, head: Sequence[RingRecord]) -> None:
        """
        Finish the file in use and go on with another one.

        :param head: what it begins with, all of which is in the file before it, too.
        :raises OSError: the disk refused it; the bag can still be closed.
        """
        self._finish_file(self._opened())
        self._number += 1
        self._begin(head, again=True)
        self._keep_within_bounds()

    def close(self) -> None:
        """
        Finish the bag: flush, summary and ``metadata.yaml``; falls back on the reserved space.

        :raises RecordingError: part of it could not be written; what was flushed stays readable.
        """
        file, problems = self._file, []
        if file is not None:
            try:
                self._finish_file(file)
            except OSError as problem:
                problems.append(f'{file.path} is cut off: {problem.strerror}')
        try:
            metadata.write(self._folder, metadata.bag_information(self._channels, self._finished))
        except OSError as problem:
            problems.append(
                f'{self._folder / metadata.FILE_NAME} is not written: {problem.strerror}'
            )
        if problems:
            raise RecordingError('; '.join(problems))

    def _begin(self, head: Sequence[RingRecord], *, again: bool) -> None:
        self._file = McapWriter(
            self.path,
            self._number,
            self._channels,
            self._options.compression,
            self._options.chunk_bytes,
            head,
            self._cause,
            self._dropped,
        )
        self._begun_ns = time.monotonic_ns()
        self._again = list(self._file.counts) if again else [0] * len(self._channels)

    def _finish_file(self, file: McapWriter) -> None:
        """Close a file, whether or not it can be given its end, and list it."""
        try:
            file.finish()
        finally:
            self._written = self.written
            self._file = None
            self._finished.append(file.extent)
            self._sizes[file.path.name] = file.size

    def _keep_within_bounds(self) -> None:
        """Delete the oldest files while the bag is too large; never the one in use."""
        size = sum(self._sizes.values()) + (0 if self._file is None else self._file.size)
        while self._finished and size > self._options.keep_bytes:
            oldest = self._finished.pop(0)
            (self._folder / oldest.name).unlink(missing_ok=True)
            size -= self._sizes.pop(oldest.name)

    def _opened(self) -> McapWriter:
        if self._file is None:
            raise RecordingError(f'{self._folder} is not open for writing')
        return self._file


def make_folder(folder: pathlib.Path) -> None:
    """
    Make the folder of a recording.

    :raises RecordingError: it exists or cannot be made.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError as problem:
        raise RecordingError(
            f'{folder} exists: a recording is never written over another. '
            'Choose another folder or remove it'
        ) from problem
    except OSError as problem:
        raise RecordingError(f'{folder} cannot be made: {problem.strerror}') from problem
