"""What the loop asks of the kernel: granted or refused with a reason, and given back."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest
from tiny_session import edited

from fournex_runtime.configuration import parse
from fournex_runtime.errors import WiringError
from fournex_runtime.ros.realtime import COLLECTION_PERIOD_NS, Manners
from fournex_runtime.session.realtime import AS_IT_COMES, Realtime, read_realtime

WIRED = """
cores: [0]
priority: 50
lock_memory: true
garbage_collector: between_ticks
spin: 100 us
on_refusal: refuse
"""
UNPRIVILEGED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
from fournex_runtime.ros.realtime import Manners
from fournex_runtime.session.realtime import Realtime
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
manners = Manners(Realtime(cores=(9999,), priority=50, lock_memory=True))
for grant in manners.ask():
    print(grant)
"""


def test_the_block_is_read():
    found = read_realtime(parse(WIRED, 'wiring.yaml', WiringError))
    assert found == Realtime((0,), 50, True, True, 100_000, True)
    assert read_realtime(None) == AS_IT_COMES


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('cores: [0]', 'cores: [0.5]'), 'cores: expected numbers of processor cores'),
        (('cores: [0]', 'cores: []'), 'cores: expected numbers of processor cores'),
        (('priority: 50', 'priority: 100'), '100 is no priority of SCHED_FIFO: expected 1 to 99'),
        (('priority: 50', 'priority: 0'), '0 is no priority of SCHED_FIFO'),
        (('spin: 100 us', 'spin: 5 ms'), 'spin: expected at most 2 ms'),
        (('lock_memory', 'lock_memori'), 'Did you mean lock_memory?'),
        (('on_refusal: refuse', 'on_refusal: panic'), 'on_refusal'),
    ],
)
def test_what_cannot_be_is_refused(change, words):
    with pytest.raises(WiringError) as caught:
        read_realtime(parse(edited(WIRED, change), 'wiring.yaml', WiringError))
    assert words in str(caught.value)


def test_what_is_granted_is_in_force_and_given_back():
    core = min(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0), os.sched_getscheduler(0), gc.isenabled()
    manners = Manners(Realtime(cores=(core,), priority=1, quiet_collector=True))
    grants = {grant.name: grant for grant in manners.ask()}
    try:
        assert grants['cores'].granted and os.sched_getaffinity(0) == {core}
        fifo = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
        assert grants['priority'].granted == fifo
        assert grants['garbage_collector'].granted and not gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        manners.give_back()
    assert (os.sched_getaffinity(0), os.sched_getscheduler(0), gc.isenabled()) == before
    assert gc.get_freeze_count() == 0


class SteadyClock:
    """Goes on by 5 ms each time that it is looked at."""

    def __init__(self):
        self.ns = 0

    def __call__(self):
        self.ns += 5_000_000
        return self.ns


class Knot:
    """Garbage that only a collector finds."""

    def __init__(self, gone):
        self.itself, self.gone = self, gone

    def __del__(self):
        self.gone.append(True)


def test_garbage_goes_between_ticks_when_there_is_time():
    clock, gone = SteadyClock(), []
    manners = Manners(Realtime(quiet_collector=True), clock)
    manners.ask()
    try:
        Knot(gone)
        manners.between_ticks(10**9)
        assert not gone  # it is not time yet
        clock.ns += COLLECTION_PERIOD_NS
        manners.between_ticks(10**9)
        assert gone == [True]  # it took 5 ms by this clock
        Knot(gone)
        clock.ns += COLLECTION_PERIOD_NS
        manners.between_ticks(10_000_000)
        assert gone == [True]  # there is no time for it
        manners.between_ticks(20_000_000)
        assert gone == [True, True]
    finally:
        manners.give_back()


def test_a_refusal_says_why_and_how_to_mend_it():
    done = subprocess.run(
        [sys.executable, '-c', UNPRIVILEGED],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    cores, priority, memory = done.stdout.splitlines()
    assert cores.startswith('cores: refused, Invalid argument: asked for 9999, this process may')
    assert priority.startswith('priority: refused, Operation not permitted: this user may ask for')
    assert 'at most 0 (ulimit -Hr)' in priority and '@realtime - rtprio 50' in priority
    assert memory.startswith('lock_memory: refused,')
    assert 'may lock 64 KiB (ulimit -Hl)' in memory
