"""An artifact that draws its own random numbers is refused: nobody could repeat what it does."""

import numpy as np
import pytest
from backend_cases import ONNX_CASES, SIZE, bundle, contract, load_as, model_of, weights
from onnx import helper

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.backend import warm_up


def noisy(tmp_path, *nodes, **numbers):
    """Return the bundle of ``action = (obs + noise) W V``; the nodes make ``seen`` of ``obs``."""
    model = model_of(
        [
            *nodes,
            helper.make_node('MatMul', ['seen', 'W'], ['x']),
            helper.make_node('MatMul', ['x', 'V'], ['action']),
        ],
        {'obs': SIZE},
        {'action': 2},
        {**{name: one for name, one in weights().items() if name != 'U'}, **numbers},
    )
    text = contract('onnx', 'policy.onnx', 'stateless')
    return bundle(tmp_path, model, text, 'policy.onnx')


@pytest.mark.parametrize(
    'kind', ['RandomNormalLike', 'RandomUniformLike', 'Bernoulli', 'RandomNormal', 'RandomUniform']
)
def test_an_onnx_node_that_draws_is_named_before_anything_runs(tmp_path, kind):
    reads = kind.endswith('Like') or kind == 'Bernoulli'
    shape = {} if reads else {'shape': [1, SIZE]}
    draw = helper.make_node(kind, ['obs'] if reads else [], ['noise'], **shape)
    made = noisy(tmp_path, draw, helper.make_node('Add', ['obs', 'noise'], ['seen']))
    with pytest.raises(ArtifactError, match=rf'draws .* \(node {kind}\).* a term noise'):
        load_as(ONNX_CASES[0], made)


@pytest.mark.parametrize('case', ONNX_CASES[:2], ids=str)
def test_what_draws_unseen_is_found_by_asking_it_twice(tmp_path, case):
    """Dropout draws in training mode alone, which may be computed."""
    made = noisy(
        tmp_path,
        helper.make_node('Add', ['obs', 'one'], ['x0']),
        helper.make_node('ReduceMax', ['x0'], ['greatest'], keepdims=0),
        helper.make_node('Greater', ['greatest', 'zero'], ['training']),
        helper.make_node('Dropout', ['x0', 'ratio', 'training'], ['seen']),
        zero=np.array(0.0, np.float32),
        one=np.ones((1, 1), np.float32),
        ratio=np.array(0.5, np.float32),
    )
    backend = load_as(case, made)
    with pytest.raises(ArtifactError, match=r'two answers to one question.*a term noise'):
        warm_up(backend, made.contract)
    backend.close()
