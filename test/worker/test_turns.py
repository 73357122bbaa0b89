"""Turns on a core: who mostly sleeps begins them soon, who loads an artifact disturbs nobody."""

import ctypes
import os
import platform
import threading

import pytest
from backend_cases import bundle, contract, observations, onnx_model

from fournex_runtime.kernel import SHORTEST_TURN_NS, take_turns
from fournex_runtime.policy.inference import Inference
from fournex_runtime.worker.backend import WorkerBackend

_SCHED_GETATTR = {'x86_64': 315, 'aarch64': 275}
SHARED = os.SCHED_RESET_ON_FORK


def turn_ns(thread=0):
    """Return how long the turns of a thread are, as the kernel tells; 0 where it knows none."""
    attributes = (ctypes.c_uint32 * 14)()
    call = _SCHED_GETATTR[platform.machine()]
    assert ctypes.CDLL(None).syscall(call, thread, attributes, 56, 0) == 0
    return attributes[6]


def in_thread(function):
    """Return what a function returns in a thread of its own, which ends with its turns."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


KNOWS_TURNS = in_thread(lambda: (take_turns(SHORTEST_TURN_NS), turn_ns())[1]) == SHORTEST_TURN_NS
needs_turns = pytest.mark.skipif(not KNOWS_TURNS, reason='turns have lengths since Linux 6.12')


def test_a_thread_that_computes_can_go_back_to_one_that_mostly_sleeps():
    def both():
        take_turns(0, policy=os.SCHED_BATCH)
        before = os.sched_getscheduler(0), turn_ns()
        take_turns(SHORTEST_TURN_NS)
        return before, (os.sched_getscheduler(0), turn_ns())

    before, after = in_thread(both)
    assert (before[0], after[0]) == (os.SCHED_BATCH, os.SCHED_OTHER)
    if KNOWS_TURNS:
        assert before[1] > after[1] == SHORTEST_TURN_NS


@needs_turns
def test_what_a_thread_starts_takes_after_it_and_0_is_as_for_everybody():
    before, usual = turn_ns(), in_thread(lambda: (take_turns(0), turn_ns())[1])

    def one_in_another():
        take_turns(SHORTEST_TURN_NS)
        inherited = in_thread(turn_ns)
        take_turns(0)
        return inherited, turn_ns()

    assert in_thread(one_in_another) == (SHORTEST_TURN_NS, usual)
    assert turn_ns() == before


def test_a_worker_that_is_ready_competes_as_others_do_in_all_its_threads(tmp_path):
    text = contract('onnx', 'policy.onnx', 'stateless')
    made = bundle(tmp_path, onnx_model('stateless'), text, 'policy.onnx')
    worker = WorkerBackend(made, Inference(threads=2))
    try:
        worker.run(observations(1)[0], {})
        threads = [int(one) for one in os.listdir(f'/proc/{worker.pid}/task')]
        assert {os.sched_getscheduler(one) & ~SHARED for one in threads} == {os.SCHED_OTHER}
        if KNOWS_TURNS:
            assert {turn_ns(one) for one in threads} == {2 * SHORTEST_TURN_NS}
        assert os.sched_getscheduler(worker.pid) & SHARED  # what it starts has no priority
    finally:
        worker.close()
