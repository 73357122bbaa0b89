"""A network small enough to compute beside it: one layer, as ONNX, with numbers of a seed."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class LinearPolicy:
    """
    ``actions = obs · weights + bias`` in float32.

    :param size: how many values it takes.
    :param actions: how many it gives.
    """

    def __init__(self, size: int, actions: int) -> None:
        random = np.random.default_rng(size)
        self.weights = random.normal(0.0, 0.2, (size, actions)).astype(np.float32)
        self.bias = random.normal(0.0, 0.2, actions).astype(np.float32)

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Return the actions for an observation."""
        return np.asarray(observation, np.float32) @ self.weights + self.bias

    @property
    def onnx(self) -> bytes:
        """Return it as an exporter writes it: obs, actions, a batch of one."""
        size, actions = self.weights.shape
        graph = helper.make_graph(
            [helper.make_node('Gemm', ['obs', 'weights', 'bias'], ['actions'])],
            'policy',
            [helper.make_tensor_value_info('obs', TensorProto.FLOAT, [1, size])],
            [helper.make_tensor_value_info('actions', TensorProto.FLOAT, [1, actions])],
            [
                numpy_helper.from_array(self.weights, 'weights'),
                numpy_helper.from_array(self.bias, 'bias'),
            ],
        )
        opset = [helper.make_opsetid('', 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())
