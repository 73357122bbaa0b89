"""
With ``deterministic``, what a session gets does not depend on who else asks with it.

Not on how many do, not on what they ask, and not on which row of the batch it has: to the bit.
"""

import dataclasses

import pytest
from backend_cases import SB3_CASES, TORCH_CASES, Case, bits, bundle, contract, initial, onnx_model
from backend_cases import questions as questions_of

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.inference import DEFAULT_INFERENCE, INLINE

SESSIONS = 5
BY_BACKEND = {(one.backend, one.network): one for one in (*SB3_CASES, *TORCH_CASES)}
OPEN_ONNX = Case('onnx', 'recurrent', 'recurrent.onnx', False)
TORCH = pytest.mark.torch
SELDOM = [pytest.mark.torch, pytest.mark.soak]
CASES = [
    pytest.param(OPEN_ONNX, None, True, id='onnx inline'),
    pytest.param(dataclasses.replace(OPEN_ONNX, worker=True), None, True, id='onnx in a worker'),
    *(
        pytest.param(BY_BACKEND[backend, network], artifact, together, id=words, marks=marks)
        for backend, network, artifact, together, words, marks in (
            ('stable_baselines3', 'stateless', None, True, 'sb3', TORCH),
            ('stable_baselines3', 'lstm', None, True, 'sb3 lstm', SELDOM),
            ('torchscript', 'stateless', None, True, 'torchscript', SELDOM),
            ('torchscript', 'stateless', 'uneven.pt', None, 'torchscript of uneven rows', SELDOM),
            ('torchscript', 'lstm', None, True, 'torchscript lstm', TORCH),
            ('torchscript', 'lstm-buffers', None, False, 'torchscript with buffers', SELDOM),
            ('torch_export', 'stateless', 'open.pt2', True, 'torch.export', TORCH),
            ('torch_export', 'stateless', None, False, 'torch.export of one row', SELDOM),
        )
    ),
]
"""Case, artifact where it is not the case's own, and whether it goes together: None: may."""


@pytest.fixture
def made(make_bundle, tmp_path):
    """Return a function that makes the bundle of a case; ONNX with an open batch axis."""

    def make(case, artifact=None):
        if case.backend != 'onnx':
            return make_bundle(case, artifact=artifact)
        text = contract(case.backend, case.file, case.network)
        return bundle(tmp_path / 'open', onnx_model(case.network, 'batch'), text, case.file)

    return make


def loaded(made, case, **inference):
    means = DEFAULT_INFERENCE if case.worker else INLINE
    return load_backend(made, dataclasses.replace(means, rows=SESSIONS, **inference), 30.0)


def requests(backend, made):
    """Return requests in the midst of different episodes."""
    found = []
    for seed in range(SESSIONS):
        one, following = questions_of(made, 2, seed)
        found.append((following, backend.run(one, initial(made))[1]))
    return found


def placed(size, *rows):
    """Return a batch of so many rows with requests at some of them."""
    batch = [None] * size
    for row, request in rows:
        batch[row] = request
    return batch


@pytest.mark.parametrize(('case', 'artifact', 'together'), CASES)
def test_neither_the_company_nor_the_row_changes_a_bit(case, artifact, together, made):
    policy = made(case, artifact)
    backend = loaded(policy, case)
    try:
        size = backend.batch_size
        if together is not None:
            assert (size >= SESSIONS) == together and (size == 0) == (not together)
        size = size or SESSIONS
        asked = requests(backend, policy)
        everybody = backend.run_batch(placed(size, *enumerate(asked)))
        found = [bits([one]) for one in everybody[:SESSIONS]]
        assert everybody[SESSIONS:] == [None] * (size - SESSIONS)
        assert len({*map(tuple, found)}) == SESSIONS
        for row, request in enumerate(asked):
            alone = backend.run_batch(placed(size, (row, request)))
            assert alone[:row] + alone[row + 1 :] == [None] * (size - 1)
            assert bits([alone[row]]) == found[row]
            elsewhere = (row + 2) % size
            others = [(other, asked[other - 1]) for other in range(SESSIONS) if other != elsewhere]
            company = backend.run_batch(placed(size, *others, (elsewhere, request)))
            assert bits([company[elsewhere]]) == found[row]
            last = backend.run_batch(placed(size, (size - 1, request)))
            assert bits([last[-1]]) == found[row]
    finally:
        backend.close()


def test_without_it_a_batch_has_as_many_rows_as_ask(made):
    policy = made(OPEN_ONNX)
    backend = loaded(policy, OPEN_ONNX, deterministic=False)
    asked = requests(backend, policy)
    assert backend.batch_size == SESSIONS
    assert len(backend.run_batch(asked[:3])) == 3
    again = backend.run_batch(asked[:3])
    assert bits(backend.run_batch(placed(3, (1, asked[1])))[1:2]) == bits(again[1:2])


def test_a_batch_that_a_worker_was_not_made_for_is_asked_one_by_one(made):
    """As a replay may have to, of a recording with more sessions."""
    case = dataclasses.replace(OPEN_ONNX, worker=True)
    policy = made(case)
    backend = load_backend(policy, DEFAULT_INFERENCE, 30.0)
    try:
        assert backend.batch_size == 0
        asked = requests(backend, policy)
        alone = [backend.run(*one) for one in asked]
        assert bits(backend.run_batch(asked)) == bits(alone)
        with pytest.raises(ArtifactError, match='6 requests at once to a worker for 1'):
            backend.ask([*asked, None], batch=True)
    finally:
        backend.close()
