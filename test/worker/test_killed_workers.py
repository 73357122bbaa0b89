"""
A session whose worker is killed every 50 ticks has the actions of one whose worker is not.

The policies that come with Fournex drive their simulated robots, through the whole engine: what a
robot does after an action depends on its last bit.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess

import pytest
from tiny_session import edited

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.bundle import seal_bundle
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import Mode
from fournex_runtime.session.wiring import load_wiring
from fournex_runtime.sim.evaluation import Evaluation
from fournex_runtime.sim.registry import make_robot
from fournex_runtime.worker.succession import SuccessiveWorkers

EVERY = 50
SOAK = pytest.mark.soak
BUFFERS = (
    ('input: h_in, output: h_out', 'buffer: hidden_state'),
    ('input: c_in, output: c_out', 'buffer: cell_state'),
)


class Over(Exception):
    """A run has had its ticks."""


@pytest.fixture
def in_buffers(checkout, torch_python, torch_environment, tmp_path):
    """Return the pendulum's policy as TorchScript that remembers in buffers of its own."""
    exporter = checkout / 'test' / 'support' / 'pendulum_artifacts.py'
    command = [torch_python, '-W', 'ignore', exporter, 'export', tmp_path]
    subprocess.run(command, env=torch_environment, capture_output=True, timeout=100, check=True)
    folder, source = tmp_path / 'bundle', checkout / 'examples' / 'pendulum' / 'bundle'
    folder.mkdir()
    head, line, _ = (source / 'policy.yaml').read_text().partition('  file: policy.onnx\n')
    assert line
    zeros = '0' * 64
    tail = f'  file: buffers.pt\n  sha256: {zeros!r}\n  backend: torchscript\n'
    (folder / 'policy.yaml').write_text(edited(head + tail, *BUFFERS))
    for file in (tmp_path / 'buffers.pt', *source.glob('*.safetensors')):
        shutil.copy(file, folder)
    return seal_bundle(folder).folder


def actions(robot, wiring, workers, ticks, killed):
    """Return the bits of every action and state of a run."""
    session = wiring.sessions[0]
    found = []

    def on_tick(inputs, record, timing, state):
        assert record.mode is Mode.POLICY, record.cause
        found.append([a.tobytes() for a in (*record.raw_action.values(), *record.state.values())])
        if len(found) == ticks:
            raise Over
        if killed and len(found) % EVERY == 0:
            os.kill(workers.pid, signal.SIGKILL)

    engine = Engine(wiring.bundles[session.name], session, messages())
    evaluation = Evaluation(make_robot(robot), engine, workers, messages(), on_tick=on_tick)
    with pytest.raises(Over):
        for seed in range(100):
            evaluation.run(seed)
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ('robot', 'ticks', 'torch'),
    [
        ('pendulum', 160, False),
        pytest.param('pendulum', 1010, False, marks=SOAK),
        pytest.param('arm', 510, False, marks=SOAK),
        pytest.param('rover', 510, False, marks=SOAK),
        pytest.param('pendulum', 310, True, marks=[SOAK, pytest.mark.torch]),
    ],
)
def test_killed_every_50_ticks_it_has_the_same_actions(robot, ticks, torch, checkout, request):
    bundle = request.getfixturevalue('in_buffers') if torch else None
    wiring = load_wiring(checkout / 'examples' / robot / 'wiring.yaml', bundle)
    inference = dataclasses.replace(wiring.sessions[0].inference, spare=True)
    workers = SuccessiveWorkers(wiring.bundles[robot], inference, 60.0)
    workers.waits = True  # as in lockstep: two deaths in a row are waited for
    try:
        expected = actions(robot, wiring, workers, ticks, killed=False)
        assert workers.number == 1
        assert actions(robot, wiring, workers, ticks, killed=True) == expected
        assert workers.number == 1 + (ticks - 1) // EVERY
    finally:
        workers.close()
    assert len({one[0] for one in expected}) > ticks // 2, 'the actions differ from one another'
