"""What every backend must do, whatever runs the artifact and wherever."""

import os
import signal
import time

import numpy as np
import pytest
from backend_cases import (
    ONNX_CASES,
    TORCH_CASES,
    bits,
    episode,
    initial,
    load_as,
    observations,
    weights,
)

from fournex_runtime.errors import ArtifactError, WorkerDied
from fournex_runtime.policy.backend import signature, warm_up

CASES = [
    *(pytest.param(case, id=str(case)) for case in ONNX_CASES),
    *(pytest.param(case, id=str(case), marks=pytest.mark.torch) for case in TORCH_CASES),
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
def reference(case, request):
    """Return questions and what they must be answered with, by whoever made the network."""
    if case.backend != 'onnx':
        kept = np.load(request.getfixturevalue('torch_artifacts') / f'{case.network}.npz')
        return [{'obs': one} for one in kept['obs']], kept['action']
    numbers, h, found = weights(), np.zeros((1, 2), np.float32), []
    asked = observations(40)
    for one in asked:
        x = one['obs'] @ numbers['W']
        h = np.tanh(x if case.network == 'stateless' else x + h @ numbers['U'])
        found.append(h @ numbers['V'])
    return asked, np.stack(found)


def test_it_says_what_runs_it(case, backend):
    library = 'onnxruntime' if case.backend == 'onnx' else 'torch'
    assert backend.description.startswith(library + ' ')


def test_names_shapes_and_dtypes_are_those_of_the_contract(backend, bundle):
    outputs, following = backend.run(observations(1)[0], initial(bundle))
    spec = signature(bundle.contract)
    assert list(outputs) == [one.name for one in spec.outputs]
    assert not any(one.mismatch(outputs[one.name]) for one in spec.outputs)
    assert {name: (a.shape, a.dtype) for name, a in following.items()} == {
        one.name: (one.shape, np.float32) for one in bundle.contract.state
    }


def test_it_answers_as_the_library_that_made_the_network(case, backend, bundle, reference):
    asked, expected = reference
    found = [outputs['action'] for outputs, _ in episode(backend, initial(bundle), asked)]
    if case.backend == 'torchscript':
        assert np.stack(found).tobytes() == expected.tobytes()
    else:  # another library, or the same one with its LSTM taken apart
        np.testing.assert_allclose(np.stack(found), expected, rtol=0, atol=1e-6)


def test_one_question_has_one_answer_to_the_bit(backend, bundle):
    asked, start = observations(30), initial(bundle)
    first = bits([backend.run(one, start) for one in asked])
    again = bits([backend.run(one, start) for one in reversed(asked)])
    assert len({*first}) > 1
    assert sorted(first) == sorted(again)
    assert first == bits([backend.run(one, start) for one in asked])


def test_state_goes_in_and_comes_out(case, backend, bundle):
    one, start = observations(1)[0], initial(bundle)
    _, after = backend.run(one, start)
    assert not any(array.any() for array in start.values())
    if case.network == 'stateless':
        assert after == {}
        return
    assert all(array.any() for array in after.values())
    assert bits([backend.run(one, after)]) != bits([backend.run(one, start)])


def test_what_it_gave_stays_as_it_was(backend, bundle):
    given = list(episode(backend, initial(bundle), observations(2)))
    before = bits(given)
    list(episode(backend, initial(bundle), observations(5, seed=9)))
    assert bits(given) == before


def test_an_episode_begun_anew_is_like_one_after_a_fresh_load(case, backend, bundle, load):
    list(episode(backend, initial(bundle), observations(10, seed=5)))
    here = bits(episode(backend, initial(bundle), observations(10)))
    fresh = load(case, bundle)
    assert here == bits(episode(fresh, initial(bundle), observations(10)))
    fresh.close()


def test_two_sessions_that_take_turns_do_not_notice(backend, bundle):
    asked = observations(10, seed=1), observations(10, seed=2)
    alone = [bits(episode(backend, initial(bundle), one)) for one in asked]
    turns = [episode(backend, initial(bundle), one) for one in asked]
    together = list(zip(*turns))
    assert alone == [bits(one) for one in zip(*together)]


def test_warm_up_runs_it(backend, bundle):
    warm_up(backend, bundle.contract)


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
    start, right = initial(bundle), observations(1)[0]
    before = bits([backend.run(right, start)])
    with pytest.raises(ArtifactError, match=words):
        backend.run({} if wrong is None else {'obs': wrong}, start)
    assert bits([backend.run(right, start)]) == before


def test_an_artifact_that_does_not_fit_the_contract_is_refused(case, make_bundle, load):
    smaller = make_bundle(case, ('joints: same', 'joints: [a]'))
    with pytest.raises(ArtifactError, match=r'action|obs'):
        load(case, smaller)


def test_a_state_of_another_shape_is_refused(case, make_bundle, load):
    if case.network == 'stateless':
        pytest.skip('it has none')
    before = '[1, 2]' if case.network == 'recurrent' else 'h: {shape: [1, 1, 4]'
    other = make_bundle(case, (before, before.replace('2]', '3]').replace('4]', '5]')))
    with pytest.raises(ArtifactError, match=r'h_in|hidden_state'):
        load(case, other)


def test_a_worker_that_is_killed_is_an_error_at_once_and_leaves_nothing(case, bundle, load):
    if not case.worker:
        pytest.skip('it runs in this process')
    backend = load(case, bundle)
    started = time.monotonic()
    os.kill(backend.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match=r'was killed by SIGKILL'):
        while True:  # until the kernel has done so
            backend.run(observations(1)[0], initial(bundle))
    assert time.monotonic() - started < 1.0
    with pytest.raises(WorkerDied):
        backend.run(observations(1)[0], initial(bundle))
    with pytest.raises(ProcessLookupError):
        os.kill(backend.pid, 0)
