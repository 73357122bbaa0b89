"""A worker that the loop waits for is as urgent as the kernel lets it be, and says so."""

import os
import resource
import time

import numpy as np
import pytest
from backend_cases import bundle, contract, endless_onnx_model

from fournex_runtime.errors import WorkerDied
from fournex_runtime.policy.inference import Inference
from fournex_runtime.worker.backend import WorkerBackend
from fournex_runtime.worker.caps import URGENT_US

PRIORITY = 20
ENDLESS = {'obs': np.full((1, 6), 150.0, np.float32)}


@pytest.fixture(scope='module')
def worker(tmp_path_factory):
    """Return a worker that asked for everything; its network can be made to run for ever."""
    text = contract('onnx', 'policy.onnx', 'stateless')
    folder = tmp_path_factory.mktemp('urgent')
    made = bundle(folder, endless_onnx_model(), text, 'policy.onnx')
    found = WorkerBackend(made, Inference(priority=PRIORITY, lock_memory=True), timeout_s=20.0)
    yield found
    found.close()


def status(pid, key):
    with open(f'/proc/{pid}/status') as stream:
        return next(line.split()[1] for line in stream if line.startswith(f'{key}:'))


def threads(pid):
    return [int(name) for name in os.listdir(f'/proc/{pid}/task')]


def test_what_is_granted_is_in_force_in_every_thread_and_what_is_refused_says_why(worker):
    memory, priority = worker.grants
    assert (memory.name, priority.name) == ('lock_memory', 'priority')
    policies = {os.sched_getscheduler(one) for one in threads(worker.pid)}
    if priority.granted:
        assert policies == {os.SCHED_FIFO | os.SCHED_RESET_ON_FORK}
        assert {os.sched_getparam(one).sched_priority for one in threads(worker.pid)} == {PRIORITY}
        assert priority.words == f'SCHED_FIFO {PRIORITY}'
    else:
        assert f'@realtime - rtprio {PRIORITY}' in priority.words
        assert os.SCHED_FIFO not in policies
    assert (int(status(worker.pid, 'VmLck')) > 0) == memory.granted
    assert memory.granted or '@realtime - memlock unlimited' in memory.words


def test_one_that_never_rests_is_ended_before_it_takes_the_machine(worker):
    assert resource.prlimit(worker.pid, resource.RLIMIT_RTTIME) == (URGENT_US, URGENT_US)
    assert max(resource.prlimit(worker.pid, resource.RLIMIT_RTPRIO)) <= PRIORITY
    if worker.grants[1].granted:
        began = time.monotonic()
        with pytest.raises(WorkerDied, match='was killed by SIG'):
            worker.run(ENDLESS, {})
        assert time.monotonic() - began < 15.0  # the cap of a worker without a priority is 30 s
