"""An artifact may leave its batch axis open, but not the axis that the contract fills."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.backend import ArraySpec, Signature
from fournex_runtime.policy.onnx_backend import OnnxModel


def load(axes: list[int | str]) -> OnnxModel:
    graph = helper.make_graph(
        [helper.make_node('Identity', ['obs'], ['action'])],
        'identity',
        [helper.make_tensor_value_info('obs', TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info('action', TensorProto.FLOAT, axes)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    inputs = (ArraySpec('obs', (1, 3), 'float32'),)
    outputs = (ArraySpec('action', (1, 3), 'float32'),)
    spec = Signature(inputs, outputs, (), ())
    return OnnxModel(model.SerializeToString(), 'policy.onnx', spec, ())


@pytest.mark.parametrize('axes', [[1, 3], ['batch', 3]])
def test_a_fixed_length_and_an_open_batch_are_taken(axes):
    load(axes).close()


def test_an_open_length_is_refused_by_name():
    words = r'input obs leaves axis 1 open \(features\), the contract has 3 values there'
    with pytest.raises(ArtifactError, match=words):
        load([1, 'features'])
