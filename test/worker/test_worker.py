"""A worker's life: it answers, it is late, it dies; and in no case does anything hang or stay."""

import gc
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from backend_cases import bits, bundle, contract, endless_onnx_model, observations, onnx_model

from fournex_runtime.errors import ArtifactError, ConfigurationError, LateAnswer, WorkerDied
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.inference import Inference
from fournex_runtime.worker.backend import WorkerBackend
from fournex_runtime.worker.process import LOG_BYTES
from fournex_runtime.worker.report import read_report
from fournex_runtime.worker.succession import SuccessiveWorkers

ENDLESS = {'obs': np.full((1, 6), 150.0, np.float32)}
QUESTIONS = observations(20)


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    text = contract('onnx', 'policy.onnx', 'stateless')
    return bundle(tmp_path_factory.mktemp('plain'), onnx_model('stateless'), text, 'policy.onnx')


@pytest.fixture(scope='module')
def endless(tmp_path_factory):
    text = contract('onnx', 'policy.onnx', 'stateless')
    return bundle(tmp_path_factory.mktemp('endless'), endless_onnx_model(), text, 'policy.onnx')


@pytest.fixture
def begin():
    """Return a function that makes a WorkerBackend, which is closed after the test."""
    begun = []

    def make(*arguments, **named):
        begun.append(WorkerBackend(*arguments, **named))
        return begun[-1]

    yield make
    for one in begun:
        one.close()


def gone(pid):
    """Return whether there is no such process, or only what is left of one."""
    try:
        with open(f'/proc/{pid}/stat') as stream:
            return stream.read().rsplit(')', 1)[1].split()[0] == 'Z'
    except FileNotFoundError:
        return True


def wait_until(condition, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def descriptors():
    return len(os.listdir('/proc/self/fd'))


def test_a_worker_that_fills_the_count_of_requests_holds_nobody_up(begin, plain):
    backend = begin(plain)
    os.kill(backend.pid, signal.SIGSTOP)
    os.eventfd_write(backend._handles.request, 2**64 - 2)
    with pytest.raises(WorkerDied, match='has filled the count of requests'):
        backend.run(QUESTIONS[0], {})


def test_it_reports_what_it_is_when_it_is_ready(begin, plain):
    backend = begin(plain)
    report = backend.report
    assert report.description == backend.description == load_backend(plain).description
    assert report.python == '.'.join(map(str, sys.version_info[:3]))
    assert report.numpy == np.__version__
    assert report.load_ns > 0 and report.warm_up_ns > 0
    assert backend.log() == ''


def test_it_is_late_and_then_on_time_again(begin, plain):
    backend = begin(plain, timeout_s=0.05)
    expected = [bits([backend.run(one, {})]) for one in QUESTIONS]
    os.kill(backend.pid, signal.SIGSTOP)
    for late in range(1, 4):
        began = time.monotonic()
        with pytest.raises(LateAnswer, match='no answer within 50 ms'):
            backend.run(QUESTIONS[late], {})
        assert 0.05 <= time.monotonic() - began < 10.0
        assert backend.late == late
    os.kill(backend.pid, signal.SIGCONT)
    # Answers to the questions that were given up may come first, and are not taken.
    backend.timeout_ns = 5_000_000_000
    assert [bits([backend.run(one, {})]) for one in QUESTIONS] == expected


def test_an_answer_that_comes_too_late_is_never_taken_for_the_next_one(begin, plain):
    backend = begin(plain, timeout_s=5.0)
    expected = [bits([backend.run(one, {})]) for one in QUESTIONS]
    given_up = 0
    for turn in range(40):
        for number, one in enumerate(QUESTIONS):
            backend.timeout_ns = 1_000 if (turn + number) % 3 == 0 else 5_000_000_000
            try:
                assert bits([backend.run(one, {})]) == expected[number]
            except LateAnswer:
                given_up += 1
    assert given_up == backend.late > 0


def test_an_endless_run_is_late_each_time_and_ends_when_closed(begin, endless):
    backend = begin(endless, timeout_s=0.1)
    backend.run(QUESTIONS[0], {})
    for _ in range(3):
        with pytest.raises(LateAnswer):
            backend.run(ENDLESS, {})
    began = time.monotonic()
    backend.close()
    assert time.monotonic() - began < 20.0
    assert gone(backend.pid)
    with pytest.raises(WorkerDied, match='its worker was closed'):
        backend.run(QUESTIONS[0], {})


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_its_death_is_noticed_while_it_runs(begin, endless, number):
    backend = begin(endless, timeout_s=30.0)
    killer = threading.Timer(0.2, os.kill, (backend.pid, number))
    killer.start()
    began = time.monotonic()
    with pytest.raises(WorkerDied, match=f'was killed by {number.name}') as caught:
        backend.run(ENDLESS, {})
    killer.join()
    assert time.monotonic() - began < 20.0
    assert ('Fatal Python error' in str(caught.value)) == (number != signal.SIGKILL)


def test_what_is_asked_of_a_user_at_a_terminal_is_not_asked_of_it(begin, plain):
    backend = begin(plain)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(backend.pid, number)
    for one in QUESTIONS:
        backend.run(one, {})
    assert os.getsid(backend.pid) == backend.pid != os.getsid(0)


def test_it_outlives_the_thread_that_asked_for_it(plain):
    made = []
    thread = threading.Thread(target=lambda: made.append(WorkerBackend(plain)))
    thread.start()
    thread.join()
    time.sleep(0.2)
    made[0].run(QUESTIONS[0], {})
    made[0].close()


PARENT = """
import os, pathlib, sys, time
from fournex_runtime.policy.bundle import load_bundle
from fournex_runtime.worker.backend import WorkerBackend
backend = WorkerBackend(load_bundle(pathlib.Path(sys.argv[1])), timeout_s=60.0)
print(backend.pid, flush=True)
if sys.argv[2] == 'busy':
    import numpy
    backend.run({'obs': numpy.full((1, 6), 150.0, 'f4')}, {})
time.sleep(60)
"""


@pytest.mark.parametrize('doing', ['idle', 'busy'])
def test_it_dies_with_the_process_that_started_it(start, checkout, endless, doing):
    environment = {**os.environ, 'PYTHONPATH': str(checkout)}
    parent = start(
        'parent', [sys.executable, '-c', PARENT, endless.folder, doing], environment=environment
    )
    worker = int(parent.wait_for('\n').split()[0])
    assert not gone(worker)
    time.sleep(0.1)
    parent.signal(signal.SIGKILL)
    wait_until(lambda: gone(worker))


def test_a_backend_that_is_forgotten_takes_its_worker_along(plain):
    before = descriptors()
    backend = WorkerBackend(plain)
    pid = backend.pid
    del backend
    gc.collect()
    wait_until(lambda: gone(pid))
    assert descriptors() == before


def test_many_lives_leave_no_descriptor_and_no_process_behind(plain, endless):
    WorkerBackend(plain).close()
    before = descriptors()
    for turn in range(6):
        backend = WorkerBackend(plain)
        if turn % 2:
            os.kill(backend.pid, signal.SIGKILL)
        backend.close()
        backend.close()
        with pytest.raises(ChildProcessError):
            os.waitpid(backend.pid, os.WNOHANG)
    assert descriptors() == before


def test_whoever_closes_it_returns_once_it_is_gone_though_others_close_it_too(plain):
    before = descriptors()
    backend = WorkerBackend(plain)
    together, seen = threading.Barrier(8), []

    def close() -> None:
        together.wait()
        backend.close()
        seen.append(gone(backend.pid))

    threads = [threading.Thread(target=close) for _ in range(together.parties)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert seen == [True] * len(threads)
    assert descriptors() == before


def test_one_that_is_not_ready_in_time_is_an_error_and_is_ended(plain):
    before = descriptors()
    with pytest.raises(WorkerDied, match=r'policy\.onnx: .* was not ready after 0\.001 s'):
        WorkerBackend(plain, ready_timeout_s=0.001)
    gc.collect()
    assert descriptors() == before


SAID = {
    'description': 'a library 1.0 cpu',
    'provider': 'cpu',
    'batch_size': 0,
    'threads': 1,
    'python': '3.12.0',
    'numpy': '2.0.0',
    'load_ns': 1,
    'warm_up_ns': 1,
    'caps': [['memory', True, 'little']],
    'lock': None,
}


@pytest.mark.parametrize(
    ('said', 'expected'),
    [
        (b'not JSON', 'Expecting value'),
        (b'[' * 4000, 'nested too deeply'),
        (b'"abc"', 'expected a JSON object'),
        (b'{}', 'expected description, provider, batch_size'),
        ({**SAID, 'batch_size': True}, 'batch_size: expected int, found True'),
        ({**SAID, 'description': 3}, 'description: expected str, found 3'),
        ({**SAID, 'caps': 3}, 'caps: expected a list, found 3'),
        ({**SAID, 'caps': [['memory', 'yes', '']]}, 'caps: expected name, true or false'),
        ({**SAID, 'lock': ['lock_memory']}, 'lock: expected name, true or false'),
        ({'missing': 3}, 'expected nothing but missing'),
        ({**SAID, 'error': 'both'}, 'expected nothing but error'),
    ],
)
def test_a_report_that_no_worker_makes_is_refused_in_words(said, expected):
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    with pytest.raises(ValueError, match=re.escape(expected)):
        read_report(data)


def test_the_error_names_the_worker_that_says_anything(plain, tmp_path):
    before = descriptors()
    liar = tmp_path / 'python'
    liar.write_text(
        f'#!{sys.executable}\nimport json, os, sys\n'
        "os.write(json.load(sys.stdin)['report'], b'{}')\n"
    )
    liar.chmod(0o755)
    words = f"policy\\.onnx: its worker under {liar} said b'{{}}', which is not what a worker says"
    with pytest.raises(WorkerDied, match=words):
        WorkerBackend(plain, Inference(python=liar))
    gc.collect()
    assert descriptors() == before


def test_what_it_prints_is_kept_up_to_a_limit(begin, plain, tmp_path):
    noisy = tmp_path / 'python'
    noisy.write_text(
        '#!/bin/sh\necho the first line\n'
        f'yes | head -c {2 * LOG_BYTES}\nexec {sys.executable} "$@"\n'
    )
    noisy.chmod(0o755)
    backend = begin(plain, Inference(python=noisy))
    backend.run(QUESTIONS[0], {})
    log = backend.log()
    assert log.startswith('the first line\ny\ny\n')
    assert LOG_BYTES // 2 < len(log) <= LOG_BYTES


def test_an_artifact_that_does_not_load_is_the_artifacts_error(plain, tmp_path):
    text = contract('onnx', 'policy.onnx', 'stateless')
    broken = bundle(tmp_path, b'no model at all', text, 'policy.onnx')
    with pytest.raises(ArtifactError, match='not a loadable ONNX model') as caught:
        WorkerBackend(broken)
    assert not isinstance(caught.value, WorkerDied)


def test_it_can_be_kept_to_some_cores(begin, plain):
    core = max(os.sched_getaffinity(0))
    backend = begin(plain, Inference(cores=(core,)))
    assert os.sched_getaffinity(backend.pid) == {core}
    assert os.sched_getaffinity(0) != {core} or os.cpu_count() == 1


def test_a_core_that_is_not_there_is_refused_in_words(plain):
    with pytest.raises(ConfigurationError, match='inference.cores: .*: asked for 9999, a worker'):
        WorkerBackend(plain, Inference(cores=(9999,)))


def test_an_answer_that_is_looked_for_is_the_same_and_late_in_time(begin, plain):
    asleep, looking = begin(plain), begin(plain, Inference(spin_ns=50_000_000), timeout_s=5.0)
    for one in QUESTIONS:
        assert bits([asleep.run(one, {})]) == bits([looking.run(one, {})])
    os.kill(looking.pid, signal.SIGSTOP)
    for timeout_s in (0.01, 0.1):  # within the time of looking, and after it
        looking.timeout_ns = round(timeout_s * 1e9)
        began = time.monotonic()
        with pytest.raises(LateAnswer):
            looking.run(QUESTIONS[0], {})
        assert timeout_s <= time.monotonic() - began


@pytest.mark.parametrize('threads', [1, 3])
def test_its_libraries_use_as_many_threads_as_they_may(begin, plain, threads):
    backend = begin(plain, Inference(threads=threads))
    with open(f'/proc/{backend.pid}/environ', 'rb') as stream:
        assert b'\0OMP_NUM_THREADS=%d\0' % threads in b'\0' + stream.read()
    backend.run(QUESTIONS[0], {})
    running = len(os.listdir(f'/proc/{backend.pid}/task'))
    assert running == 1 if threads == 1 else running >= threads


def test_the_child_of_a_fork_can_have_workers_too(plain, checkout):
    WorkerBackend(plain).close()  # the thread that starts workers is there, and a fork lacks it
    program = (
        'import os, pathlib, sys\n'
        'from fournex_runtime.policy.bundle import load_bundle\n'
        'from fournex_runtime.worker.backend import WorkerBackend\n'
        'bundle = load_bundle(pathlib.Path(sys.argv[1]))\n'
        'WorkerBackend(bundle).close()\n'
        'child = os.fork()\n'
        'if child == 0:\n'
        '    WorkerBackend(bundle).close()\n'
        '    os._exit(0)\n'
        'sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', program, plain.folder],
        env={**os.environ, 'PYTHONPATH': str(checkout)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr


def test_an_answer_that_was_late_can_be_waited_for_once_more(plain):
    backend = SuccessiveWorkers(plain, timeout_s=10.0)
    try:
        wanted = bits([backend.run(QUESTIONS[0], {})])
        assert not backend.await_late()  # nothing is
        for continues in (True, False):
            os.kill(backend.pid, signal.SIGSTOP)
            backend.timeout_ns = 20_000_000
            with pytest.raises(LateAnswer):
                backend.run(QUESTIONS[0], {})
            if continues:
                os.kill(backend.pid, signal.SIGCONT)
                backend.timeout_ns = 10_000_000_000
                assert backend.await_late()
                assert bits(backend.collect()) == wanted
                continue
            assert backend.await_late()
            with pytest.raises(LateAnswer):
                backend.collect()
            assert not backend.await_late()  # not a third time: it is asked anew
            os.kill(backend.pid, signal.SIGCONT)
            backend.timeout_ns = 10_000_000_000
            assert bits([backend.run(QUESTIONS[1], {})]) != wanted
    finally:
        backend.close()
