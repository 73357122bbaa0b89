"""The bench of the control loop: that its peers do the same work, and that a block says it."""

from __future__ import annotations

import os

import cyclictest
import numpy as np
import pytest
import tick_cost
from blocks import Case, Machine
from floor import OBSERVATIONS
from observations import commanded, observe
from page import write_page
from ratios import bootstrap, ratio, resolvable
from workloads import (
    IMAGE,
    JOINT_STATE,
    POSE,
    SCAN,
    WORKLOADS,
    image_bytes,
    joint_state_bytes,
    scan_bytes,
    target_bytes,
    write_workload,
)

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import Answer, AnswerKind, EpisodeStart, Received, TickInputs
from fournex_runtime.session.wiring import load_wiring

SENT = {
    'arm_200': {'joint_states': (JOINT_STATE, joint_state_bytes), 'target': (POSE, target_bytes)},
    'scan_50': {'scan': (SCAN, scan_bytes)},
    'camera_30': {'image': (IMAGE, image_bytes)},
}


@pytest.mark.parametrize('name', SENT)
def test_every_peer_sees_and_commands_the_same(name, tmp_path):
    workload, sent = WORKLOADS[name], SENT[name]
    wiring = load_wiring(write_workload(workload, tmp_path))
    one = wiring.sessions[0]
    engine = Engine(wiring.bundles[one.name], one, messages())
    raw = {topic: make() for topic, (_, make) in sent.items()}
    taken = tuple((Received(1, 0, raw[source.topic]),) for source in one.sources)
    inputs = TickInputs(taken, 0, 0, 0, EpisodeStart('e', 1))
    state = engine.initial_state()

    request = engine.observe(inputs, state)
    ours = request.observation.inputs['obs']
    answer = load_backend(engine.bundle).run({'obs': ours}, {})
    record, _ = engine.conclude(request, Answer(AnswerKind.RESULT, *answer), state)

    last_action = np.zeros(12 if workload.kind == 'arm' else 2)
    newest = {topic: messages().decode(raw[topic], kind) for topic, (kind, _) in sent.items()}
    np.testing.assert_allclose(observe(workload.kind, newest, last_action), ours, rtol=1e-6)
    seen = OBSERVATIONS[workload.kind]()(list(raw.values()), last_action)
    np.testing.assert_allclose(seen, ours, rtol=1e-6)
    command = messages().decode(record.commands[0], one.targets[0].type)
    told = command.data if workload.kind == 'arm' else [command.linear.x, command.angular.z]
    np.testing.assert_allclose(commanded(workload.kind, answer[0]['action'][0]), told, rtol=1e-6)


def test_a_block_of_the_runtime_and_one_of_the_kernel_make_a_page(tmp_path):
    machine = Machine(tmp_path, os.environ['ROS_DOMAIN_ID'])
    blocks = [
        {
            'workload': 'arm_50',
            'condition': 'idle',
            'peer': peer,
            'round': 0,
            'figures': machine.run(Case(WORKLOADS['arm_50'], peer), 1.0, 0.2),
        }
        for peer in ('ours', 'kernel')
    ]
    ours, kernel = (one['figures'] for one in blocks)
    assert 25 <= ours['ticks'] <= 51
    assert 0 < ours['take_p50'] + ours['decode_p50'] + ours['observe_p50'] < ours['age_max']
    assert ours['cpu_us'] > kernel['cpu_us'] > 0
    assert ours['start_ms'] > kernel['start_ms'] > 0

    run = {
        'command': 'none',
        'date': 'today',
        'machine': {},
        'rounds': 1,
        'seconds': 1.0,
        'wrapper_us': [(10.0, 12.0)],
        'batch_us': [(200.0, 500.0)],
        'blocks': blocks,
    }
    page = write_page(run, tmp_path).read_text()
    assert '| wrapper around a raw ONNX Runtime call, p50 | in process | ≤ 5 µs | 2 µs' in page
    assert 'of 64 separate calls | in process | ≤ 0.5 | 0.4 (0.4 to 0.4) |' in page
    assert '| bare rclpy node |' not in page
    assert (tmp_path / 'cpu.png').stat().st_size > 1000
    assert 'Two runs compared' not in page

    slower = {**run, 'date': 'yesterday', 'wrapper_us': [(10.0, 14.0)]}
    page = write_page(run, tmp_path, slower).read_text()
    assert 'This run is of today, the other of yesterday' in page
    assert (
        '| wrapper around a raw ONNX Runtime call, p50 | in process | ≤ 5 µs '
        '| 4 µs (4 to 4), undecided: 1 round | 2 µs (2 to 2), undecided: 1 round | 0.50 | differ |'
    ) in page


def test_the_cost_of_a_tick_is_told_by_stage(monkeypatch):
    monkeypatch.setattr(tick_cost, 'TICKS', {'warm': 20})
    found = tick_cost.block('scan_50')
    assert list(found) == ['warm']
    assert len(found['warm']) == len(tick_cost.STAGES) and min(found['warm']) > 0


def test_a_ratio_pairs_blocks_of_one_round_and_knows_its_doubt():
    blocks = [
        {'workload': 'w', 'condition': 'idle', 'peer': peer, 'round': number, 'figures': {'f': f}}
        for peer, found in (('ours', (1.0, 4.0, 9.0)), ('bare', (2.0, 8.0, 18.0)))
        for number, f in enumerate(found)
    ]
    found = ratio(blocks, 'w', 'idle', ('f', 'f'), ('ours', 'bare'))
    assert (found.middle, found.low, found.high) == (0.5, 0.5, 0.5)
    assert (found.judged(0.5), found.judged(0.4)) == ('met', 'missed')
    assert bootstrap(np.array([0.5])).judged(1.0) == 'undecided: 1 round'
    assert ratio(blocks, 'w', 'loaded', ('f', 'f'), ('ours', 'bare')) is None

    one, near, far = (bootstrap(np.array([v])) for v in (1.0, 1.09, 1.3))
    assert one.agrees(near) and not one.agrees(far)
    doubtful = bootstrap(np.array([0.5, 1.0, 2.0]))
    assert doubtful.judged(1.0) == 'undecided'
    assert doubtful.agrees(far)
    assert not resolvable(doubtful)
    assert resolvable(bootstrap(np.array([0.9, 1.0, 1.1])))


@pytest.mark.skipif(not cyclictest.installed(), reason='cyclictest (rt-tests) is not installed')
def test_a_block_of_cyclictest(tmp_path):
    machine = Machine(tmp_path, os.environ['ROS_DOMAIN_ID'])
    found = machine.run(Case(WORKLOADS['arm_200'], 'cyclictest'), 1.0, 0.0)
    assert 0.0 < found['late_p50'] <= found['late_p99'] <= found['late_max']
    assert found['ticks'] <= 1e9 / WORKLOADS['arm_200'].period_ns + 1
