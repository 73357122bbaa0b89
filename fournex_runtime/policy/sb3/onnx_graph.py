"""
An ONNX model under construction. The only module that imports ``onnx``.

Opset 17 and format version 8, which every ONNX Runtime since 1.12 runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtifactError, MissingDependencyError

try:
    import onnx
    from onnx import helper, numpy_helper
except ImportError as problem:
    raise MissingDependencyError(
        'onnx', 'running a policy of Stable-Baselines3', 'pip install onnx'
    ) from problem

OPSET = 17
FORMAT = 8
BATCH = 'batch'
"""Name of the axis that may have any length."""

Shape = tuple[int | str, ...]


class Graph:
    """
    A graph that grows node by node; values are known by name.

    :param name: of the graph.
    :param metadata: key and value pairs that the model carries.
    """

    def __init__(self, name: str, metadata: dict[str, str]) -> None:
        self._name = name
        self._metadata = metadata
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(
        self, name: str, dtype: str, shape: Shape, default: NDArray[Any] | None = None
    ) -> str:
        """
        Add an input.

        :param name: its name.
        :param dtype: numpy's name of its elements.
        :param shape: its shape; a name stands for any length.
        :param default: what it is when it is not given; without one it must be given.
        :returns: its name.
        """
        self._inputs.append(helper.make_tensor_value_info(name, _element(dtype), shape))
        if default is not None:
            self._constants[name] = numpy_helper.from_array(default, name)
        return name

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant, once for each name, and return its name."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def integers(self, *values: int) -> str:
        """Add a constant of a list of integers and return its name."""
        name = '/integers/' + '_'.join(str(value) for value in values)
        return self.constant(name, np.array(values, dtype=np.int64))

    def number(self, value: float) -> str:
        """Add a float32 scalar and return its name."""
        return self.constant(f'/number/{value!r}', np.array(value, dtype=np.float32))

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output and return the name of that."""
        (output,) = self.add_several(kind, 1, *inputs, **attributes)
        return output

    def add_several(self, kind: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node and return the names of its outputs."""
        count = len(self._nodes)
        names = [f'/{kind}_{count}/{index}' for index in range(outputs)]
        self._nodes.append(
            helper.make_node(kind, list(inputs), names, name=f'/{kind}_{count}', **attributes)
        )
        return names

    def cast(self, value: str, dtype: str) -> str:
        """Add a conversion to another type of elements."""
        return self.add('Cast', value, to=_element(dtype))

    def output(self, name: str, value: str, dtype: str, shape: Shape) -> None:
        """Give a value out under a name."""
        self._nodes.append(helper.make_node('Identity', [value], [name], name=f'/output/{name}'))
        self._outputs.append(helper.make_tensor_value_info(name, _element(dtype), shape))

    def to_bytes(self) -> bytes:
        """
        Return the model; the same graph always gives the same bytes.

        :raises ArtifactError: the nodes do not fit together.
        """
        graph = helper.make_graph(
            self._nodes,
            self._name,
            self._inputs,
            self._outputs,
            initializer=list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid('', OPSET)],
            ir_version=FORMAT,
            producer_name='fournex',
        )
        helper.set_model_props(model, self._metadata)
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as problem:
            raise ArtifactError(
                f'{self._name}: the network does not fit together: {problem}'
            ) from problem
        return bytes(model.SerializeToString(deterministic=True))


def _element(dtype: str) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
