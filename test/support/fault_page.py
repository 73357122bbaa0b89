"""The table of ``docs/faults.md``: written by ``make soak``, demanded by every test run."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

import numpy as np
from documented_table import Section
from fault_measurements import Measured
from fault_rows import CLOCK_ROWS, ELSEWHERE, KILLED, REFUSED_ROWS, ROWS, Row
from numpy.typing import NDArray

INJECTED = (*ROWS, *CLOCK_ROWS, KILLED, *REFUSED_ROWS)
SECTION = Section('fault-table', 'fault_page.py')
HEAD = ('fault', 'how it is noticed', 'within', 'reaction', 'shown by', 'afterwards')
MEASURED = (
    'injected',
    'noticed after',
    'command sent after',
    'and received after',
    'longest gap',
    'ticks without a command',
    'releases skipped',
    'published',
)


def statements(row: Row) -> list[str]:
    """Return the columns of a row that are not measured."""
    mode = {'stopped': 'stopped until a reset', 'policy': 'policy'}[row.ends]
    found = [row.fault, row.noticed, row.bound, row.reaction, row.shown, row.afterwards or mode]
    return [one or '–' for one in found]


def expected() -> list[list[str]]:
    """Return the statements of all rows, in the order of the page."""
    return [statements(row) for row in (*INJECTED, *ELSEWHERE)]


def documented(page: pathlib.Path) -> list[list[str]]:
    """Return the statements that stand in the page."""
    lines = [line for line in SECTION.read(page).splitlines() if line.startswith('| ')]
    cells = [[cell.strip() for cell in line.strip('| ').split(' | ')] for line in lines]
    return [one[: len(HEAD)] for one in cells if one[0] != HEAD[0] and set(one[0]) != {'-'}]


def write_page(page: pathlib.Path, measured: Sequence[Measured], period_ms: int) -> None:
    """Put the table into the page."""
    by_key: dict[str, list[Measured]] = {}
    for one in measured:
        by_key.setdefault(one.injected.row.key, []).append(one)
    blank = [''] * (len(MEASURED) - 1)
    rows = [
        _line(HEAD + MEASURED),
        _line(['---'] * len(HEAD + MEASURED)),
        *(_line([*statements(row), *_figures(by_key[row.key])]) for row in INJECTED),
        *(_line([*statements(row), f'see {row.key}', *blank]) for row in ELSEWHERE),
    ]
    SECTION.write(page, ['## The table', '', _summary(measured, period_ms), '', *rows])


def _summary(measured: Sequence[Measured], period_ms: int) -> str:
    """Return in words what was done, and what came of all of it together."""
    received = np.array([one.reacted_ms for one in measured if one.reacted_ms is not None])
    sent = np.array([one.sent_ms for one in measured if one.sent_ms is not None])
    skipped = sum(one.skipped or 0 for one in measured)
    in_time = int((received <= period_ms + 1).sum())
    cores, load, hz = os.cpu_count(), os.getloadavg()[0], 1000 // period_ms
    return (
        f'One session at {hz} Hz with a spare worker, over DDS, {len(measured)} faults injected '
        'one after the other, most of them into it while it ran; every tick had a valid command, '
        f'and {skipped} releases were skipped and had no tick. The machine had '
        f'{cores} processor cores and a load of {load:.0f}. Times in ms, median / greatest. '
        '*Noticed after* is from the injection until the tick knew (for what is refused, from the '
        'transition asked for until it is refused). From there *command sent '
        'after* is until the call returned that hands its command to the middleware (of all: '
        f'{_quantiles(sent)}), *and received after* until an independent subscriber, a Python '
        f'process, had the next command ({_quantiles(received)}; {in_time} of {len(received)} '
        'within a period and 1 ms). The second is more than the first by the middleware and the '
        'wake-up of the subscriber, which are the machine. *Longest gap* is between two commands '
        'there, from the injection on; *releases skipped* are those that the machine was busy '
        'for, as the recording has them.'
    )


def _quantiles(found: NDArray[np.float64]) -> str:
    p50, p99 = np.percentile(found, (50, 99))
    return f'median {p50:.2f}, p99 {p99:.2f}, greatest {found.max():.2f}'


def _figures(measured: Sequence[Measured]) -> list[str]:
    def pair(name: str, digits: int) -> str:
        values = [getattr(one, name) for one in measured]
        if None in values:
            return '–'
        return f'{np.median(values):.{digits}f} / {max(values):.{digits}f}'

    skipped = [one.skipped for one in measured]
    said = [one.published for one in measured]
    return [
        str(len(measured)),
        pair('noticed_ms', 1),
        pair('sent_ms', 2),
        pair('reacted_ms', 2),
        pair('gap_ms', 1),
        str(sum(one.without for one in measured)),
        '–' if None in skipped else str(sum(skipped)),
        '; or '.join(sorted(set(said), key=said.count, reverse=True)),
    ]


def _line(cells: Sequence[str]) -> str:
    return f'| {" | ".join(cells)} |'
