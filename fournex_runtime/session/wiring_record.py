"""What a wiring says about recordings: how they are cut, packed and kept within bounds."""

from __future__ import annotations

import dataclasses
import re

from ..configuration import FOREVER_NS, Section

COMPRESSIONS = ('zstd', 'lz4', 'none')
NO_LIMIT = 2**62
"""A number of bytes that no disk has."""

_UNITS = {
    'B': 1,
    'kB': 10**3,
    'MB': 10**6,
    'GB': 10**9,
    'TB': 10**12,
    'KiB': 2**10,
    'MiB': 2**20,
    'GiB': 2**30,
    'TiB': 2**40,
}
_SIZE = re.compile(r'([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]+)')
_SECOND_NS = 1_000_000_000
_LEAST_CHUNK, _GREATEST_CHUNK = 4 * 2**10, 64 * 2**20
_LEAST_SPLIT = 10**6
_LEAST_MEMORY = 10**6
_SPLITS_KEPT = 10


@dataclasses.dataclass(frozen=True)
class RecordWiring:
    """
    How recordings are made.

    :param ring: nothing is written until something happens; then the seconds before and after it.
    :param compression: of the chunks, one of ``COMPRESSIONS``.
    :param chunk_bytes: size of a chunk before it is compressed.
    :param split_bytes: a file is followed by another one when it has so many bytes.
    :param split_ns: or when so much time has passed since it was begun.
    :param keep_bytes: the oldest files of a recording go when it has more bytes than that; with
        ``ring`` its oldest dumps.
    :param keep_ns: with ``ring``: how much of the past is kept.
    :param after_ns: with ``ring``: how much after the trigger is written as well.
    :param memory_bytes: with ``ring``: the most memory that the past may take.
    """

    ring: bool = False
    compression: str = 'zstd'
    chunk_bytes: int = 64 * 2**10
    split_bytes: int = NO_LIMIT
    split_ns: int = FOREVER_NS
    keep_bytes: int = NO_LIMIT
    keep_ns: int = 30 * _SECOND_NS
    after_ns: int = 5 * _SECOND_NS
    memory_bytes: int = 256 * 2**20


EVERYTHING = RecordWiring()
"""What is done where a wiring does not say: all of it, in one file."""


def parse_size(text: str) -> int:
    """
    Return a number of bytes such as ``20 GB`` or ``64 KiB``.

    :raises ValueError: it is not a positive number with a unit.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f'{text!r} is not a size: write a number and a unit, such as 20 GB')
    size = round(float(match[1]) * _UNITS[match[2]])
    if not 0 < size < NO_LIMIT:
        raise ValueError(f'{text!r} is not the size of anything on a disk')
    return size


def read_record(section: Section | None) -> RecordWiring:
    """
    Read the section ``record`` of a wiring.

    :param section: the section; None where the wiring has none.
    :raises WiringError: it is not valid.
    """
    if section is None:
        return EVERYTHING
    ring = section.choice('mode', ('continuous', 'ring'), 'continuous') == 'ring'
    compression = section.choice('compression', COMPRESSIONS, EVERYTHING.compression)
    chunk_bytes = _size(section, 'chunk', EVERYTHING.chunk_bytes, _LEAST_CHUNK)
    if chunk_bytes > _GREATEST_CHUNK:
        raise section.problem(
            'chunk', 'expected at most 64 MiB: a recorder that is killed loses the open chunk'
        )
    found = RecordWiring(ring=ring, compression=compression, chunk_bytes=chunk_bytes)
    found = _ring(section, found) if ring else _continuous(section, found)
    section.finish()
    return found


def _ring(section: Section, found: RecordWiring) -> RecordWiring:
    found = dataclasses.replace(
        found,
        keep_ns=section.duration_ns('keep', found.keep_ns),
        after_ns=section.duration_ns('after', found.after_ns),
        memory_bytes=_size(section, 'memory', found.memory_bytes, _LEAST_MEMORY),
        keep_bytes=_size(section, 'disk', NO_LIMIT, _LEAST_SPLIT),
    )
    for key, value in (('keep', found.keep_ns), ('after', found.after_ns)):
        if value == FOREVER_NS:
            raise section.problem(key, 'forever is mode: continuous')
    for key in ('split_size', 'split_time'):
        if key in section:
            raise section.problem(key, 'is for mode: continuous; a ring writes one file each time')
    return found


def _continuous(section: Section, found: RecordWiring) -> RecordWiring:
    keep_bytes = _size(section, 'keep', NO_LIMIT, 2 * _LEAST_SPLIT)
    # What is to be forgotten piece by piece must come in pieces.
    usual = NO_LIMIT if keep_bytes == NO_LIMIT else max(_LEAST_SPLIT, keep_bytes // _SPLITS_KEPT)
    split_bytes = _size(section, 'split_size', usual, _LEAST_SPLIT)
    if 2 * split_bytes > keep_bytes and keep_bytes != NO_LIMIT:
        raise section.problem(
            'split_size', 'expected at most half of keep: the file in use is never deleted'
        )
    for key in ('after', 'memory', 'disk'):
        if key in section:
            raise section.problem(key, 'is for mode: ring')
    split_ns = section.duration_ns('split_time', FOREVER_NS)
    if split_ns < _SECOND_NS:
        raise section.problem('split_time', 'expected at least 1 s')
    return dataclasses.replace(
        found, keep_bytes=keep_bytes, split_bytes=split_bytes, split_ns=split_ns
    )


def _size(section: Section, key: str, default: int, least: int) -> int:
    size = section.parsed(key, parse_size, 'a size such as 20 GB', default)
    if size < least:
        raise section.problem(key, f'expected at least {least} B, found {size} B')
    return size
