"""
Every row of the fault table, injected into a running robot over DDS.

``docs/faults.md`` has what ``make soak`` measures, each row many times; for every change a part of
the rows is tried, once.
"""

from __future__ import annotations

import os
import time

import pytest
from fault_measurements import measure, read_ticks
from fault_page import documented, expected, write_page
from fault_rows import CLOCK_ROWS, ROWS
from fault_run import STOP, FaultRun
from obedient_policy import obedient_wiring
from sim_clock import SimClock

PERIOD_MS = 20
ROW_S = float(os.environ.get('FOURNEX_FAULT_ROW_SECONDS', '9'))
"""For how long ``make soak`` injects each row, again and again."""
MOST = 50
"""How often at most."""
known = []
"""What was measured of the rows so far, for the page."""


@pytest.fixture
def injected(robot, runtime, tmp_path):
    """Return a function that injects rows into one run; returns what was measured of each."""

    def inject(rows, side, run, row_s=0.0):
        run.wait_for_policy()
        faults = []
        for row in rows:
            end_s, left = time.monotonic() + row_s, 1 if row.once else MOST
            while left and (time.monotonic() < end_s or not faults or faults[-1].row != row):
                faults.append(run.inject(row))
                left -= 1
        run.process.signal(2)
        assert run.process.wait(20) == 0
        assert side.commands[-1].values == STOP
        (bag,) = (tmp_path / 'runs').iterdir()
        return measure(faults, read_ticks(bag, 'obedient'), side.commands)

    return inject


def judge(measured):
    """Assert what has to be so of every row."""
    for one in measured:
        row = one.injected.row
        assert one.without == 0, row.key
        assert row.words in one.injected.told, row.key
        if row.ends == 'stopped':
            assert one.published in ("the policy's, then the stop command", 'the stop command')
            assert one.reacted_ms is not None, row.key
        else:
            assert 'stop' not in one.published, row.key
        if row.key == 'kill worker':
            assert [number - one.workers[0] for number in one.workers] == [0, 1]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ('rows', 'row_s'),
    [
        pytest.param([row for row in ROWS if row.every_change], 0.0, id='a part'),
        pytest.param(ROWS, ROW_S, id='all', marks=pytest.mark.soak),
    ],
)
def test_whatever_happens_the_robot_gets_a_valid_command(
    rows, row_s, robot, runtime, tmp_path, injected
):
    side = robot()
    process = runtime(obedient_wiring(tmp_path), record=tmp_path / 'runs', timeout_s=1700)
    measured = injected(rows, side, FaultRun(side, process), row_s)
    judge(measured)
    if rows == ROWS:
        known[:] = measured


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    'row_s',
    [pytest.param(0.0, id='once'), pytest.param(ROW_S, id='often', marks=pytest.mark.soak)],
)
def test_whatever_the_clock_does_the_robot_gets_a_valid_command(
    row_s, robot, runtime, tmp_path, injected, checkout
):
    side = robot()
    clock = SimClock(side)
    side.state = lambda: None
    process = runtime(
        obedient_wiring(tmp_path), record=tmp_path / 'runs', use_sim_time=True, timeout_s=350
    )
    measured = injected(CLOCK_ROWS, side, FaultRun(side, process, clock=clock), row_s)
    judge(measured)
    if known and row_s:  # all of them have been injected just now
        write_page(checkout / 'docs' / 'faults.md', [*known, *measured], PERIOD_MS)


def test_the_page_has_every_row(checkout):
    assert documented(checkout / 'docs' / 'faults.md') == expected()
