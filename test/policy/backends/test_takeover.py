"""A worker that is killed is followed by another, and the actions are those of an unhurt run."""

import os
import signal
import sys
import threading
import time

import pytest
from backend_cases import ONNX_CASES, SB3_CASES, TORCH_CASES, bits, initial, observations

from fournex_runtime.errors import LateAnswer, WorkerDied
from fournex_runtime.policy.inference import Inference
from fournex_runtime.worker.succession import SuccessiveWorkers, describe_isolation

RECURRENT = next(case for case in ONNX_CASES if case.network == 'recurrent')
WITH_MEMORY = [
    RECURRENT,
    pytest.param(
        next(case for case in TORCH_CASES if case.network == 'lstm-buffers'),
        marks=pytest.mark.torch,
    ),
    pytest.param(
        next(case for case in SB3_CASES if case.network == 'lstm'), marks=pytest.mark.torch
    ),
]
KILLED_AT = (50, 51)


@pytest.fixture
def begin(make_bundle):
    """Return a function that makes the workers of a case, which end with the test."""
    begun = []

    def make(case, **inference):
        made = make_bundle(case)
        begun.append(SuccessiveWorkers(made, Inference(**inference), 60.0))
        return made, begun[-1]

    yield make
    for one in begun:
        one.close()


def run(made, workers, killed_at=()):
    """Return the bits of a run in which the state is handed on, as a session does."""
    state, results = initial(made), []
    for number, inputs in enumerate(observations(120)):
        if number in killed_at:
            os.kill(workers.pid, signal.SIGKILL)
        outputs, state = workers.run(inputs, state)
        results.append((outputs, state))
    return bits(results)


def wait_until(condition, timeout_s=60.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize('case', WITH_MEMORY, ids=str)
@pytest.mark.parametrize('spare', [True, False], ids=['spare', 'no spare'])
def test_a_run_whose_worker_is_killed_has_the_actions_of_one_whose_is_not(begin, case, spare):
    made, workers = begin(case, spare=spare)
    workers.waits = True  # as in lockstep: what is there to wait for is waited for
    expected = run(made, workers)
    assert workers.deaths == 0
    assert run(made, workers, KILLED_AT) == expected
    assert workers.deaths == len(KILLED_AT)


def test_a_spare_takes_over_within_the_call(begin):
    made, workers = begin(RECURRENT, spare=True)
    for deaths in (1, 2):
        wait_until(lambda: workers.spare_pid)
        before = workers.pid
        os.kill(before, signal.SIGKILL)
        workers.run(observations(1)[0], initial(made))  # does not wait for one to be started
        assert workers.pid != before and workers.deaths == deaths
    assert describe_isolation(workers).startswith('process, with a spare; capped: ')


def test_a_worker_that_dies_while_nobody_asks_is_followed_by_another(begin):
    made, workers = begin(RECURRENT, spare=True)
    question = observations(1)[0], initial(made)
    expected = bits([workers.run(*question)])
    for killed in ('spare_pid', 'pid'):
        wait_until(lambda: workers.spare_pid)
        pid = getattr(workers, killed)
        os.kill(pid, signal.SIGKILL)
        words = f'(process {pid}) was killed by SIGKILL'
        wait_until(lambda words=words: words in workers.problem)
        wait_until(lambda pid=pid: workers.spare_pid not in (0, pid))
        assert bits([workers.run(*question)]) == expected
    assert workers.number == 2  # a spare that dies has answered nothing


def test_a_worker_that_hangs_is_killed_and_followed_by_another(begin):
    made, workers = begin(RECURRENT, spare=True)
    wait_until(lambda: workers.spare_pid)
    question = observations(1)[0], initial(made)
    expected = bits([workers.run(*question)])
    workers.timeout_ns = 20_000_000
    os.kill(workers.pid, signal.SIGSTOP)
    for _ in range(3):
        with pytest.raises(LateAnswer):
            workers.run(*question)
    wait_until(lambda: workers.deaths)  # though nobody asks it any more
    assert 'gave no answer for 1 s and was killed' in workers.problem
    workers.timeout_ns = 60_000_000_000
    assert bits([workers.run(*question)]) == expected and workers.number == 2


def test_the_time_for_an_answer_begins_when_its_tick_does(begin):
    made, workers = begin(RECURRENT)
    question = observations(1)[0], initial(made)
    workers.timeout_ns = 3_600_000_000_000
    os.kill(workers.pid, signal.SIGSTOP)
    workers.ask([question], since_ns=time.monotonic_ns() - workers.timeout_ns)
    assert workers.deadline_ns <= time.monotonic_ns()
    with pytest.raises(LateAnswer, match='no answer within 3.6e'):
        workers.collect()
    os.kill(workers.pid, signal.SIGCONT)
    assert workers.run(*question)


def test_without_a_spare_the_call_fails_at_once_and_later_ones_are_answered(begin):
    made, workers = begin(RECURRENT)
    question = observations(1)[0], initial(made)
    expected = bits([workers.run(*question)])
    os.kill(workers.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match='was killed by SIGKILL; the next one is being started'):
        workers.run(*question)
    wait_until(lambda: workers.spare_pid)
    assert bits([workers.run(*question)]) == expected


def test_while_there_is_none_it_says_so(begin, tmp_path):
    gate, python = tmp_path / 'gate', tmp_path / 'python'
    python.write_text(
        f'#!/bin/sh\nuntil [ -e {gate} ]; do sleep 0.01; done\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    gate.touch()
    made, workers = begin(RECURRENT, python=python)
    assert workers.absence == ''
    gate.unlink()  # the next one is being started until it is there again
    os.kill(workers.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied):
        workers.run(observations(1)[0], initial(made))
    assert 'was killed by SIGKILL; the next one is being started' in workers.absence
    gate.touch()
    wait_until(lambda: not workers.absence)
    assert workers.run(observations(1)[0], initial(made))


def test_closing_while_the_next_one_is_being_started_leaves_nothing(begin):
    threads = threading.active_count()
    made, workers = begin(RECURRENT, spare=True)
    workers.close()
    with pytest.raises(WorkerDied):
        workers.run(observations(1)[0], initial(made))
    wait_until(lambda: 'fournex-keeper' not in {one.name for one in threading.enumerate()})

    assert not workers.spare_pid and threading.active_count() <= threads + 1  # the spawner
    children = f'/proc/self/task/{threading.main_thread().native_id}/children'
    with open(children) as stream:
        assert str(workers.pid) not in stream.read().split()
