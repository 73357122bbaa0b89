"""Quantities as people write them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from ..configuration import FOREVER_NS


def duration(ns: int) -> str:
    """Return a duration with a unit that suits it."""
    if ns >= FOREVER_NS:
        return 'forever'
    for unit, size in (('s', 1_000_000_000), ('ms', 1_000_000), ('µs', 1_000)):
        if abs(ns) >= size:
            digits = '.3g' if abs(ns) < 1000 * size else '.0f'
            return f'{ns / size:{digits}} {unit}'
    return f'{ns} ns'


def hertz(period_ns: int) -> str:
    """Return the rate of a period."""
    return f'{1e9 / period_ns:g} Hz'


def bytes_text(size: int) -> str:
    """Return a size in bytes, kB or MB (powers of ten)."""
    for unit, factor in (('MB', 1_000_000), ('kB', 1_000)):
        if size >= factor:
            return f'{size / factor:.1f} {unit}'
    return f'{size} bytes'


def utc(ns: int) -> str:
    """Return a time since the Unix epoch, in UTC, to the millisecond."""
    moment = datetime.datetime.fromtimestamp(ns / 1e9, datetime.timezone.utc)
    return moment.strftime('%Y-%m-%d %H:%M:%S.') + f'{moment.microsecond // 1000:03d} UTC'


def units(unit: str, labels: Sequence[str]) -> list[str]:
    """
    Return the unit of each value of a term.

    A contract may give one unit, one for each value, or two for terms whose values differ in
    kind: the second is then that of angular, directional and quaternion values.

    :param unit: as the contract has it, for instance ``m/s, rad/s``.
    :param labels: names of the values.
    """
    parts = [part.strip() for part in unit.split(',')]
    if len(parts) == len(labels):
        return parts
    if len(parts) != 2:
        return [unit] * len(labels)
    return [parts[label.startswith(_SECOND)] for label in labels]


_SECOND = ('angular_', 'cos_', 'sin_', 'q')
