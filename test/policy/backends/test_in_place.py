"""A model that runs where its arrays lie gives the bits that it gives of copies."""

import pathlib

import numpy as np
import pytest

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.backend import made_up, signature
from fournex_runtime.policy.bundle import load_bundle
from fournex_runtime.policy.onnx_backend import OnnxBackend

EXAMPLES = pathlib.Path(__file__).parents[3] / 'examples'


def arrays_of(specs):
    return {one.name: np.zeros(one.shape, one.dtype) for one in specs}


@pytest.mark.parametrize('robot', ['pendulum', 'arm', 'rover'])
def test_what_it_gives_has_the_bits_of_a_run(robot):
    bundle = load_bundle(EXAMPLES / robot / 'bundle')
    model, spec = OnnxBackend(bundle), signature(bundle.contract)
    takes = (
        arrays_of(spec.inputs),
        {one.name: np.zeros(one.shape, np.float32) for one in bundle.contract.state},
    )
    gives = arrays_of(spec.outputs), {name: array.copy() for name, array in takes[1].items()}
    run = model.in_place(takes, gives)
    random, seen = np.random.default_rng(1), set()
    for _ in range(20):
        for one in spec.inputs:
            takes[0][one.name][...] = made_up(one, random)
        for array in takes[1].values():
            array[...] = random.standard_normal(array.shape)
        expected = model.run(*takes)
        run()
        for side, wanted in zip(gives, expected):
            assert {name: array.tobytes() for name, array in side.items()} == {
                name: array.tobytes() for name, array in wanted.items()
            }
        seen.add(next(iter(gives[0].values())).tobytes())
    assert len(seen) > 1


def test_an_array_that_the_model_does_not_take_is_an_error_of_the_artifact():
    bundle = load_bundle(EXAMPLES / 'arm' / 'bundle')
    model, spec = OnnxBackend(bundle), signature(bundle.contract)
    inputs = {one.name: np.zeros((*one.shape[:-1], 3), one.dtype) for one in spec.inputs}
    run = model.in_place((inputs, {}), (arrays_of(spec.outputs), {}))
    with pytest.raises(ArtifactError, match='inference failed'):
        run()
