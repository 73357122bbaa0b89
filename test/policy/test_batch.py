"""Several requests in one run of an ONNX model: along the axis that it leaves open, if it does."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.backend import ArraySpec, Signature
from fournex_runtime.policy.batch import batch_axes
from fournex_runtime.policy.contract import RecurrentState
from fournex_runtime.policy.onnx_backend import OnnxModel

H = RecurrentState('h', (2, 1, 3), 'h_in', 'h_out')
ONE = ArraySpec('obs', (1, 3), 'float32'), ArraySpec('h_in', (2, 1, 3), 'float32')
SPEC = Signature(
    (ONE[0],),
    (ArraySpec('action', (1, 3), 'float32'),),
    (ONE[1],),
    (ArraySpec('h_out', (2, 1, 3), 'float32'),),
)


def load(nodes, obs=('batch', 3), h=(2, 'batch', 3)):
    """Return a model that adds its observation to a state of two layers."""
    axes = {'obs': obs, 'h_in': h, 'action': obs, 'h_out': h}
    info = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in axes.items()
    }
    graph = helper.make_graph(
        nodes,
        'policy',
        [info['obs'], info['h_in']],
        [info['action'], info['h_out']],
        [numpy_helper.from_array(np.array([0]), 'zero')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    return OnnxModel(model.SerializeToString(), 'policy.onnx', SPEC, (H,))


def nodes(mixing=None):
    """Return ``h_out = h_in + obs``, ``action = h_out`` of the first layer."""
    seen = 'mixed' if mixing else 'obs'
    return [
        *([mixing] if mixing else []),
        helper.make_node('Add', ['h_in', seen], ['h_out']),
        helper.make_node('Gather', ['h_out', 'zero'], ['first'], axis=0),
        helper.make_node('Squeeze', ['first', 'zero'], ['action']),
    ]


def requests(count):
    random = np.random.default_rng(4)
    return [
        (
            {'obs': random.standard_normal((1, 3)).astype(np.float32)},
            {'h': random.standard_normal((2, 1, 3)).astype(np.float32)},
        )
        for _ in range(count)
    ]


def check(model, runs, monkeypatch):
    """Compare a batch with single runs; ``runs`` is how often ONNX Runtime is asked for it."""
    asked = requests(5)
    expected = [model.run(*one) for one in asked]
    model.run_batch(asked[:2])  # the first batch tries whether requests are kept apart
    done = []
    session, bound = model._session.run, model._bound.run
    monkeypatch.setattr(model._session, 'run', lambda *a: done.append(1) or session(*a))
    monkeypatch.setattr(model._bound, 'run', lambda *a: done.append(1) or bound(*a))
    found = model.run_batch(asked)
    assert len(done) == runs
    for (action, h), (right_action, right_h) in zip(found, expected, strict=True):
        assert action['action'].shape == (1, 3) and h['h'].shape == (2, 1, 3)
        np.testing.assert_allclose(action['action'], right_action['action'], rtol=0, atol=1e-6)
        np.testing.assert_allclose(h['h'], right_h['h'], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ('obs', 'h', 'runs'),
    [
        (('batch', 3), (2, 'batch', 3), 1),
        ((None, 3), (2, None, 3), 1),
        ((1, 3), (2, 1, 3), 5),
        (('batch', 3), (2, 1, 3), 5),
    ],
    ids=['open', 'without a name', 'fixed', 'state fixed'],
)
def test_one_run_where_every_array_is_open(obs, h, runs, monkeypatch):
    check(load(nodes(), obs, h), runs, monkeypatch)


@pytest.mark.parametrize('kind', ['ReduceMean', 'Reshape'])
def test_a_network_that_mixes_its_requests_or_fails_on_several_is_asked_one_by_one(
    kind, monkeypatch
):
    """An open axis is no promise."""
    mixing = {
        'ReduceMean': helper.make_node('ReduceMean', ['obs'], ['mixed'], axes=[0], keepdims=1),
        'Reshape': helper.make_node('Squeeze', ['obs', 'zero'], ['mixed']),
    }
    check(load(nodes(mixing[kind])), 5, monkeypatch)


def test_what_is_handed_out_has_memory_of_its_own():
    model = load(nodes())
    found = model.run_batch(requests(3))
    before = [one[0]['action'].copy() for one in found]
    model.run_batch([(one, state) for one, state in reversed(requests(3))])
    found[0][0]['action'][:] = 7.0
    for one, copy in zip(found[1:], before[1:], strict=True):
        assert one[0]['action'].tobytes() == copy.tobytes()


def test_a_wrong_array_in_a_batch_is_named():
    asked = requests(3)
    asked[1] = ({'obs': np.zeros((1, 4), np.float32)}, asked[1][1])
    with pytest.raises(ArtifactError, match=r'input obs has shape \[1, 4\], expected \[1, 3\]'):
        load(nodes()).run_batch(asked)
    asked[1] = ({}, asked[0][1])
    with pytest.raises(ArtifactError, match=r'input obs is missing'):
        load(nodes()).run_batch(asked)


@pytest.mark.parametrize(
    ('takes', 'gives', 'found'),
    [
        ([['n', 3]], [['n', 2]], ((0,), (0,))),
        ([['n', 1], [2, 'n', 4]], [['n', 2]], ((0, 1), (0,))),
        ([['n', 'time'], ['n', 3]], [['n', 2]], ((0, 0), (0,))),
        ([['n', 'time']], [['n', 'time']], None),
        ([['n', 3], [3]], [['n', 2]], None),
        ([['n', 3]], [[1, 2]], None),
        ([[1, 3]], [[1, 2]], None),
    ],
)
def test_the_batch_axis_of_each_array(takes, gives, found):
    assert batch_axes(takes, gives) == found
