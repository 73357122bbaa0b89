"""The table of ``docs/faults.md``: written by ``make soak``, demanded by every test run."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

from documented_table import Section
from fault_measurements import Measured
from fault_rows import CLOCK_ROWS, ELSEWHERE, ROWS, Row

SECTION = Section('fault-table', 'fault_page.py')
HEAD = ('fault', 'how it is noticed', 'within', 'reaction', 'shown by', 'afterwards')
MEASURED = ('noticed after', 'safe command after', 'longest gap', 'without a command', 'published')


def statements(row: Row) -> list[str]:
    """Return the columns of a row that are not measured."""
    mode = {'stopped': 'stopped until a reset', 'policy': 'policy'}[row.ends]
    found = [row.fault, row.noticed, row.bound, row.reaction, row.shown, row.afterwards or mode]
    return [one or '–' for one in found]


def expected() -> list[list[str]]:
    """Return the statements of all rows, in the order of the page."""
    return [statements(row) for row in (*ROWS, *CLOCK_ROWS, *ELSEWHERE)]


def documented(page: pathlib.Path) -> list[list[str]]:
    """Return the statements that stand in the page."""
    lines = [line for line in SECTION.read(page).splitlines() if line.startswith('| ')]
    cells = [[cell.strip() for cell in line.strip('| ').split(' | ')] for line in lines]
    return [one[: len(HEAD)] for one in cells if one[0] != HEAD[0] and set(one[0]) != {'-'}]


def write_page(page: pathlib.Path, measured: Sequence[Measured], period_ms: int) -> None:
    """Put the table into the page."""
    by_key = {one.injected.row.key: one for one in measured}
    reacted = sorted(one.reacted_ms for one in measured if one.reacted_ms is not None)
    rows = [
        _line(HEAD + MEASURED),
        _line(['---'] * len(HEAD + MEASURED)),
        *(_line([*statements(row), *_figures(by_key[row.key])]) for row in (*ROWS, *CLOCK_ROWS)),
        *(_line([*statements(row), f'see {row.key}', '', '', '', '']) for row in ELSEWHERE),
    ]
    SECTION.write(
        page,
        [
            '## The table',
            '',
            f'One session at {1000 // period_ms} Hz with a spare worker, over DDS, each fault '
            'injected into it while it ran; every tick had a valid command. The machine had '
            f'{os.cpu_count()} processor cores and a load of {os.getloadavg()[0]:.0f}. Times in '
            'ms. *Safe command after* is from the moment at which the tick knew of the fault '
            'until an independent subscriber had the next command '
            f'(median {reacted[len(reacted) // 2]:.2f}, greatest {reacted[-1]:.2f}); *longest '
            'gap* is between two commands there, from the injection on.',
            '',
            *rows,
        ],
    )


def _figures(one: Measured) -> list[str]:
    def number(value: float | None) -> str:
        return '–' if value is None else f'{value:.1f}'

    return [
        number(one.noticed_ms),
        '–' if one.reacted_ms is None else f'{one.reacted_ms:.2f}',
        number(one.gap_ms),
        str(one.without),
        one.published,
    ]


def _line(cells: Sequence[str]) -> str:
    return f'| {" | ".join(cells)} |'
