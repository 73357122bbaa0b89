"""What every backend must do, whatever runs the artifact and wherever."""

import os
import pathlib
import signal
import time

import numpy as np
import pytest
from backend_cases import (
    MADE_BY,
    ONNX_CASES,
    SB3_CASES,
    TORCH_CASES,
    action_of,
    bits,
    episode,
    initial,
    load_as,
    questions,
    weights,
)
from tiny_session import WIRING, Run

from fournex_runtime.errors import ArtifactError, WorkerDied
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import signature, warm_up
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import Answer, AnswerKind
from fournex_runtime.session.wiring import parse_wiring

SELDOM = {
    ('torchscript', 'lstm'),
    ('torchscript', 'gru-buffers'),
    ('torchscript', 'drawn'),
    ('torch_export', 'lstm-buffers'),
}
"""Whose neighbours are like them: a worker with torch takes seconds to start."""
CASES = [
    *(pytest.param(case, id=str(case)) for case in ONNX_CASES),
    *(
        pytest.param(
            case,
            id=str(case),
            marks=[
                pytest.mark.torch,
                *([pytest.mark.soak] if (case.backend, case.network) in SELDOM else []),
            ],
        )
        for case in (*SB3_CASES, *TORCH_CASES)
    ),
]

ONE_OF_EACH = [one for one in CASES if one.values[0].network == 'stateless']
"""For what is the same whatever the network, and takes a load of its own."""
REMEMBERING = [
    one for one in CASES if one.values[0].network in ('recurrent', 'lstm', 'lstm-buffers')
]


@pytest.fixture(scope='module', params=CASES)
def case(request):
    return request.param


@pytest.fixture(scope='module')
def bundle(case, make_bundle):
    return make_bundle(case)


@pytest.fixture(scope='module')
def backend(case, bundle):
    loaded = load_as(case, bundle)
    yield loaded
    loaded.close()


@pytest.fixture(scope='module')
def reference(case, bundle, request):
    """Return questions and what they must be answered with, by whoever made the network."""
    if case.backend in MADE_BY:
        folder = request.getfixturevalue(MADE_BY[case.backend])
        kept = np.load(folder / f'{case.network}.npz')
        takes = [one.name for one in signature(bundle.contract).inputs]
        rows = zip(*(kept[name] for name in takes))
        return [dict(zip(takes, row)) for row in rows], kept['action']
    numbers, h, found = weights(), np.zeros((1, 2), np.float32), []
    asked = questions(bundle, 40)
    for one in asked:
        x = one['obs'] @ numbers['W']
        h = np.tanh(x + h @ numbers['U'] if case.network == 'recurrent' else x)
        found.append(h @ numbers['V'] + one.get('noise', np.float32(0.0)))
    return asked, np.stack(found)


def test_it_says_what_runs_it(case, backend):
    library, device = 'onnxruntime', 'CPUExecutionProvider'
    if case.backend.startswith('torch'):
        library, device = 'torch', 'cpu'
    words = backend.description.split()
    assert words[0] == library and words[1][0].isdigit() and words[-1] == device
    assert backend.provider == 'cpu'


def test_names_shapes_and_dtypes_are_those_of_the_contract(backend, bundle):
    outputs, following = backend.run(questions(bundle, 1)[0], initial(bundle))
    spec = signature(bundle.contract)
    assert list(outputs) == [one.name for one in spec.outputs]
    assert not any(one.mismatch(outputs[one.name]) for one in spec.outputs)
    assert {name: (a.shape, a.dtype) for name, a in following.items()} == {
        one.name: (one.shape, np.float32) for one in bundle.contract.state
    }


def test_it_answers_as_the_library_that_made_the_network(case, backend, bundle, reference):
    asked, expected = reference
    found = [action_of(outputs) for outputs, _ in episode(backend, initial(bundle), asked)]
    if case.backend == 'torchscript':
        assert np.stack(found).tobytes() == expected.tobytes()
    else:  # another library, or the same one with its LSTM taken apart
        np.testing.assert_allclose(np.stack(found), expected, rtol=0, atol=1e-6)


def test_one_question_has_one_answer_to_the_bit(backend, bundle):
    asked, start = questions(bundle, 30), initial(bundle)
    first = bits([backend.run(one, start) for one in asked])
    again = bits([backend.run(one, start) for one in reversed(asked)])
    assert len({*first}) > 1
    assert sorted(first) == sorted(again)
    assert first == bits([backend.run(one, start) for one in asked])


def test_state_goes_in_and_comes_out(case, backend, bundle):
    one, start = questions(bundle, 1)[0], initial(bundle)
    _, after = backend.run(one, start)
    assert not any(array.any() for array in start.values())
    if not bundle.contract.state:
        assert after == {}
        return
    assert all(array.any() for array in after.values())
    assert bits([backend.run(one, after)]) != bits([backend.run(one, start)])


def test_what_it_gave_stays_as_it_was(backend, bundle):
    given = list(episode(backend, initial(bundle), questions(bundle, 2)))
    before = bits(given)
    list(episode(backend, initial(bundle), questions(bundle, 5, seed=9)))
    assert bits(given) == before


def test_an_episode_begun_anew_is_like_one_after_a_fresh_load_which_leaves_nothing_behind(
    case, backend, bundle, load
):
    list(episode(backend, initial(bundle), questions(bundle, 10, seed=5)))
    here = bits(episode(backend, initial(bundle), questions(bundle, 10)))
    fresh = load(case, bundle)
    assert here == bits(episode(fresh, initial(bundle), questions(bundle, 10)))
    open_files = len(os.listdir('/proc/self/fd'))
    fresh.close()
    fresh.close()  # twice is as good as once
    if case.worker:
        with pytest.raises(ProcessLookupError):
            os.kill(fresh.pid, 0)
        assert len(os.listdir('/proc/self/fd')) < open_files
        with pytest.raises(WorkerDied, match=r'its worker was closed'):
            fresh.run(questions(bundle, 1)[0], initial(bundle))


def test_two_sessions_that_take_turns_do_not_notice(backend, bundle):
    asked = questions(bundle, 10, seed=1), questions(bundle, 10, seed=2)
    alone = [bits(episode(backend, initial(bundle), one)) for one in asked]
    turns = [episode(backend, initial(bundle), one) for one in asked]
    together = list(zip(*turns))
    assert alone == [bits(one) for one in zip(*together)]


def test_a_batch_is_answered_as_one_by_one(backend, bundle):
    """Of requests in the midst of different episodes; the results are theirs to keep."""
    asked = []
    for seed in range(7):
        one, following = questions(bundle, 2, seed)
        asked.append((following, backend.run(one, initial(bundle))[1]))
    alone = [backend.run(*one) for one in asked]
    together = backend.run_batch(asked)
    kept = bits(together)
    assert len(together) == len(alone)
    for mine, theirs in zip(together, alone):
        for side, other in zip(mine, theirs):
            assert list(side) == list(other)
            for name in side:
                assert side[name].shape == other[name].shape
                assert side[name].dtype == other[name].dtype
                np.testing.assert_allclose(side[name], other[name], rtol=0, atol=1e-6)
    assert backend.run_batch([]) == []
    assert bits(backend.run_batch(asked[:1])) == bits(alone[:1])
    backend.run_batch(list(reversed(asked)))
    assert bits(together) == kept


def test_what_is_drawn_is_said_by_the_seed_of_the_episode(backend, bundle):
    """Through the session: its observation, its state, its episodes."""
    if not bundle.contract.draws:
        pytest.skip('it draws nothing')
    wiring = parse_wiring(WIRING, pathlib.Path('wiring.yaml'), {'tiny': bundle})

    def policy(request):
        return Answer(
            AnswerKind.RESULT, *backend.run(request.observation.inputs, request.recurrent)
        )

    def drawn(seed):
        run = Run(Engine(bundle, wiring.sessions[0], messages()))
        ticks = [
            run.tick(run.joints(), answer=policy, episode='' if tick else 'one', seed=seed)
            for tick in range(5)
        ]
        return [action_of(tick.raw_action).tobytes() for tick in ticks]

    first = drawn(1)
    assert drawn(1) == first
    assert len({*first}) == 5  # other noise at every tick
    assert not {*drawn(2)} & {*first}


def test_warm_up_runs_it_and_leaves_nothing(backend, bundle):
    before = bits([backend.run(questions(bundle, 1)[0], initial(bundle))])
    warm_up(backend, bundle.contract)
    assert bits([backend.run(questions(bundle, 1)[0], initial(bundle))]) == before


@pytest.mark.parametrize(
    ('wrong', 'words'),
    [
        (np.zeros((1, 5), np.float32), r'obs'),
        (np.zeros((2, 6), np.float32), r'obs'),
        (np.zeros((1, 6), np.float64), r'obs has dtype float64, expected float32'),
        (None, r'obs is missing'),
    ],
)
def test_an_input_that_is_not_what_the_contract_says_is_named(backend, bundle, wrong, words):
    start, right = initial(bundle), questions(bundle, 1)[0]
    before = bits([backend.run(right, start)])
    given = {name: one for name, one in right.items() if name != 'obs'}
    if wrong is not None:
        given['obs'] = wrong
    with pytest.raises(ArtifactError, match=words):
        backend.run(given, start)
    with pytest.raises(ArtifactError, match=words):
        backend.run_batch([(right, start), (given, start)])
    assert bits([backend.run(right, start)]) == before


@pytest.mark.parametrize('wrong', ['shape', 'dtype', 'missing'])
def test_a_state_that_is_not_what_the_contract_says_is_named(backend, bundle, wrong):
    if not bundle.contract.state:
        pytest.skip('it has none')
    start, right = initial(bundle), questions(bundle, 1)[0]
    before = bits([backend.run(right, start)])
    shape = start['h'].shape
    given = {
        'shape': {**start, 'h': np.zeros((*shape[:-1], shape[-1] + 1), np.float32)},
        'dtype': {**start, 'h': np.zeros(shape, np.float64)},
        'missing': {name: one for name, one in start.items() if name != 'h'},
    }[wrong]
    with pytest.raises(ArtifactError, match=rf'h\w* (has {wrong}|is {wrong})'):
        backend.run(right, given)
    assert bits([backend.run(right, start)]) == before


@pytest.mark.parametrize('case', ONE_OF_EACH, scope='module')
def test_an_artifact_that_does_not_fit_the_contract_is_refused(case, make_bundle, load):
    smaller = make_bundle(case, ('joints: same', 'joints: [a]'))
    with pytest.raises(ArtifactError, match=r'action|obs'):
        load(case, smaller)


@pytest.mark.parametrize('case', REMEMBERING, scope='module')
def test_a_state_of_another_shape_is_refused(case, make_bundle, load):
    before = '[1, 2]' if case.network == 'recurrent' else 'h: {shape: [1, 1, 4]'
    other = make_bundle(case, (before, before.replace('2]', '3]').replace('4]', '5]')))
    with pytest.raises(ArtifactError, match=r'h_in|hidden_state'):
        load(case, other)


@pytest.mark.parametrize(
    'case', [one for one in ONE_OF_EACH if one.values[0].worker], scope='module'
)
def test_a_worker_that_is_killed_is_an_error_at_once_and_leaves_nothing(case, bundle, load):
    backend = load(case, bundle)
    started = time.monotonic()
    os.kill(backend.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match=r'was killed by SIGKILL'):
        while True:  # until the kernel has done so
            backend.run(questions(bundle, 1)[0], initial(bundle))
    assert time.monotonic() - started < 10.0
    with pytest.raises(WorkerDied):
        backend.run(questions(bundle, 1)[0], initial(bundle))
    with pytest.raises(ProcessLookupError):
        os.kill(backend.pid, 0)
