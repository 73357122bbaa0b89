"""Robots, policies and backends whose recordings are replayed, and the bundles they need."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny_session import edited
from trembling_policy import CONTRACT as TREMBLING

from fournex_runtime.policy.bundle import seal_bundle

BUFFERS = (
    ('input: h_in, output: h_out', 'buffer: hidden_state'),
    ('input: c_in, output: c_out', 'buffer: cell_state'),
)
ACTIONS = (('  action:\n', '  actions:\n'),)
CHUNKS = """\
name: chunks
version: 1
period: 20 ms
start_pose: {cart: 0.0, pole: 0.0}
inputs:
  obs:
    - {term: joint_position, joints: [cart, pole], unit: "m, rad", history: 3, order: newest_first}
    - {term: last_action, of: clipped}
chunk: {size: 4, step: 40 ms, execute: 2, interpolation: linear}
outputs:
  action: [{term: joint_effort_target, joints: [cart], unit: N, clip: [-1.0, 1.0], scale: 9.0}]
artifact: {file: policy.onnx, sha256: ZEROS, backend: onnx}
"""
NARROW = (
    ('cart: {min: -10.0, max: 10.0, rate: unlimited}', 'cart: {min: -4.0, max: 4.0, rate: 120.0}'),
    ('stale: hold 60 ms then stop', 'stale: hold 60 ms then ramp 200 ms to zero then stop'),
)


@dataclasses.dataclass(frozen=True)
class Case:
    """
    One kind of recording.

    :param name: what is special about it.
    :param robot: which robot is driven.
    :param ticks: how many, of a million and more in all.
    :param backend: what runs the policy.
    :param artifact: of those that torch has exported; empty for one that needs none of them.
    :param contract: changes of the contract that the artifact needs.
    :param wiring: changes of the wiring.
    :param made: a bundle that is made here; empty for the robot's own.
    :param in_process: the policy is run in the process that asks it.
    :param kills: how many workers are killed in a thousand ticks; one with torch takes long.
    """

    name: str
    robot: str
    ticks: int
    backend: str = 'onnx'
    artifact: str = ''
    contract: tuple[tuple[str, str], ...] = ()
    wiring: tuple[tuple[str, str], ...] = ()
    made: str = ''
    in_process: bool = True
    kills: float = 0.4

    def __str__(self) -> str:
        """Return a name for the test."""
        return f'{self.robot}: {self.name}'


CASES = (
    Case('recurrent', 'pendulum', 260_000),
    Case('recurrent, workers killed', 'pendulum', 20_000, in_process=False),
    Case('range scan, goals', 'rover', 60_000),
    Case('recurrent, narrow limits, ramp', 'pendulum', 120_000, wiring=NARROW),
    Case('joint position targets', 'arm', 160_000),
    Case('chunks, history', 'pendulum', 140_000, made='chunks'),
    Case('noise, some answers not finite', 'pendulum', 140_000, made='noise'),
    Case('recurrent', 'pendulum', 50_000, 'stable_baselines3', 'policy.zip', ACTIONS),
    Case('normalised', 'arm', 30_000, 'stable_baselines3', 'policy.zip', ACTIONS),
    Case('recurrent, workers killed', 'pendulum', 10_000, 'torchscript', 'policy.pt', kills=0.1),
    Case('memory in buffers, workers killed', 'pendulum', 8_000, 'torchscript', 'buffers.pt',
         BUFFERS, kills=0.1),
    Case('recurrent, workers killed', 'pendulum', 4_000, 'torch_export', 'policy.pt2', kills=0.1),
)  # fmt: skip


def wiring_of(
    case: Case, folder: pathlib.Path, checkout: pathlib.Path, artifacts: pathlib.Path | None
) -> pathlib.Path:
    """
    Write the wiring and the bundle of a case.

    :param case: the case.
    :param folder: where; it must not exist.
    :param checkout: the repository.
    :param artifacts: what torch has exported, a folder for each robot; None where nothing has.
    :returns: the wiring.
    """
    example = checkout / 'examples' / case.robot
    bundle = example / 'bundle'
    folder.mkdir(parents=True)
    if case.made:
        bundle = _made(case.made, folder / 'bundle')
    elif case.artifact:
        assert artifacts is not None
        bundle = _exported(case, example / 'bundle', artifacts / case.robot, folder / 'bundle')
    text = (example / 'wiring.yaml').read_text()
    file = folder / 'wiring.yaml'
    file.write_text(edited(text, ('policy: bundle', f'policy: {bundle}'), *case.wiring))
    return file


def _exported(
    case: Case, source: pathlib.Path, artifacts: pathlib.Path, folder: pathlib.Path
) -> pathlib.Path:
    head, line, _ = (source / 'policy.yaml').read_text().partition('  file: policy.onnx\n')
    assert line
    folder.mkdir()
    tail = f"  file: {case.artifact}\n  sha256: '{'0' * 64}'\n  backend: {case.backend}\n"
    (folder / 'policy.yaml').write_text(edited(head + tail, *case.contract))
    for file in (artifacts / case.artifact, *source.glob('*.safetensors')):
        shutil.copy(file, folder)
    return seal_bundle(folder).folder


def _made(kind: str, folder: pathlib.Path) -> pathlib.Path:
    folder.mkdir()
    contract, model = {'chunks': (CHUNKS, _chunks), 'noise': (TREMBLING, _noise)}[kind]
    (folder / 'policy.onnx').write_bytes(model())
    (folder / 'policy.yaml').write_text(contract.replace('ZEROS', "'" + '0' * 64 + "'"))
    return seal_bundle(folder).folder


def _chunks() -> bytes:
    """Return a network that pushes against the pole, and less with each step of its chunk."""
    gains = np.zeros((7, 4), np.float32)
    gains[:2] = np.outer([0.5, 6.0], [1.0, 0.8, 0.6, 0.4])
    gains[2:4] = np.outer([-0.4, -4.0], [1.0, 0.7, 0.4, 0.1])
    gains[6] = 0.1
    nodes = [
        helper.make_node('MatMul', ['obs', 'gains'], ['row']),
        helper.make_node('Reshape', ['row', 'shape'], ['action']),
    ]
    return _model(
        nodes, {'obs': [1, 7]}, [1, 4, 1], {'gains': gains, 'shape': np.array([1, 4, 1])}
    )


def _noise() -> bytes:
    """Return ``action = log(noise + 2.5) + 0 obs``: no number, in one tick of 160."""
    nodes = [
        helper.make_node('MatMul', ['obs', 'zero'], ['nothing']),
        helper.make_node('Add', ['noise', 'more'], ['shifted']),
        helper.make_node('Log', ['shifted'], ['drawn']),
        helper.make_node('Add', ['nothing', 'drawn'], ['action']),
    ]
    numbers = {'zero': np.zeros((2, 1), np.float32), 'more': np.array([[2.5]], np.float32)}
    return _model(nodes, {'obs': [1, 2], 'noise': [1, 1]}, [1, 1], numbers)


def _model(nodes, inputs, output, numbers) -> bytes:
    graph = helper.make_graph(
        nodes,
        'policy',
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in inputs.items()],
        [helper.make_tensor_value_info('action', TensorProto.FLOAT, output)],
        [numpy_helper.from_array(value, name) for name, value in numbers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
