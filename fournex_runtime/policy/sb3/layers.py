"""Layers of torch as ONNX nodes, their sizes checked against the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtifactError
from .onnx_graph import Graph
from .saved_policy import EXPORT_HINT, Sb3Policy


class Network:
    """
    A graph, and the weights that go into it.

    :param policy: whose weights they are.
    :param graph: where the nodes go.
    """

    def __init__(self, policy: Sb3Policy, graph: Graph) -> None:
        self.policy = policy
        self.graph = graph
        self._taken: set[str] = set()

    def has(self, name: str) -> bool:
        """Return whether there is a weight of a name."""
        return name in self.policy.weights

    def weight(self, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
        """
        Return a weight, which counts as used from here on.

        :param name: its name.
        :param shape: the shape that it must have; None stands for any length.
        :raises ArtifactError: it is not there, or has another shape, or is not finite.
        """
        where = f'{self.policy.file}: policy.pth: {name}'
        if name not in self.policy.weights:
            raise ArtifactError(f'{where}: no such tensor, which {self.policy.policy_class} needs')
        array = self.policy.weights[name]
        fits = len(array.shape) == len(shape) and all(
            expected in (None, found) for expected, found in zip(shape, array.shape)
        )
        if not fits or array.dtype.kind != 'f':
            expected_shape = ['any' if n is None else n for n in shape]
            raise ArtifactError(
                f'{where}: expected shape {expected_shape} of floating point, found '
                f'{list(array.shape)} of {array.dtype}'
            )
        if not np.isfinite(array).all():
            raise ArtifactError(f'{where}: holds values that are not finite')
        self._taken.add(name)
        return array.astype(np.float32)

    def check_all_used(self) -> None:
        """
        Check that nothing of the actor was left out.

        :raises ArtifactError: there are weights that the class does not have.
        """
        unused = self.policy.kind.family.unused
        for name in self.policy.weights:
            part_of = (name == one or name.startswith(f'{one}.') for one in unused)
            if name not in self._taken and not any(part_of):
                raise ArtifactError(
                    f'{self.policy.file}: policy.pth: {name}: a tensor that '
                    f'{self.policy.policy_class} does not have. {EXPORT_HINT}'
                )

    def mark_used(self, prefix: str) -> None:
        """Count weights as used that repeat others."""
        self._taken.update(one for one in self.policy.weights if one.startswith(f'{prefix}.'))

    def linear(self, value: str, size: int, name: str) -> tuple[str, int]:
        """Add ``x W^T + b``; returns the value and its size."""
        weight = self.weight(f'{name}.weight', (None, size))
        bias = self.weight(f'{name}.bias', (weight.shape[0],))
        graph = self.graph
        inputs = (
            graph.constant(f'{name}.weight', weight),
            graph.constant(f'{name}.bias', bias),
        )
        return graph.add('Gemm', value, *inputs, transB=1), weight.shape[0]

    def sequence(self, value: str, size: int, name: str, open_end: bool) -> tuple[str, int]:
        """
        Add a ``Sequential`` of linear layers, an activation after each.

        :param value: what goes in.
        :param size: its size.
        :param name: prefix of the weights; the layers are numbered.
        :param open_end: whether the last linear layer goes without activation.
        """
        index = 0
        while self.has(f'{name}.{index}.weight'):
            value, size = self.linear(value, size, f'{name}.{index}')
            if not open_end or self.has(f'{name}.{index + 2}.weight'):
                value = self.activation(value, f'{name}.{index + 1}')
            index += 2
        if open_end and index == 0:
            raise ArtifactError(f'{self.policy.file}: policy.pth: {name}.0.weight: no such tensor')
        return value, size

    def activation(self, value: str, name: str) -> str:
        """
        Add the policy's activation.

        :param value: what goes in.
        :param name: prefix of its weights, if it has any.
        :raises ArtifactError: it is not supported.
        """
        chosen = self.policy.keywords.get('activation_fn')
        kind = self.policy.kind.family.activation if chosen is None else chosen.name
        if kind == 'PReLU':
            slope = self.weight(f'{name}.weight', (1,))
            return self.graph.add('PRelu', value, self.graph.constant(f'{name}.weight', slope))
        if kind not in ACTIVATIONS:
            raise ArtifactError(
                f'{self.policy.file}: data: policy_kwargs: activation_fn: {kind} is not '
                f'supported (PReLU, {", ".join(ACTIVATIONS)} are). {EXPORT_HINT}'
            )
        return ACTIVATIONS[kind](self.graph, value)

    def lstm(
        self, value: str, size: int, name: str, hidden: str, cell: str
    ) -> tuple[str, int, str, str]:
        """
        Add one step of an LSTM of any number of layers (formulas of ``torch.nn.LSTM``).

        :param value: what goes in, a row for each robot.
        :param size: its size.
        :param name: prefix of the weights.
        :param hidden: hidden states, one row a layer.
        :param cell: cell states, likewise.
        :returns: the output, its size, and the next states.
        """
        graph = self.graph
        count = self.lstm_layers(name)
        hiddens = self._rows(hidden, count)
        cells = self._rows(cell, count)
        for layer in range(count):
            width = self.policy.weights[f'{name}.weight_hh_l{layer}'].shape[-1]
            gates = graph.add(
                'Add',
                self._gates(value, size, f'{name}.{{}}_ih_l{layer}', width),
                self._gates(hiddens[layer], width, f'{name}.{{}}_hh_l{layer}', width),
            )
            i, f, g, o = graph.add_several(
                'Split', 4, gates, graph.integers(width, width, width, width), axis=1
            )
            kept = graph.add('Mul', graph.add('Sigmoid', f), cells[layer])
            new = graph.add('Mul', graph.add('Sigmoid', i), graph.add('Tanh', g))
            cells[layer] = graph.add('Add', kept, new)
            value = graph.add('Mul', graph.add('Sigmoid', o), graph.add('Tanh', cells[layer]))
            hiddens[layer] = value
            size = width
        return value, size, self._stack(hiddens), self._stack(cells)

    def lstm_layers(self, name: str) -> int:
        """Return the number of layers of an LSTM."""
        count = 0
        while self.has(f'{name}.weight_hh_l{count}'):
            count += 1
        self.weight(f'{name}.weight_hh_l{max(count - 1, 0)}', (None, None))
        return count

    def _gates(self, value: str, size: int, name: str, width: int) -> str:
        weight_name = name.format('weight')
        inputs = [
            value,
            self.graph.constant(weight_name, self.weight(weight_name, (4 * width, size))),
        ]
        bias = name.format('bias')
        if self.has(bias):  # lstm_kwargs can leave it out
            inputs.append(self.graph.constant(bias, self.weight(bias, (4 * width,))))
        return self.graph.add('Gemm', *inputs, transB=1)

    def _rows(self, value: str, count: int) -> list[str]:
        graph = self.graph
        rows = graph.add_several('Split', count, value, graph.integers(*[1] * count), axis=0)
        return [graph.add('Squeeze', row, graph.integers(0)) for row in rows]

    def _stack(self, rows: list[str]) -> str:
        graph = self.graph
        return graph.add(
            'Concat', *[graph.add('Unsqueeze', row, graph.integers(0)) for row in rows], axis=0
        )


def _node(kind: str, **attributes: Any) -> Callable[[Graph, str], str]:
    return lambda graph, value: graph.add(kind, value, **attributes)


def _clip(low: float, high: float) -> Callable[[Graph, str], str]:
    return lambda graph, value: graph.add('Clip', value, graph.number(low), graph.number(high))


def _gelu(graph: Graph, value: str) -> str:
    erf = graph.add('Erf', graph.add('Div', value, graph.number(2.0**0.5)))
    half = graph.add('Mul', value, graph.number(0.5))
    return graph.add('Mul', half, graph.add('Add', erf, graph.number(1.0)))


def _silu(graph: Graph, value: str) -> str:
    return graph.add('Mul', value, graph.add('Sigmoid', value))


def _mish(graph: Graph, value: str) -> str:
    return graph.add('Mul', value, graph.add('Tanh', graph.add('Softplus', value)))


def _tanhshrink(graph: Graph, value: str) -> str:
    return graph.add('Sub', value, graph.add('Tanh', value))


def _log_sigmoid(graph: Graph, value: str) -> str:
    return graph.add('Neg', graph.add('Softplus', graph.add('Neg', value)))


ACTIVATIONS: Mapping[str, Callable[[Graph, str], str]] = {
    'CELU': _node('Celu', alpha=1.0),
    'ELU': _node('Elu', alpha=1.0),
    'GELU': _gelu,
    'Hardsigmoid': _node('HardSigmoid', alpha=1.0 / 6.0, beta=0.5),
    'Hardswish': _node('HardSwish'),
    'Hardtanh': _clip(-1.0, 1.0),
    'Identity': _node('Identity'),
    'LeakyReLU': _node('LeakyRelu', alpha=0.01),
    'LogSigmoid': _log_sigmoid,
    'Mish': _mish,
    'ReLU': _node('Relu'),
    'ReLU6': _clip(0.0, 6.0),
    'SELU': _node('Selu'),
    'SiLU': _silu,
    'Sigmoid': _node('Sigmoid'),
    'Softplus': _node('Softplus'),
    'Softsign': _node('Softsign'),
    'Tanh': _node('Tanh'),
    'Tanhshrink': _tanhshrink,
}
"""Activations of ``torch.nn`` with their default arguments, with which policies make them."""
