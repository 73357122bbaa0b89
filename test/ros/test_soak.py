"""
Faults at random into a robot at 200 Hz: every tick has a valid command, and nothing grows.

``FOURNEX_SOAK_MINUTES`` (``make soak MINUTES=5``) says how long the long one takes,
``FOURNEX_SOAK_KILLS`` how often a worker is killed.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import pytest
from fault_measurements import read_ticks
from fault_rows import ROWS
from fault_run import STOP, FaultRun, valid
from flatness import Samples, table
from obedient_policy import obedient_wiring
from runtime_process import resources, workers
from stalls import Stalls, witnessed

from fournex_runtime.session.tick import Mode

PERIOD_MS = 5
MINUTES = float(os.environ.get('FOURNEX_SOAK_MINUTES', '30'))
KILLS = int(os.environ.get('FOURNEX_SOAK_KILLS', '1000'))
PATIENT = 'default: stop, ' + ', '.join(
    f'{one}: hold 1 min then stop' for one in ('late', 'failed', 'stale')
)
"""Reactions: a machine that has other things to do, and a worker that is being started."""
URGENT = (
    'priority: 50, lock_memory: true, garbage_collector: between_ticks, on_refusal: refuse, '
    'cpu_latency: 0'
)
"""Real-time manners of a robot that is to miss no release."""
PART = 100
"""After so many kills the robot is left alone for half as long, to compare."""
NOT_AT_RANDOM = ('kill publisher', 'kill subscriber', 'disk full')
"""What takes another process, or comes once."""
MAY_GROW_BY = {
    'memory of its own [KiB]': 3000,
    'shared memory [KiB]': 1500,
    'shared mappings': 6,
    'threads': 3,
    'descriptors': 24,
    'processes': 3,
}
"""
By how much there may be more in the last third than in the first: what two workers more take.

What leaked a little with every fault would be hundreds.
"""


@pytest.fixture
def fast_robot(robot, runtime, tmp_path):
    """Return a function that starts a robot and its session at 200 Hz."""

    def make(seconds, realtime=''):
        wiring = obedient_wiring(tmp_path, PERIOD_MS, 50, PATIENT, realtime)
        side = robot(rate_hz=100.0)
        process = runtime(wiring, record=tmp_path / 'runs', timeout_s=seconds + 120)
        run = FaultRun(side, process)
        run.wait_for_policy()
        return side, process, run

    return make


def judge(side, process, tmp_path):
    """End the run, in which every tick had a valid command; return its ticks."""
    process.signal(signal.SIGINT)
    assert process.wait(30) == 0, process.text()[-3000:]
    (bag,) = (tmp_path / 'runs').iterdir()
    ticks = read_ticks([bag], 'obedient')
    while not len(ticks[0].command_indices):  # a policy that is late at first has nothing to hold
        ticks.pop(0)
    without = [(one.tick, one.mode, one.cause) for one in ticks if not len(one.command_indices)]
    assert without == []
    assert side.commands[-1].values == STOP
    # Commands are sent with a depth of one: a subscriber that sleeps gets the newest.
    assert 0.9 * len(ticks) < len(side.commands) <= len(ticks)
    assert all(valid(one.values) for one in side.commands)
    return ticks


def told(ticks):
    """Return in words what became of the releases of some ticks."""
    skipped = [tick.timing.skipped for tick in ticks]
    held = sum(tick.mode == Mode.FALLBACK for tick in ticks)
    answers = sum(tick.mode == Mode.POLICY for tick in ticks)
    return (
        f"{len(ticks) + sum(skipped)} releases: {answers} with the policy's command, {held} held "
        f'the last one, {sum(skipped)} skipped (at most {max(skipped)} in a row)'
    )


def kill_at_random(pid, chance, kills):
    """Kill workers that are ready, now the one that answers and now the spare."""
    killed = 0
    while killed < kills:
        time.sleep(chance.uniform(0.02, 1.2))
        there = workers(pid)
        if len(there) == 2:  # one is loaded at a time, so the older one is ready
            os.kill(there[chance.random() < 0.1], signal.SIGKILL)
            killed += 1


def unserved(ticks, stalls):
    """Return the ticks before which a release was skipped, and the machine did not stand still."""
    period_ns = PERIOD_MS * 1_000_000
    return [
        tick.tick
        for tick in ticks
        if tick.timing.skipped
        and not stalls.met(tick.due_ns - (tick.timing.skipped + 1) * period_ns, tick.due_ns)
    ]


@pytest.mark.parametrize(
    ('kills', 'realtime'),
    [
        (10, ''),
        pytest.param(KILLS, '', marks=[pytest.mark.soak, pytest.mark.timeout(3000)]),
        pytest.param(KILLS, URGENT, marks=[pytest.mark.soak, pytest.mark.timeout(3000)]),
    ],
    ids=['few', 'many', 'many-urgent'],
)
def test_workers_are_killed_at_random_and_every_tick_has_a_valid_command(
    kills, realtime, fast_robot, tmp_path, capsys
):
    side, process, run = fast_robot(3 * kills, realtime)
    chance = random.Random(kills)
    parts = []
    with witnessed() if realtime else contextlib.nullcontext(Stalls()) as stalls:
        for _ in range(0, kills, PART):
            begin_ns = time.monotonic_ns()
            kill_at_random(process.pid, chance, min(PART, kills))
            end_ns = time.monotonic_ns()
            time.sleep(max(1.0, 0.5e-9 * (end_ns - begin_ns)) if kills > PART else 1.0)
            parts.append((begin_ns, end_ns))
        side.wait_for_commands(20)
    ticks = judge(side, process, tmp_path)
    during = [tick for tick in ticks if not tick.stop_requested]
    assert {tick.cause for tick in during if tick.mode == Mode.STOPPED} == set()
    sorted_out = {True: [], False: []}
    for tick in during:
        sorted_out[any(begin <= tick.steady_ns <= end for begin, end in parts)].append(tick)
    with capsys.disabled():
        print(
            f'\n{kills} workers killed at {1000 // PERIOD_MS} Hz, every tick with a valid command'
        )
        print(f'  while they were killed: {told(sorted_out[True])}')
        print(f'  while they were not:    {told(sorted_out[False])}')
        if realtime:
            print(f'  {stalls}; releases skipped in others: {unserved(during, stalls)}')
    if realtime:
        assert unserved(during, stalls) == []


@pytest.mark.soak
@pytest.mark.timeout(MINUTES * 60 + 300)
def test_nothing_grows(fast_robot, tmp_path, capsys):
    side, process, run = fast_robot(seconds=MINUTES * 60 + 120)
    rows = [row for row in ROWS if row.key not in NOT_AT_RANDOM]
    chance, samples, injected = random.Random(0), Samples(), 0
    begin_s = sampled_s = time.monotonic()
    while time.monotonic() - begin_s < MINUTES * 60:
        with run.fault(chance.choice(rows)):
            time.sleep(chance.uniform(0.05, 0.5))
        injected += 1
        run.well()
        time.sleep(chance.uniform(0.0, 1.0))
        if run.mode is Mode.STOPPED:
            run.begin_episode()
        if time.monotonic() - sampled_s > 2.0:
            sampled_s = time.monotonic()
            samples.add(sampled_s - begin_s, resources(process.pid))
    courses = samples.courses()
    ticks = judge(side, process, tmp_path)
    with capsys.disabled():
        print(
            f'\n{injected} faults in {MINUTES:g} min at {1000 // PERIOD_MS} Hz, every tick with a '
            f'valid command; {told(ticks)}\n{table(courses)}'
        )
    for one in courses:
        assert one.after - one.before <= MAY_GROW_BY[one.name], one
