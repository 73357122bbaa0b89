"""
Every kind of artifact as a small bundle: six values in, two out, with and without a memory.

The ONNX models are made here; what torch makes comes from `torch_artifacts.py`, run by the Python
that has torch.
"""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tiny_session import CONTRACT, edited

from fournex_runtime.policy.backend import Arrays, Backend, load_backend, signature
from fournex_runtime.policy.bundle import Bundle, seal_bundle
from fournex_runtime.worker.backend import WorkerBackend

SIZE, ACTIONS, MEMORY = 6, 2, 2
_STATE = '  h: {shape: [1, 2], input: h_in, output: h_out, initial: zeros, reset: episode}\n'
_PASSED = '  {0}: {{shape: [1, 1, 4], input: {0}_in, output: {0}_out, initial: zeros, ' + (
    'reset: episode}}\n'
)
_KEPT = '  {0}: {{shape: [1, 1, 4], buffer: {1}, initial: zeros, reset: episode}}\n'
_SEEN = '    - {term: last_action, of: clipped}\n'
_NOISE = '  noise:\n    - {term: noise, size: 2, distribution: normal}\n'
STATES = {
    'stateless': '',
    'recurrent': _STATE,
    'lstm': _PASSED.format('h') + _PASSED.format('c'),
    'lstm-buffers': _KEPT.format('h', 'hidden_state') + _KEPT.format('c', 'cell_state'),
    'gru-buffers': _KEPT.format('h', 'hidden_state'),
    'drawn': '',
}
"""The section ``state`` of the contract of each kind of network."""


@dataclasses.dataclass(frozen=True)
class Case:
    """
    One backend with one kind of network.

    :param backend: as in the contract.
    :param network: a key of ``STATES``.
    :param file: name of the artifact; it says the format.
    :param worker: whether it runs in a worker.
    """

    backend: str
    network: str
    file: str
    worker: bool

    def __str__(self) -> str:
        """Return a name for test reports."""
        return f'{self.backend}-{self.network}-{"worker" if self.worker else "inline"}'


ONNX_CASES = tuple(
    Case('onnx', network, f'{network}.onnx', worker)
    for network in ('stateless', 'recurrent', 'drawn')
    for worker in (False, True)
)
TORCH_CASES = (
    *(
        Case('torchscript', network, f'{network}.pt', True)
        for network in ('stateless', 'lstm', 'lstm-buffers', 'gru-buffers', 'drawn')
    ),
    *(
        Case('torch_export', network, f'{network}.pt2', True)
        for network in ('stateless', 'lstm', 'lstm-buffers', 'drawn')
    ),
)
MADE_BY = {
    'torchscript': 'torch_artifacts',
    'torch_export': 'torch_artifacts',
    'stable_baselines3': 'sb3_artifacts',
}
"""The fixture that makes the artifacts of a backend; ONNX models are made here."""
SB3_CASES = tuple(
    Case('stable_baselines3', network, f'{network}.zip', False)
    for network in ('stateless', 'lstm', 'drawn')
)


def contract(backend: str, file: str, network: str, *changes: tuple[str, str]) -> str:
    """Return the text of a contract."""
    state = STATES[network]
    if network == 'drawn':
        changes = (*changes, (_SEEN, _SEEN + _NOISE))
    if backend == 'stable_baselines3':
        changes = (*changes, ('  action:\n', '  actions:\n'))
    return edited(
        CONTRACT,
        ('state:\n' + _STATE, 'state:\n' + state if state else ''),
        ('file: policy.onnx', f'file: {file}'),
        ('backend: onnx', f'backend: {backend}'),
        *changes,
    )


def bundle(folder: pathlib.Path, artifact: bytes | pathlib.Path, text: str, file: str) -> Bundle:
    """Return a sealed bundle of an artifact and the text of a contract."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'policy.yaml').write_text(text)
    if isinstance(artifact, bytes):
        (folder / file).write_bytes(artifact)
    else:
        shutil.copy(artifact, folder / file)
    return seal_bundle(folder)


def load_as(case: Case, made: Bundle) -> Backend:
    """Return the backend of a case."""
    return WorkerBackend(made) if case.worker and case.backend == 'onnx' else load_backend(made)


def action_of(outputs: Arrays) -> NDArray[Any]:
    """Return the action, whatever the artifact calls it."""
    (action,) = outputs.values()
    return action


# --- ONNX ----------------------------------------------------------------------------------------


def weights() -> dict[str, NDArray[np.float32]]:
    """Return the numbers of the ONNX models."""
    random = np.random.default_rng(1)
    shapes = {'W': (SIZE, MEMORY), 'U': (MEMORY, MEMORY), 'V': (MEMORY, ACTIONS)}
    return {
        name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()
    }


def onnx_model(network: str, batch: int | str = 1) -> bytes:
    """
    Return ``h' = tanh(obs W + h U)``, ``action = h' V``.

    Without ``h`` when it is not recurrent; ``action = h' V + noise`` when it is drawn.

    :param batch: length of the first axis, or the name of one that is left open.
    """
    recurrent = network == 'recurrent'
    nodes = [helper.make_node('MatMul', ['obs', 'W'], ['x'])]
    if recurrent:
        nodes += [
            helper.make_node('MatMul', ['h_in', 'U'], ['y']),
            helper.make_node('Add', ['x', 'y'], ['z']),
        ]
    nodes += [
        helper.make_node('Tanh', ['z' if recurrent else 'x'], ['h_out']),
        helper.make_node('MatMul', ['h_out', 'V'], ['likely' if network == 'drawn' else 'action']),
    ]
    inputs, outputs = {'obs': SIZE}, {'action': ACTIONS}
    if network == 'drawn':
        nodes.append(helper.make_node('Add', ['likely', 'noise'], ['action']))
        inputs['noise'] = ACTIONS
    if recurrent:
        inputs['h_in'] = outputs['h_out'] = MEMORY
    numbers = weights() if recurrent else {k: v for k, v in weights().items() if k != 'U'}
    return model_of(nodes, inputs, outputs, numbers, batch)


def endless_onnx_model() -> bytes:
    """Return ``action = obs W V``, which it says at once, or never where ``obs > 100``."""
    body = helper.make_graph(
        [
            helper.make_node('Identity', ['cond'], ['again']),
            helper.make_node('Identity', ['x_in'], ['x_out']),
        ],
        'body',
        [
            helper.make_tensor_value_info('turn', TensorProto.INT64, []),
            helper.make_tensor_value_info('cond', TensorProto.BOOL, []),
            helper.make_tensor_value_info('x_in', TensorProto.FLOAT, [1, SIZE]),
        ],
        [
            helper.make_tensor_value_info('again', TensorProto.BOOL, []),
            helper.make_tensor_value_info('x_out', TensorProto.FLOAT, [1, SIZE]),
        ],
    )
    nodes = [
        helper.make_node('ReduceMax', ['obs'], ['greatest'], keepdims=0),
        helper.make_node('Greater', ['greatest', 'limit'], ['endless']),
        helper.make_node('Loop', ['', 'endless', 'obs'], ['same'], body=body),
        helper.make_node('MatMul', ['same', 'W'], ['x']),
        helper.make_node('MatMul', ['x', 'V'], ['action']),
    ]
    numbers = {**weights(), 'limit': np.array(100.0, np.float32)}
    del numbers['U']
    return model_of(nodes, {'obs': SIZE}, {'action': ACTIONS}, numbers)


def model_of(
    nodes: list[Any],
    inputs: Mapping[str, int],
    outputs: Mapping[str, int],
    numbers: Mapping[str, NDArray[Any]],
    batch: int | str = 1,
) -> bytes:
    """Return a model of nodes; inputs and outputs by the size of their last axis."""
    graph = helper.make_graph(
        nodes,
        'policy',
        [
            helper.make_tensor_value_info(k, TensorProto.FLOAT, [batch, n])
            for k, n in inputs.items()
        ],
        [
            helper.make_tensor_value_info(k, TensorProto.FLOAT, [batch, n])
            for k, n in outputs.items()
        ],
        [numpy_helper.from_array(value, name) for name, value in numbers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


# --- what is asked -------------------------------------------------------------------------------


def observations(count: int, seed: int = 0) -> list[Arrays]:
    """Return questions; the arrays cannot be written, like those of a session."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        array = random.standard_normal((1, SIZE)).astype(np.float32)
        array.setflags(write=False)
        found.append({'obs': array})
    return found


def questions(bundle: Bundle, count: int, seed: int = 0) -> list[Arrays]:
    """Return questions with all that a bundle's artifact takes, likewise."""
    random = np.random.default_rng(seed)
    found: list[Arrays] = []
    for _ in range(count):
        one = {
            spec.name: random.standard_normal(spec.shape).astype(spec.dtype)
            for spec in signature(bundle.contract).inputs
        }
        for array in one.values():
            array.setflags(write=False)
        found.append(one)
    return found


def initial(bundle: Bundle) -> Arrays:
    """Return the state at the beginning of an episode."""
    found = {one.name: np.zeros(one.shape, np.float32) for one in bundle.contract.state}
    for array in found.values():
        array.setflags(write=False)
    return found


def episode(
    backend: Backend, state: Arrays, asked: list[Arrays]
) -> Iterator[tuple[Arrays, Arrays]]:
    """Ask one question after the other; yield each answer and the state after it."""
    for inputs in asked:
        outputs, state = backend.run(inputs, state)
        yield outputs, state


def bits(answers: Any) -> list[bytes]:
    """Return the bits of answers, for comparison."""
    return [array.tobytes() for sides in answers for arrays in sides for array in arrays.values()]
