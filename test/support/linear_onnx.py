"""ONNX policies that are one matrix, so that a test can say what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


def weights(size: int, actions: int, seed: int = 3) -> NDArray[np.float32]:
    """Return a matrix whose entries all differ."""
    random = np.random.default_rng(seed)
    return random.normal(size=(size, actions)).astype(np.float32)


def linear_onnx(
    matrix: NDArray[np.float32],
    metadata: Mapping[str, str] | None = None,
    takes: str = 'obs',
    gives: str = 'actions',
    batch: Any = 1,
) -> bytes:
    """Return a model ``gives = takes @ matrix``."""
    size, actions = matrix.shape
    graph = helper.make_graph(
        [helper.make_node('MatMul', [takes, 'matrix'], [gives])],
        'policy',
        [helper.make_tensor_value_info(takes, TensorProto.FLOAT, [batch, size])],
        [helper.make_tensor_value_info(gives, TensorProto.FLOAT, [batch, actions])],
        [numpy_helper.from_array(matrix, 'matrix')],
    )
    return finished(graph, metadata)


def finished(graph: onnx.GraphProto, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return a graph as the bytes of a model, with metadata."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data
