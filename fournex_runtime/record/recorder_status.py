"""
What the recorder process tells the runtime, in a page of shared memory.

The runtime reads a word here where a message would cost it a system call, and finds the last
counts here after the recorder was killed.
"""

from __future__ import annotations

import mmap
import os
import sys

_TEXT_BYTES = 1024
_TEXT_AT = 8
_COUNTS_AT = _TEXT_AT + _TEXT_BYTES


class RecorderStatus:
    """
    The recorder writes and the runtime reads, but for the last parts; every word has one writer.

    Byte 0 is 1 when the recorder has given up writing, byte 1 when the bag is closed as it should
    be, byte 2 changes when the recorder asks for a mark; bytes 8 to 1031 say why the recorder gave
    up, in UTF-8 ended by zero; then comes a uint64 for each channel: its messages in the file. The
    last two parts are a uint64 for each channel, too: its messages that the ring had no room for,
    and those that the middleware dropped before; the runtime writes these and the recorder notes
    them in the bag.

    :param memory: a memfd of :meth:`size` bytes; not closed here.
    :param channels: number of channels.
    """

    def __init__(self, memory: int, channels: int) -> None:
        self._map = mmap.mmap(memory, self.size(channels), flags=mmap.MAP_SHARED)
        self._bytes = memoryview(self._map)
        end, last = _COUNTS_AT + 8 * channels, _COUNTS_AT + 16 * channels
        self._signals = self._bytes[:4].cast('I')
        self._counts = self._bytes[_COUNTS_AT:end].cast('Q')
        self._refused = self._bytes[end:last].cast('Q')
        self._missed = self._bytes[last:].cast('Q')

    @staticmethod
    def size(channels: int) -> int:
        """Return the bytes of memory needed for so many channels."""
        return _COUNTS_AT + 24 * channels

    @classmethod
    def create(cls, channels: int) -> tuple[int, RecorderStatus]:
        """Return a new memfd, which the caller closes, and the status in it."""
        memory = os.memfd_create('fournex-recorder-status', os.MFD_CLOEXEC)
        try:
            os.posix_fallocate(memory, 0, cls.size(channels))
            return memory, cls(memory, channels)
        except OSError:
            os.close(memory)
            raise

    @property
    def signals(self) -> memoryview:
        """Return one item, a number that changes when there is something to be heard."""
        return self._signals

    @property
    def failed(self) -> bool:
        """Return whether the recorder has given up writing."""
        return self._bytes[0] != 0

    @property
    def problem(self) -> str | None:
        """Return why the recorder has given up, or None."""
        if not self.failed:
            return None
        text = bytes(self._bytes[_TEXT_AT:_COUNTS_AT]).split(b'\0', 1)[0]
        return text.decode('utf-8', errors='replace')

    def fail(self, problem: str) -> None:
        """
        Say that nothing more will be written; only the first reason is kept.

        :param problem: why.
        """
        if self.failed:
            return
        text = problem.encode()[: _TEXT_BYTES - 1]
        self._bytes[_TEXT_AT : _TEXT_AT + len(text)] = text
        self._bytes[0] = 1

    @property
    def closed(self) -> bool:
        """Return whether the bag has its summary and ``metadata.yaml``."""
        return self._bytes[1] != 0

    def set_closed(self) -> None:
        """Say that the bag has its summary and ``metadata.yaml``."""
        self._bytes[1] = 1

    @property
    def asked(self) -> int:
        """Return a number that changes when the recorder asks for a mark."""
        return self._bytes[2]

    @staticmethod
    def calm(answered: int) -> int:
        """Return what :attr:`signals` say while all is well and nothing more was asked."""
        return int.from_bytes(bytes((0, 0, answered, 0)), sys.byteorder)

    def ask(self) -> None:
        """Ask for a mark."""
        self._bytes[2] = (self._bytes[2] + 1) % 256

    def set_written(self, counts: list[int]) -> None:
        """Store how many messages of each channel are in the file."""
        for index, count in enumerate(counts):
            self._counts[index] = count

    @property
    def written(self) -> list[int]:
        """Return how many messages of each channel are in the file."""
        return self._counts.tolist()

    def set_refused(self, channel: int, count: int) -> None:
        """Store how many messages of a channel the ring had no room for."""
        self._refused[channel] = count

    @property
    def refused(self) -> list[int]:
        """Return how many messages of each channel the ring had no room for."""
        return self._refused.tolist()

    def set_missed(self, channel: int, count: int) -> None:
        """Store how many messages of a channel the middleware dropped before they were taken."""
        self._missed[channel] = count

    @property
    def missed(self) -> list[int]:
        """Return how many messages of each channel the middleware dropped."""
        return self._missed.tolist()

    def close(self) -> None:
        """Unmap the memory."""
        self._signals.release()
        self._counts.release()
        self._refused.release()
        self._missed.release()
        self._bytes.release()
        self._map.close()
