"""
Every row of the fault table, injected into a running robot over DDS.

``docs/faults.md`` has what ``make soak`` measures; for every change a part of the rows is tried.
"""

from __future__ import annotations

import pytest
from fault_measurements import measure, read_ticks
from fault_page import documented, expected, write_page
from fault_rows import CLOCK_ROWS, ROWS
from fault_run import STOP, FaultRun
from obedient_policy import obedient_wiring
from sim_clock import SimClock

PERIOD_MS = 20
known = []
"""What was measured of the rows so far, for the page."""


@pytest.fixture
def injected(robot, runtime, tmp_path):
    """Return a function that injects rows into one run; returns what was measured of each."""

    def inject(rows, side, run):
        run.wait_for_policy()
        faults = [run.inject(row) for row in rows]
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
        assert one.injected.mode.name.lower() == row.ends, row.key
        assert row.words in one.injected.told, row.key
        if row.ends == 'stopped':
            assert one.published in ("the policy's, then the stop command", 'the stop command')
            assert one.reacted_ms is not None, row.key
        else:
            assert 'stop' not in one.published, row.key
        if row.key == 'kill worker':
            assert [number - one.workers[0] for number in one.workers] == [0, 1]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    'rows',
    [
        pytest.param([row for row in ROWS if row.every_change], id='a part'),
        pytest.param(ROWS, id='all', marks=pytest.mark.soak),
    ],
)
def test_whatever_happens_the_robot_gets_a_valid_command(
    rows, robot, runtime, tmp_path, injected, checkout
):
    side = robot()
    process = runtime(obedient_wiring(tmp_path), record=tmp_path / 'runs', timeout_s=300)
    measured = injected(rows, side, FaultRun(side, process))
    judge(measured)
    if rows == ROWS:
        known[:] = measured


@pytest.mark.timeout(100)
def test_whatever_the_clock_does_the_robot_gets_a_valid_command(
    robot, runtime, tmp_path, injected, checkout
):
    side = robot()
    clock = SimClock(side)
    side.state = lambda: None
    process = runtime(
        obedient_wiring(tmp_path), record=tmp_path / 'runs', use_sim_time=True, timeout_s=90
    )
    measured = injected(CLOCK_ROWS, side, FaultRun(side, process, clock=clock))
    judge(measured)
    if known:  # all of them have been injected just now
        write_page(checkout / 'docs' / 'faults.md', [*known, *measured], PERIOD_MS)


def test_the_page_has_every_row(checkout):
    assert documented(checkout / 'docs' / 'faults.md') == expected()
