"""
A recording of the last seconds: kept in memory, and written when something happens.

The past is kept in spans, each of which begins with a mark, so that what is written begins with
one, too. A trigger makes a bag of the past and of what comes in the seconds after it; a trigger
meanwhile makes these seconds begin again. Each bag stands alone: two of them can overlap.
Where they are to take no more than so much of the disk, the oldest goes first.
"""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import shutil
import time
from collections.abc import Mapping, Sequence

from ..session.wiring_record import RecordWiring
from .bag_writer import BagWriter, make_folder
from .channel import DescribedChannel
from .mark import Latest
from .ring import RingRecord

_SPANS = 8
"""In so many parts the past is cut."""
_LEAST_SPAN_NS = 500_000_000
_STEP_BYTES = 8 * 2**20
"""How much of the past is written before the ring is looked after again."""


@dataclasses.dataclass
class _Span:
    """
    What came from one mark to the next.

    :param begun_ns: when, steady clock.
    :param head: what a file that begins here begins with.
    :param records: what came.
    :param size: bytes of all of it.
    :param dropped: messages by topic that were known to be lost when it began.
    """

    begun_ns: int
    head: list[RingRecord]
    records: list[RingRecord]
    size: int
    dropped: Mapping[str, int]


class LastSeconds:
    """
    Keeps the last seconds of what comes, and writes them when it is told to.

    :param folder: where the bags are made, ``dump-01`` and so on; it must not exist.
    :param channels: the topics.
    :param options: how much is kept, for how long, and how it is packed.
    """

    def __init__(
        self, folder: pathlib.Path, channels: Sequence[DescribedChannel], options: RecordWiring
    ) -> None:
        self._folder = folder
        self._channels = tuple(channels)
        self._options = options
        self._latched = [one.channel.latched for one in channels]
        self._latest = Latest(self._latched)
        self._spans: collections.deque[_Span] = collections.deque()
        self._dump: BagWriter | None = None
        self._dumps = 0
        self._finished: collections.deque[tuple[pathlib.Path, int]] = collections.deque()
        self._waiting: collections.deque[RingRecord] = collections.deque()
        self._waiting_bytes = 0
        self._until_ns = 0
        self._cause = ''
        self._dropped: Mapping[str, int] = {}
        self.written = [0] * len(self._latched)
        """Messages of each channel that were kept, for as long as they had to be."""

    @property
    def place(self) -> str:
        """Return where it is being written."""
        return str(self._folder if self._dump is None else self._dump.path)

    @property
    def busy(self) -> bool:
        """Return whether there is something to do, even when nothing comes."""
        return self._dump is not None

    @property
    def wants_mark(self) -> bool:
        """Return whether the next mark is to begin a span."""
        if not self._spans:
            return True
        newest = self._spans[-1]
        span_ns = max(_LEAST_SPAN_NS, self._options.keep_ns // _SPANS)
        return (
            newest.size >= self._options.memory_bytes // _SPANS
            or time.monotonic_ns() - newest.begun_ns >= span_ns
        )

    def open(self) -> None:
        """
        Make the folder of the bags.

        :raises RecordingError: it exists or cannot be made.
        """
        make_folder(self._folder)

    def hurry(self, hurrying: bool) -> None:
        """Say whether more comes in than can be compressed well."""
        if self._dump is not None:
            self._dump.hurry(hurrying or self._waiting_bytes > self._options.memory_bytes // 2)

    def take(self, record: RingRecord) -> None:
        """
        Keep a message.

        :raises OSError: it had to be written, and the disk refused it.
        """
        kept = record._replace(data=memoryview(bytes(record.data)))
        self.written[record.channel] += 1
        self._latest.keep(kept)
        self._add(kept)

    def mark(self, marked: Sequence[RingRecord], log_time_ns: int) -> None:
        """
        Begin a span; forget what is older than it has to be.

        :param marked: the messages of the mark.
        :param log_time_ns: of the mark.
        :raises OSError: it had to be written, and the disk refused it.
        """
        for one in marked:
            if not self._latched[one.channel]:  # else it has been kept already
                self._add(one)
        head = self._latest.head(marked, log_time_ns)
        now_ns = time.monotonic_ns()
        self._spans.append(_Span(now_ns, head, [], sum(map(_size, head)), self._dropped))
        while len(self._spans) > 1 and self._spans[1].begun_ns <= now_ns - self._options.keep_ns:
            self._spans.popleft()
        if self._cause:
            self._begin()

    def trigger(self, cause: str) -> None:
        """
        Write what is kept, and what comes for a while.

        :param cause: why.
        :raises RecordingError: the bag cannot be made.
        """
        self._until_ns = time.monotonic_ns() + self._options.after_ns
        if self._dump is not None:
            return
        self._cause = cause
        if self._spans:  # else it begins with the next mark
            self._begin()

    def flush(self, dropped: Mapping[str, int]) -> None:
        """
        Go on writing what is to be written; end it when the time is over.

        :param dropped: messages by topic that the recording has lost so far.
        :raises OSError: the disk refused it.
        :raises RecordingError: the bag cannot be finished.
        """
        self._dropped = dropped
        if self._dump is None:
            return
        self._write(_STEP_BYTES)
        self._dump.write_dropped(dropped)
        self._dump.flush()
        if not self._waiting and time.monotonic_ns() >= self._until_ns:
            self._finish()

    def close(self) -> None:
        """
        Finish the bag that is being written; leave nothing where there was none.

        :raises RecordingError: part of it could not be written.
        """
        if self._dump is not None:
            try:
                self._write(self._waiting_bytes)
                self._dump.write_dropped(self._dropped)
            except OSError:
                pass  # finishing it says so
            self._finish()
        if not self._dumps:
            self._folder.rmdir()

    def _begin(self) -> None:
        cause, self._cause = self._cause, ''
        self._dumps += 1
        self._dump = BagWriter(
            self._folder / f'dump-{self._dumps:02d}', self._channels, self._options
        )
        self._dump.open(self._spans[0].head, cause, self._spans[0].dropped)
        for span in self._spans:
            self._waiting.extend(span.records)
        self._waiting_bytes = sum(map(_size, self._waiting))

    def _add(self, record: RingRecord) -> None:
        if self._spans:
            self._spans[-1].records.append(record)
            self._spans[-1].size += _size(record)
            self._forget()
        if self._dump is not None:
            self._waiting.append(record)
            self._waiting_bytes += _size(record)
            if self._waiting_bytes > self._options.memory_bytes:
                # What comes has to wait: then the ring fills, and what it refuses is counted.
                self._write(_STEP_BYTES)

    def _forget(self) -> None:
        """Keep within the memory; where a single span is too large there is nothing to keep."""
        size = sum(span.size for span in self._spans)
        while self._spans and size > self._options.memory_bytes:
            size -= self._spans.popleft().size

    def _write(self, size: int) -> None:
        """Write at least so much of what waits, or all of it."""
        assert self._dump is not None
        while self._waiting and size > 0:
            record = self._waiting.popleft()
            self._waiting_bytes -= _size(record)
            size -= _size(record)
            self._dump.write(record)

    def _finish(self) -> None:
        dump, self._dump = self._dump, None
        self._waiting.clear()
        self._waiting_bytes = 0
        assert dump is not None
        folder = dump.path.parent
        try:
            dump.close()
        finally:
            self._finished.append((folder, sum(one.stat().st_size for one in folder.glob('*'))))
            self._keep_within_bounds()

    def _keep_within_bounds(self) -> None:
        """Delete the oldest bags while all of them are too large; never the newest."""
        size = sum(one for _, one in self._finished)
        while len(self._finished) > 1 and size > self._options.keep_bytes:
            oldest, its_size = self._finished.popleft()
            shutil.rmtree(oldest, ignore_errors=True)
            size -= its_size


def _size(record: RingRecord) -> int:
    """Return about how much memory a record takes."""
    return len(record.data) + 256
