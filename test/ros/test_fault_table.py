"""
Every row of the fault table, injected into a running robot over DDS.

``docs/faults.md`` has what ``make soak`` measures, each row many times; for every change a part of
the rows is tried, once.
"""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from fault_measurements import measure, read_ticks, refused
from fault_page import INJECTED, documented, expected, write_page
from fault_rows import CLOCK_ROWS, KILLED, REFUSED_ROWS, ROWS
from fault_run import STOP, FaultRun, Injected
from obedient_policy import obedient_wiring
from sim_clock import SimClock

PERIOD_MS = 20
ROW_S = float(os.environ.get('FOURNEX_FAULT_ROW_SECONDS', '9'))
"""For how long ``make soak`` injects each row, again and again."""
MOST = 50
"""How often at most."""
TIMES = 10
"""How often what takes a start of the runtime, or of a session."""
known = []
"""What was measured of the rows so far, for the page."""


@pytest.fixture
def injected(robot, runtime, tmp_path):
    """Return a function that injects rows into one run; returns what was measured of each."""

    def inject(rows, side, run, row_s=0.0):
        run.wait_for_policy()
        faults = []
        for row in rows:
            end_s, left = time.monotonic() + row_s, MOST
            while left and (time.monotonic() < end_s or not faults or faults[-1].row != row):
                faults.append(run.inject(row))
                left -= 1
        run.process.signal(2)
        assert run.process.wait(20) == 0
        assert side.commands[-1].values == STOP
        bags = sorted((tmp_path / 'runs').iterdir())
        return measure(faults, read_ticks(bags, 'obedient'), side.commands)

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


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_killed_runtime_is_followed_by_its_guard(robot, runtime, start, tmp_path):
    side, wiring = robot(), obedient_wiring(tmp_path)
    command = [sys.executable, '-m', 'fournex_runtime.ros.guard', '--ros-args', '-p']
    guard = start('guard', [*command, f'wiring:={wiring}'], timeout_s=250)
    faults = []
    for number in range(TIMES):
        process = runtime(wiring, name=f'runtime-{number}')
        FaultRun(side, process).wait_for_policy()
        said, begin_ns = len(guard.text()), time.monotonic_ns()
        process.signal(signal.SIGKILL)
        process.wait(5)
        side.wait(lambda: side.commands[-1].values == STOP, what='the stop command of the guard')
        side.wait_for_commands(10)
        faults.append(Injected(KILLED, begin_ns, time.monotonic_ns(), guard.text()[said:]))
    measured = measure(faults, [], side.commands)
    for one in measured:
        assert one.without == 0 and KILLED.words in one.injected.told
        assert one.published.endswith('the stop command')
    known.extend(measured)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_what_must_not_begin_is_refused_and_publishes_nothing(robot, runtime, tmp_path):
    side, wiring = robot(), obedient_wiring(tmp_path)
    process = runtime(wiring, graph_timeout=1.0, timeout_s=250)
    run = FaultRun(side, process, bundle=wiring.parent / 'bundle')
    measured = [
        refused(run.refuse(row), side.commands) for row in REFUSED_ROWS for _ in range(TIMES)
    ]
    assert all(one.injected.row.words in one.injected.told for one in measured)
    known.extend(measured)


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
    known.extend(measured)
    if {one.injected.row.key for one in known} == {row.key for row in INJECTED}:  # just now
        write_page(checkout / 'docs' / 'faults.md', known, PERIOD_MS)


def test_the_page_has_every_row(checkout):
    assert documented(checkout / 'docs' / 'faults.md') == expected()
