"""
The shared-memory ring between the control loop and the recorder process.

One producer, one consumer, no lock, nothing that blocks. The memory is a sealed memfd, so that
neither side can shrink it under the other; records lie in it back to back, never split across its
end. Who may touch which bytes is told by two eventfds that count bytes: ``committed`` says how
many the producer has published and ``released`` how many the consumer is through with. A count in
the kernel orders memory on every architecture, and it outlives a SIGKILL of the side that wrote
it: what was committed can be read when the producer is gone.

A record is a header of 32 bytes (payload length, channel, sequence, unused; uint32 each; log time
and publish time; uint64 each) and its payload, padded to a multiple of 8. A length of 0xFFFFFFFF
says that the next record is at the beginning of the ring.
"""

from __future__ import annotations

import dataclasses
import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import RecordingError

_HEADER = struct.Struct('<IIIIQQ')
_LENGTH = struct.Struct('<I')
_pack_header = _HEADER.pack_into
_HEADER_BYTES = _HEADER.size
_WRAP = 0xFFFFFFFF
_ALIGNMENT = 8
_LEAST_RECORD = _HEADER_BYTES + _ALIGNMENT - 1
_NEVER = 2**62
"""More bytes than a consumer can ever release."""

MINIMUM_BYTES = 64 * 1024
BULKY_BYTES = 64 * 1024
"""A message of more than that leaves an eighth of the ring to smaller ones: tick records count."""


@dataclasses.dataclass(frozen=True)
class RingHandles:
    """
    The file descriptors that make up a ring; passed to the other process as they are.

    :param memory: the sealed memfd.
    :param committed: eventfd, bytes that the producer published.
    :param released: eventfd, bytes that the consumer is through with.
    :param capacity: size of the memory in bytes.
    """

    memory: int
    committed: int
    released: int
    capacity: int

    @classmethod
    def create(cls, capacity: int) -> RingHandles:
        """
        Create an empty ring with all its memory allocated.

        :param capacity: bytes, at least ``MINIMUM_BYTES``; rounded up to whole pages.
        :raises RecordingError: the capacity is too small.
        :raises OSError: the memory is not there.
        """
        if capacity < MINIMUM_BYTES:
            raise RecordingError(
                f'a ring of {capacity} bytes is too small: it needs {MINIMUM_BYTES} or more'
            )
        capacity = -(-capacity // mmap.PAGESIZE) * mmap.PAGESIZE
        opened: list[int] = []
        try:
            memory = os.memfd_create('fournex-ring', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            opened.append(memory)
            os.posix_fallocate(memory, 0, capacity)
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
            for _ in range(2):
                opened.append(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
        except OSError:
            for descriptor in opened:
                os.close(descriptor)
            raise
        return cls(memory, opened[1], opened[2], capacity)

    @property
    def descriptors(self) -> tuple[int, int, int]:
        """Return the three file descriptors."""
        return self.memory, self.committed, self.released

    def close(self) -> None:
        """Close the file descriptors of this process."""
        for descriptor in self.descriptors:
            os.close(descriptor)


class RingWriter:
    """
    The producer's side.

    :param handles: the ring; the writer does not close them.
    """

    def __init__(self, handles: RingHandles) -> None:
        self._committed = handles.committed
        self._released = handles.released
        self._capacity = handles.capacity
        # Populated now, so that the control loop takes no page fault later.
        self._memory = mmap.mmap(
            handles.memory, handles.capacity, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE
        )
        self._position = 0
        self._reserve = handles.capacity // 8
        self._free = handles.capacity
        self._pending = 0

    @property
    def largest(self) -> int:
        """Return the size in bytes of the largest payload that an empty ring always takes."""
        return self._capacity // 2 - self._reserve - _HEADER.size

    def write(
        self,
        channel: int,
        data: bytes | memoryview,
        log_time_ns: int,
        publish_time_ns: int,
        sequence: int,
    ) -> bool:
        """
        Copy one record into the ring; it becomes visible with the next :meth:`commit`.

        :param channel: index of the channel.
        :param data: the payload; a memoryview has one byte an item.
        :param log_time_ns: nanoseconds since the Unix epoch.
        :param publish_time_ns: nanoseconds since the Unix epoch.
        :param sequence: number of the message; its low 32 bits are kept.
        :return: False, and nothing is written, when there is no room for it.
        """
        # Written for speed: this is what recording costs the control loop.
        size = len(data)
        need = (size + _LEAST_RECORD) & -_ALIGNMENT
        position = self._position
        end = position + need
        if end > self._capacity or need > self._free or size > BULKY_BYTES:
            if not self._make_room(need):
                return False
            position = self._position
            end = position + need
        memory = self._memory
        _pack_header(
            memory,
            position,
            size,
            channel,
            sequence & 0xFFFFFFFF,
            0,
            log_time_ns,
            publish_time_ns,
        )
        start = position + _HEADER_BYTES
        memory[start : start + size] = data
        self._position = end
        self._free -= need
        self._pending += need
        return True

    def shut(self) -> None:
        """Take nothing more: every later :meth:`write` is refused."""
        self._free = -_NEVER

    def commit(self) -> None:
        """Make every record written since the last commit visible to the consumer."""
        if self._pending:
            os.eventfd_write(self._committed, self._pending)
            self._pending = 0

    def close(self) -> None:
        """Unmap the memory."""
        self._memory.close()

    def _make_room(self, need: int) -> bool:
        """Go on at the beginning where the end is too near; return whether there is room then."""
        if self._free < 0:  # shut
            return False
        left = self._capacity - self._position
        skipped = left if need > left else 0
        total = need + skipped
        least = total + self._reserve if need > BULKY_BYTES else total
        if least > self._free and not self._reclaim(least):
            return False
        if need > left:
            if skipped:
                _LENGTH.pack_into(self._memory, self._position, _WRAP)
            self._free -= skipped
            self._pending += skipped
            self._position = 0
        return True

    def _reclaim(self, needed: int) -> bool:
        try:
            self._free += os.eventfd_read(self._released)
        except BlockingIOError:
            return False
        return needed <= self._free


class RingRecord(NamedTuple):
    """
    One record as the consumer sees it.

    :param channel: index of the channel.
    :param sequence: number of the message, 32 bits.
    :param log_time_ns: nanoseconds since the Unix epoch.
    :param publish_time_ns: nanoseconds since the Unix epoch.
    :param data: the payload where it lies; valid until the next record is asked for.
    """

    channel: int
    sequence: int
    log_time_ns: int
    publish_time_ns: int
    data: memoryview


class RingReader:
    """
    The consumer's side.

    :param handles: the ring; the reader does not close them.
    """

    def __init__(self, handles: RingHandles) -> None:
        self._committed = handles.committed
        self._released = handles.released
        self._capacity = handles.capacity
        self._memory = mmap.mmap(handles.memory, handles.capacity, access=mmap.ACCESS_READ)
        self._view = memoryview(self._memory)
        self._position = 0
        self._available = 0
        self._consumed = 0

    def poll(self) -> int:
        """Ask the kernel what was committed; return the bytes that can be read."""
        try:
            self._available += os.eventfd_read(self._committed)
        except BlockingIOError:
            pass
        return self._available

    def records(self, limit: int) -> Iterator[RingRecord]:
        """
        Yield committed records, oldest first.

        :param limit: begin no further record after so many bytes.
        :raises RecordingError: the ring holds something that is not a record.
        """
        taken = 0
        while self._available and taken < limit:
            size, channel, sequence, log_time_ns, publish_time_ns = self._header()
            if size == _WRAP:
                skipped = self._capacity - self._position
                self._position = 0
                self._take(skipped)
                continue
            need = (_HEADER.size + size + _ALIGNMENT - 1) & -_ALIGNMENT
            if need > self._available or self._position + need > self._capacity:
                raise RecordingError(
                    f'the ring is damaged at byte {self._position}: a record of {need} bytes '
                    f'where {self._available} were committed'
                )
            start = self._position + _HEADER.size
            with self._view[start : start + size] as data:
                yield RingRecord(channel, sequence, log_time_ns, publish_time_ns, data)
            self._position = (self._position + need) % self._capacity
            self._take(need)
            taken += need

    def release(self) -> None:
        """Give the bytes of all records that were read back to the producer."""
        if self._consumed:
            os.eventfd_write(self._released, self._consumed)
            self._consumed = 0

    def close(self) -> None:
        """Unmap the memory."""
        self._view.release()
        self._memory.close()

    def _header(self) -> tuple[int, int, int, int, int]:
        if _LENGTH.unpack_from(self._view, self._position)[0] == _WRAP:
            return _WRAP, 0, 0, 0, 0
        size, channel, sequence, _, log_time_ns, publish_time_ns = _HEADER.unpack_from(
            self._view, self._position
        )
        return size, channel, sequence, log_time_ns, publish_time_ns

    def _take(self, count: int) -> None:
        self._available -= count
        self._consumed += count
