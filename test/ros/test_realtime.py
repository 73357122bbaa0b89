"""What the loop asks of the kernel: granted or refused with a reason, and given back."""

from __future__ import annotations

import dataclasses
import gc
import os
import pathlib
import struct
import subprocess
import sys
import threading

import pytest
import threadpoolctl
from diagnostic_msgs.msg import DiagnosticArray
from tiny_session import edited

from fournex_runtime.configuration import parse
from fournex_runtime.errors import WiringError
from fournex_runtime.kernel import CPU_LATENCY
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.bundle import load_bundle
from fournex_runtime.policy.inference import DEFAULT_INFERENCE, INLINE
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import read_manifest, verify
from fournex_runtime.ros.realtime import (
    COLLECTION_PERIOD_NS,
    LOOK_PERIOD_NS,
    Manners,
    threads_of,
)
from fournex_runtime.session.realtime import AS_IT_COMES, Realtime, read_realtime

PENDULUM = pathlib.Path(__file__).resolve().parents[2] / 'examples' / 'pendulum' / 'bundle'
WIRED = """
cores: [0]
priority: 50
lock_memory: true
garbage_collector: between_ticks
spin: 100 us
cpu_latency: 20 us
threads: 2
on_refusal: refuse
"""
UNPRIVILEGED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import read_manifest, verify
from fournex_runtime.ros.realtime import Manners
from fournex_runtime.session.realtime import Realtime
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
manners = Manners(Realtime(cores=(9999,), priority=50, lock_memory=True, cpu_latency_ns=0))
for grant in manners.ask():
    print(grant)
"""


def test_the_block_is_read():
    found = read_realtime(parse(WIRED, 'wiring.yaml', WiringError))
    assert found == Realtime((0,), 50, 49, 20_000, 2, True, True, 100_000, True)
    assert read_realtime(None) == AS_IT_COMES
    never = read_realtime(parse('cpu_latency: 0', 'wiring.yaml', WiringError))
    assert never.cpu_latency_ns == 0


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('cores: [0]', 'cores: [0.5]'), 'cores: expected numbers of processor cores'),
        (('cores: [0]', 'cores: []'), 'cores: expected numbers of processor cores'),
        (('priority: 50', 'priority: 100'), '100 is no priority of SCHED_FIFO: expected 1 to 99'),
        (('priority: 50', 'priority: 0'), '0 is no priority of SCHED_FIFO'),
        (('spin: 100 us', 'spin: 5 ms'), 'spin: expected at most 2 ms'),
        (('20 us', '2 s'), 'cpu_latency: expected 0, or a duration up to 1 s'),
        (('threads: 2', 'threads: 0'), 'threads: expected'),
        (('spin: 100 us', 'worker_priority: 100'), '100 is no priority of SCHED_FIFO'),
        (('lock_memory', 'lock_memori'), 'Did you mean lock_memory?'),
        (('on_refusal: refuse', 'on_refusal: panic'), 'on_refusal'),
    ],
)
def test_what_cannot_be_is_refused(change, words):
    with pytest.raises(WiringError) as caught:
        read_realtime(parse(edited(WIRED, change), 'wiring.yaml', WiringError))
    assert words in str(caught.value)


def test_a_worker_is_one_less_urgent_than_the_loop_unless_the_wiring_says_otherwise():
    def worker_priority(text):
        realtime = read_realtime(parse(text, 'wiring.yaml', WiringError))
        return realtime.for_worker(DEFAULT_INFERENCE).priority

    assert worker_priority('priority: 50') == 49
    assert worker_priority('priority: 1') == 1
    assert worker_priority('priority: 50\nworker_priority: 0') == 0
    assert worker_priority('worker_priority: 20') == 20
    assert worker_priority('lock_memory: true') == 0
    asked = Realtime(priority=50, worker_priority=49, lock_memory=True)
    assert asked.for_worker(INLINE) == INLINE


def scheduling():
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK


def test_what_is_granted_is_in_force_and_given_back():
    core = min(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0), scheduling(), gc.isenabled()
    manners = Manners(Realtime(cores=(core,), priority=1, quiet_collector=True))
    grants = {grant.name: grant for grant in manners.ask()}
    try:
        assert grants['cores'].granted and os.sched_getaffinity(0) == {core}
        assert grants['priority'].granted == (scheduling() == os.SCHED_FIFO)
        assert grants['garbage_collector'].granted and not gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        manners.give_back()
    assert (os.sched_getaffinity(0), scheduling(), gc.isenabled()) == before
    assert gc.get_freeze_count() == 0


@pytest.fixture
def another_thread():
    """Return a function that begins a thread and returns its id; it ends with the test."""
    over, begun = threading.Event(), []

    def begin():
        begun.append(threading.Thread(target=over.wait))
        begun[-1].start()
        return begun[-1].native_id

    yield begin
    over.set()
    for thread in begun:
        thread.join()


def test_threads_that_begin_later_are_raised_too_and_all_are_lowered_again(another_thread):
    clock, before = SteadyClock(), another_thread()
    manners = Manners(Realtime(priority=20), clock)
    (grant,) = manners.ask()
    if not grant.granted:
        pytest.skip(grant.words)
    try:
        later = another_thread()
        assert os.sched_getparam(before).sched_priority == 19
        assert os.sched_getparam(later).sched_priority == 0
        assert manners.acts_between_ticks
        clock.ns += LOOK_PERIOD_NS
        manners.between_ticks(0)
        assert os.sched_getparam(later).sched_priority == 19
        assert os.sched_getparam(0).sched_priority == 20
    finally:
        manners.give_back()
    assert {os.sched_getparam(one).sched_priority for one in (0, before, later)} == {0}


def cpu_latency_us():
    """Return the shortest time that somebody lets cores sleep for; None where nobody may know."""
    try:
        return struct.unpack('=i', pathlib.Path(CPU_LATENCY).read_bytes()[:4])[0]
    except OSError:
        return None


def test_cores_sleep_as_deeply_as_before_when_it_is_given_back():
    before = cpu_latency_us()
    manners = Manners(Realtime(cpu_latency_ns=7000))
    (grant,) = manners.ask()
    try:
        assert grant.granted == (before is not None)
        if grant.granted:
            assert grant.words == 'every core wakes within 7 µs'
            assert cpu_latency_us() == min(before, 7)
    finally:
        manners.give_back()
    assert cpu_latency_us() == before


def blas_threads():
    return [one['num_threads'] for one in threadpoolctl.threadpool_info()]


def test_blas_uses_as_many_threads_as_the_wiring_says():
    with threadpoolctl.threadpool_limits(1, 'blas'):
        assert blas_threads() == [1]
        manners = Manners(Realtime(threads=2))
        (grant,) = manners.ask()
        try:
            assert grant.granted and grant.words.startswith('2 of BLAS in the runtime (openblas')
            assert blas_threads() == [2]
        finally:
            manners.give_back()
        assert blas_threads() == [1]
        manners = Manners(Realtime(threads=1000))
        (grant,) = manners.ask()
        assert not grant.granted and 'asked for 1000' in grant.words
        assert blas_threads() == [1]


def test_what_runs_a_policy_says_how_many_threads_it_uses():
    with_two = load_backend(load_bundle(PENDULUM), dataclasses.replace(INLINE, threads=2))
    assert str(threads_of(with_two, 2)).startswith('threads: granted, 2 (onnxruntime')
    refused = threads_of(with_two, 3)
    assert not refused.granted and refused.words.endswith('asked for 3')


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
        clock.ns += COLLECTION_PERIOD_NS
        manners.between_ticks(10_000_000)
        assert gone == [True, True]  # one that was slow is not taken as the measure for ever
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
    cores, priority, memory, latency = done.stdout.splitlines()
    assert cores.startswith('cores: refused, Invalid argument: asked for 9999, this process may')
    assert priority.startswith('priority: refused, Operation not permitted: this user may ask for')
    assert 'at most 0 (ulimit -Hr)' in priority and '@realtime - rtprio 50' in priority
    assert memory.startswith('lock_memory: refused,')
    assert 'may lock 64 KiB (ulimit -Hl)' in memory
    assert latency.startswith('cpu_latency: refused,') and '/dev/cpu_dma_latency' in latency


# --- in the runtime ------------------------------------------------------------------------------

BLOCK = (
    'robot: pendulum\n',
    'robot: pendulum\n'
    'realtime: {cores: [CORE], garbage_collector: between_ticks, spin: 100 us, threads: 1}\n',
)


def wired(wiring_file, core, *more):
    before, after = BLOCK
    return wiring_file((before, after.replace('CORE', str(core))), *more)


def test_the_runtime_asks_and_says_what_came_of_it(robot, runtime, wiring_file, tmp_path):
    side = robot()
    found = []

    def listen(message):
        for status in message.status:
            if 'pendulum' in status.name:
                found.append({entry.key: entry.value for entry in status.values})

    side.node.create_subscription(DiagnosticArray, '/diagnostics', listen, 10)
    core = min(os.sched_getaffinity(0))
    process = runtime(wired(wiring_file, core), record=tmp_path / 'runs')
    side.wait_for_commands(60)
    side.wait(lambda: bool(found) and 'realtime cores' in found[-1], what='diagnostics')
    assert found[-1]['realtime cores'] == f'granted, {core}'
    assert found[-1]['realtime garbage_collector'] == 'granted, between ticks'
    assert found[-1]['realtime threads'].startswith('granted, 1 of BLAS in the runtime')
    assert found[-1]['realtime threads.pendulum'].startswith('granted, 1 (onnxruntime')
    assert os.sched_getaffinity(process.process.pid) == {core}
    process.signal(2)
    assert process.wait(10) == 0
    (bag,) = (tmp_path / 'runs').iterdir()
    (result,) = verify(bag)
    assert result.all_equal
    with BagReader(bag) as reader:
        environment = read_manifest(reader, reader.types()).environment
    assert environment['realtime.spin'] == 'granted, the last 100 µs of a wait'


def test_what_is_required_and_refused_starts_nothing(robot, runtime, wiring_file):
    robot()
    process = runtime(wired(wiring_file, 9999, ('spin: 100 us', 'on_refusal: refuse')))
    assert process.wait(30) == 2
    assert 'realtime: cores: refused, Invalid argument: asked for 9999' in process.text()
    assert 'on_refusal: report' in process.text()


def test_what_is_refused_and_not_required_is_said(robot, runtime, wiring_file):
    side = robot()
    process = runtime(wired(wiring_file, 9999))
    side.wait_for_commands(20)
    assert 'realtime: cores: refused, Invalid argument: asked for 9999' in process.text()
