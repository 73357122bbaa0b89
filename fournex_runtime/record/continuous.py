"""A recording of everything: file after file, each of which stands alone."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

from ..configuration import FOREVER_NS
from ..session.wiring_record import NO_LIMIT, RecordWiring
from .bag_writer import BagWriter
from .channel import DescribedChannel
from .mark import Latest
from .ring import RingRecord


class Continuous:
    """
    Writes what comes to one bag.

    :param folder: the bag; it must not exist.
    :param channels: the topics.
    :param options: how it is cut, packed and kept within bounds.
    """

    def __init__(
        self, folder: pathlib.Path, channels: Sequence[DescribedChannel], options: RecordWiring
    ) -> None:
        self._writer = BagWriter(folder, channels, options)
        self._latched = [one.channel.latched for one in channels]
        splits = options.split_bytes != NO_LIMIT or options.split_ns != FOREVER_NS
        self._latest = Latest(self._latched) if splits else None
        self.written = [0] * len(self._latched)
        """Messages of each channel that the operating system has."""

    @property
    def place(self) -> str:
        """Return where it is being written."""
        return str(self._writer.path)

    @property
    def busy(self) -> bool:
        """Return whether there is something to do, even when nothing comes."""
        return False

    @property
    def wants_mark(self) -> bool:
        """Return whether the next mark is to begin a file."""
        return self._writer.full

    def open(self) -> None:
        """
        Make the bag.

        :raises RecordingError: it cannot be had; nothing is left.
        """
        self._writer.open()

    def hurry(self, hurrying: bool) -> None:
        """Say whether more comes in than can be compressed well."""
        self._writer.hurry(hurrying)

    def take(self, record: RingRecord) -> None:
        """
        Write a message.

        :raises OSError: the disk refused it.
        """
        if self._latest is not None:
            self._latest.keep(record)
        self._writer.write(record)

    def mark(self, marked: Sequence[RingRecord], log_time_ns: int) -> None:
        """
        Begin the next file, if it is time for it.

        :param marked: the messages of the mark.
        :param log_time_ns: of the mark.
        :raises OSError: the disk refused it.
        """
        if self._latest is not None and self._writer.full:
            self._writer.split(self._latest.head(marked, log_time_ns))
            return
        for one in marked:
            if not self._latched[one.channel]:  # else it is in the file already
                self._writer.write_uncounted(one)

    def trigger(self, cause: str) -> None:
        """Do nothing: everything is written in any case."""

    def flush(self, dropped: Mapping[str, int]) -> None:
        """
        Hand everything to the operating system.

        :param dropped: messages by topic that the recording has lost so far.
        :raises OSError: the disk refused it.
        """
        self._writer.write_dropped(dropped)
        self._writer.flush()
        self.written = self._writer.written

    def close(self) -> None:
        """
        Finish the bag.

        :raises RecordingError: part of it could not be written.
        """
        try:
            self._writer.close()
        finally:
            self.written = self._writer.written
