"""Quantities as people write them."""

from __future__ import annotations

import datetime

from ..configuration import FOREVER_NS
from ..pipeline.units import units_of_values

units = units_of_values


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
    """Return a size in bytes, kB, MB or GB (powers of ten)."""
    for unit, factor in (('GB', 1_000_000_000), ('MB', 1_000_000), ('kB', 1_000)):
        if size >= factor:
            return f'{size / factor:.1f} {unit}'
    return f'{size} bytes'


def utc(ns: int) -> str:
    """Return a time since the Unix epoch, in UTC, to the millisecond."""
    moment = datetime.datetime.fromtimestamp(ns / 1e9, datetime.timezone.utc)
    return moment.strftime('%Y-%m-%d %H:%M:%S.') + f'{moment.microsecond // 1000:03d} UTC'
