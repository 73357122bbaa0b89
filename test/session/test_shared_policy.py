"""Sessions that ask one policy: who goes with whom, and in which row."""

import dataclasses
import pathlib

import numpy as np
import pytest
from backend_cases import bundle, contract, model_of, onnx_model
from onnx import TensorProto, helper
from tiny_session import WIRING, Run, edited

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.inference import DEFAULT_INFERENCE, INLINE
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.shared_policy import SharedPolicy
from fournex_runtime.session.sharing import sharing
from fournex_runtime.session.tick import AnswerKind
from fournex_runtime.session.wiring import parse_wiring

NAMES = ('one', 'two', 'three')


def wiring_of(bundles, **more):
    """Return a wiring of one session a bundle; ``more`` are lines of one of them."""
    head, one = WIRING.split('  tiny:\n')
    text = head
    for name in bundles:
        text += (
            f'  {name}:\n'
            + edited(one, ('topic: commands', f'topic: {name}/commands'))
            + f'    {more.get(name, "inference: {}")}\n'
        )
    return parse_wiring(text, pathlib.Path('wiring.yaml'), bundles)


@pytest.fixture(scope='module')
def recurrent(tmp_path_factory):
    """Return the bundle of a recurrent network with an open batch axis."""
    text = contract('onnx', 'policy.onnx', 'recurrent')
    model = onnx_model('recurrent', 'batch')
    return bundle(tmp_path_factory.mktemp('bundle'), model, text, 'policy.onnx')


@pytest.fixture(scope='module')
def slower(tmp_path_factory, recurrent):
    """Return the same network in a contract of another rate."""
    text = edited(contract('onnx', 'policy.onnx', 'recurrent'), ('period: 20 ms', 'period: 40 ms'))
    model = onnx_model('recurrent', 'batch')
    return bundle(tmp_path_factory.mktemp('slower'), model, text, 'policy.onnx')


def test_sessions_share_what_is_the_same_to_a_worker(recurrent, slower):
    bundles = {'one': recurrent, 'two': recurrent, 'three': slower}
    assert sharing(wiring_of(bundles)) == [['one', 'two', 'three']]
    assert sharing(wiring_of(bundles, two='inference: {batch: false}')) == [
        ['one', 'three'],
        ['two'],
    ]
    assert sharing(wiring_of(bundles, three='inference: {threads: 2}')) == [
        ['one', 'two'],
        ['three'],
    ]


@pytest.fixture(params=[INLINE, DEFAULT_INFERENCE], ids=['inline', 'worker'])
def policies(request, recurrent):
    """Return a function that loads the policy for three sessions; all are closed at the end."""
    loaded = []

    def load(**changes):
        means = dataclasses.replace(request.param, rows=3, **changes)
        loaded.append(load_backend(recurrent, means, 30.0))
        return SharedPolicy(loaded[-1], 3, means.deterministic)

    yield load
    for one in loaded:
        one.close()


def asked(recurrent):
    """Return the requests of three sessions that see different things."""
    wiring = wiring_of(dict.fromkeys(NAMES, recurrent))
    found = []
    for number, session in enumerate(wiring.sessions):
        run = Run(Engine(recurrent, session, messages()))
        run.tick(run.joints(0.1 * number, 0.2), episode='e')
        found.append(run.request)
    return found


def raw(answered):
    assert answered.answer.kind is AnswerKind.RESULT
    arrays = [*answered.answer.outputs.values(), *answered.answer.state.values()]
    return b''.join(array.tobytes() for array in arrays)


def test_a_session_keeps_its_row_and_its_bits_whoever_is_due(policies, recurrent):
    policy, requests = policies(), asked(recurrent)
    size = policy.backend.batch_size
    assert size >= 3
    policy.ask(list(enumerate(requests)))
    everybody = policy.answers()
    assert [(one.batch_size, one.batch_row) for one in everybody] == [
        (size, 0),
        (size, 1),
        (size, 2),
    ]
    policy.ask([(2, requests[2])])
    (alone,) = policy.answers()
    assert (alone.batch_size, alone.batch_row) == (size, 2)
    assert raw(alone) == raw(everybody[2])
    assert len({raw(one) for one in everybody}) == 3
    assert policy.describe(2) == f'row 2 of {size}'
    single = policy.backend.run(requests[2].observation.inputs, requests[2].recurrent)
    np.testing.assert_allclose(
        alone.answer.outputs['action'], single[0]['action'], rtol=0, atol=1e-6
    )


def test_without_deterministic_a_batch_is_of_those_who_are_due(policies, recurrent):
    policy, requests = policies(deterministic=False), asked(recurrent)
    policy.ask([(0, requests[0]), (2, requests[2])])
    assert [(one.batch_size, one.batch_row) for one in policy.answers()] == [(2, 0), (2, 1)]
    policy.ask([(2, requests[2])])
    (alone,) = policy.answers()
    assert (alone.batch_size, alone.batch_row) == (0, 0)


@pytest.fixture(scope='module')
def looks_up(tmp_path_factory):
    """Return the bundle of a network that fails where its first input is no row of its table."""
    nodes = [
        helper.make_node('Gather', ['obs', 'first'], ['number'], axis=1),
        helper.make_node('Cast', ['number'], ['row'], to=TensorProto.INT64),
        helper.make_node('Gather', ['table', 'row'], ['action'], axis=0),
    ]
    numbers = {'first': np.array(0), 'table': np.zeros((99, 2), np.float32)}
    model = model_of(nodes, {'obs': 6}, {'action': 2}, numbers, 'batch')
    text = contract('onnx', 'policy.onnx', 'stateless')
    return bundle(tmp_path_factory.mktemp('looks_up'), model, text, 'policy.onnx')


@pytest.mark.parametrize('means', [INLINE, DEFAULT_INFERENCE], ids=['inline', 'worker'])
def test_what_fails_for_one_session_fails_for_no_other(means, looks_up):
    wiring = wiring_of(dict.fromkeys(NAMES, looks_up))
    requests = []
    for session, position in zip(wiring.sessions, (0.0, 1e6, 0.0)):
        run = Run(Engine(looks_up, session, messages()))
        run.tick(run.joints(position, 0.2), episode='e')
        requests.append(run.request)
    backend = load_backend(looks_up, dataclasses.replace(means, rows=3), 30.0)
    try:
        assert backend.batch_size >= 3
        policy = SharedPolicy(backend, 3)
        policy.ask(list(enumerate(requests)))
        first, second, third = (one.answer for one in policy.answers())
        assert (first.kind, third.kind) == (AnswerKind.RESULT, AnswerKind.RESULT)
        assert second.kind is AnswerKind.FAILED and 'out of data bounds' in second.problem
        policy.ask([(1, requests[1])])
        (alone,) = policy.answers()
        assert alone.answer.kind is AnswerKind.FAILED and 'bounds' in alone.answer.problem
    finally:
        backend.close()
