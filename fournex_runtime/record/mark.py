"""
What goes through the ring beside messages: marks, and triggers.

A mark is a place in the stream where a file may begin. It carries what the runtime alone knows and
a file has to begin with: a snapshot of each session, and input messages that were taken from the
middleware and not yet by every session. The recorder adds the newest message of each latched
channel. A mark is one record of the ring, so that it is there whole or not at all.

A trigger says that what was recorded around it is wanted; its payload says why.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from .ring import RingRecord

MARK = 0xFFFFFFFF
"""Instead of the index of a channel: the record is a mark."""
TRIGGER = 0xFFFFFFFE
"""Instead of the index of a channel: the record is a trigger."""

_HEADER = struct.Struct('<IIQQQ')


def encode_mark(messages: Iterable[RingRecord]) -> bytes:
    """Return the payload of a mark with these messages."""
    out = bytearray()
    for one in messages:
        out += _HEADER.pack(
            len(one.data), one.channel, one.log_time_ns, one.publish_time_ns, one.sequence
        )
        out += one.data
    return bytes(out)


def decode_mark(payload: memoryview) -> Iterator[RingRecord]:
    """Yield the messages of a mark, copied."""
    at = 0
    while at < len(payload):
        size, channel, log_time_ns, publish_time_ns, sequence = _HEADER.unpack_from(payload, at)
        at += _HEADER.size
        data = memoryview(bytes(payload[at : at + size]))
        at += size
        yield RingRecord(channel, sequence, log_time_ns, publish_time_ns, data)


class Latest:
    """
    Keeps the newest message of each latched channel, for the beginnings of files.

    :param latched: of each channel, whether it is.
    """

    def __init__(self, latched: Iterable[bool]) -> None:
        self._latched = list(latched)
        self._newest: dict[int, RingRecord] = {}

    def keep(self, record: RingRecord) -> None:
        """Copy a record if it is one that a later file has to begin with."""
        if self._latched[record.channel]:
            self._newest[record.channel] = record._replace(data=memoryview(bytes(record.data)))

    def head(self, marked: Sequence[RingRecord], log_time_ns: int) -> list[RingRecord]:
        """
        Return what a file begins with: by channel, each in the order of its numbers.

        :param marked: the messages of the mark.
        :param log_time_ns: of the mark; all of them get it, so that players do not wait for the
            time between an old message and the file.
        """
        found: list[RingRecord] = []
        for channel, newest in sorted(self._newest.items()):
            found += [one for one in marked if one.channel == channel]
            found.append(newest)
        found += [one for one in marked if one.channel not in self._newest]
        return [one._replace(log_time_ns=log_time_ns) for one in found]
