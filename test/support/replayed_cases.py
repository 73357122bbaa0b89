"""Robots, policies and backends whose recordings are replayed, and the bundles they need."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil

import numpy as np
import onnx
import yaml
from imported_bundle import imported
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
TOGETHER = """\
name: together
version: 1
period: 20 ms
start_pose: {cart: 0.0, pole: 0.0}
inputs:
  obs:
    - {term: joint_position, joints: [cart, pole], unit: "m, rad"}
    - {term: last_action, of: clipped}
state:
  h: {shape: [1, 32], input: h_in, output: h_out, initial: zeros, reset: episode}
outputs:
  action: [{term: joint_effort_target, joints: [cart], unit: N, clip: [-1.0, 1.0], scale: 9.0}]
artifact: {file: policy.onnx, sha256: ZEROS, backend: onnx}
"""
LEROBOT_ANSWERS = {
    'period': '20 ms',
    'start_pose': {'cart': 0.0, 'pole': 0.0},
    'inputs.observation.state': {
        'term': 'joint_position',
        'joints': ['cart', 'pole'],
        'unit': 'm, rad',
    },
    'inputs.observation.environment_state': {'term': 'last_action'},
    'outputs.action': {'term': 'joint_effort_target', 'joints': ['cart'], 'unit': 'N'},
}
LATE, STALE = 'late: hold 60 ms then stop', 'stale: hold 60 ms then stop'
NARROW = (
    ('cart: {min: -10.0, max: 10.0, rate: unlimited}', 'cart: {min: -4.0, max: 4.0, rate: 120.0}'),
    (STALE, 'stale: hold 60 ms then ramp 200 ms to zero then stop'),
)
SPLITS = (('robot: pendulum', 'record: {split_size: 2 MB}\nrobot: pendulum'),)
SMALLER_SPLITS = (('robot: pendulum', 'record: {split_size: 1 MB}\nrobot: pendulum'),)
OPERATORS = (
    (
        '    reward:',
        """\
    overrides:
      joystick: {topic: joy, priority: 10, timeout: 60 ms}
      planner: {topic: plan, priority: 5, timeout: 100 ms}
    stop_topics:
      button: {topic: e_stop, timeout: forever}
    reward:""",
    ),
)
USED_LATE = ((LATE, f'{LATE}\n      late_answer: use in the next tick'),)
SECOND = (
    ('default: stop', 'default: policy calm for 300 ms then stop\n      return: {after: 40 ms}'),
    (STALE, 'stale: hold 40 ms then policy calm for 400 ms then ramp 200 ms to zero then stop'),
    (LATE, 'late: hold 60 ms then policy calm for 300 ms then stop'),
    (
        '    reward:',
        """\
    fallback:
      calm:
        policy: SECOND
        inputs:
          joint_position:
            {topic: spare_joint_states, type: sensor_msgs/msg/JointState, budget: 50 ms}
    reward:""",
    ),
)
SOFTLY = (('    reward:', '    soft_start: 200 ms\n    reward:'),)
SWAPPED = ('second policy', 'chosen policy', 'swap')
WHO_IS_DUE = (('    reward:', '    inference: {deterministic: false}\n    reward:'),)


@dataclasses.dataclass(frozen=True)
class Case:
    """
    One kind of recording.

    :param name: what is special about it.
    :param robot: which robot is driven.
    :param ticks: how many, of a million and more in all.
    :param backend: what runs the policy.
    :param artifact: of those that torch or LeRobot has saved; empty for one that needs none.
    :param contract: changes of the contract that the artifact needs.
    :param wiring: changes of the wiring.
    :param made: a bundle that is made here; empty for the robot's own.
    :param second: a bundle that is made here, or ``own``: the second policy.
    :param sessions: how many there are, each with a robot.
    :param in_process: the policy is run in the process that asks it.
    :param kills: how many workers are killed in a thousand ticks; one with torch takes long.
    :param shows: what has to happen in it.
    """

    name: str
    robot: str
    ticks: int
    backend: str = 'onnx'
    artifact: str = ''
    contract: tuple[tuple[str, str], ...] = ()
    wiring: tuple[tuple[str, str], ...] = ()
    made: str = ''
    second: str = ''
    sessions: int = 1
    in_process: bool = True
    kills: float = 0.4
    shows: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return a name for the test."""
        return f'{self.robot}: {self.name} ({self.backend})'


_SB3 = {'backend': 'stable_baselines3', 'artifact': 'policy.zip', 'contract': ACTIONS}
_SCRIPT = {'backend': 'torchscript', 'artifact': 'policy.pt', 'kills': 0.1}
_BUFFERS = {'backend': 'torchscript', 'artifact': 'buffers.pt', 'contract': BUFFERS, 'kills': 0.1}
_EXPORT = {'backend': 'torch_export', 'artifact': 'policy.pt2', 'kills': 0.1}
_SCRIPT_CHUNKS = {**_SCRIPT, 'made': 'chunks', 'artifact': 'chunks.pt'}
_EXPORT_CHUNKS = {**_EXPORT, 'made': 'chunks', 'artifact': 'chunks.pt2'}
_ACT = {'backend': 'lerobot', 'artifact': 'act', 'kills': 0.2}
_DIFFUSION = {**_ACT, 'artifact': 'diffusion'}
CASES = (
    Case('recurrent', 'pendulum', 100_000),
    Case('recurrent, workers killed', 'pendulum', 40_000, in_process=False),
    Case('narrow limits, ramp, files of 2 MB', 'pendulum', 80_000, wiring=NARROW + SPLITS),
    Case('chunks, history', 'pendulum', 80_000, made='chunks'),
    Case('chunks, operators', 'pendulum', 20_000, made='chunks', wiring=OPERATORS,
         shows=('manual',)),
    Case('chunks, late answers used', 'pendulum', 20_000, made='chunks', wiring=USED_LATE,
         shows=('belated answer',)),
    Case('noise, some answers not finite', 'pendulum', 80_000, made='noise'),
    Case('range scan, goals', 'rover', 40_000),
    Case('operators', 'rover', 20_000, wiring=OPERATORS, shows=('manual',)),
    Case('joint position targets', 'arm', 80_000),
    Case('operators', 'arm', 40_000, wiring=OPERATORS, shows=('manual',)),
    Case('late answers used, operators', 'pendulum', 60_000, wiring=USED_LATE + OPERATORS,
         shows=('belated answer', 'manual')),
    Case('late answers used, workers killed', 'pendulum', 30_000, wiring=USED_LATE,
         in_process=False, shows=('belated answer',)),
    Case('second policy with chunks, soft start', 'pendulum', 60_000, wiring=SECOND + SOFTLY,
         second='chunks', shows=SWAPPED),
    Case('second policy recurrent, late answers used, operators', 'pendulum', 40_000,
         wiring=USED_LATE + SECOND + OPERATORS, made='chunks', second='own',
         shows=(*SWAPPED, 'manual')),
    Case('second policy, workers killed, files of 2 MB', 'pendulum', 20_000,
         wiring=SECOND + SPLITS, made='noise', second='own', in_process=False, shows=SWAPPED),
    Case('three in a batch', 'pendulum', 75_000, made='together', sessions=3,
         shows=('in a batch',)),
    Case('three in a batch, workers killed', 'pendulum', 30_000, made='together', sessions=3,
         in_process=False, kills=2.0, shows=('in a batch',)),
    Case('a batch of who is due', 'pendulum', 45_000, made='together', sessions=3,
         wiring=WHO_IS_DUE, shows=('in a batch',)),
    Case('recurrent', 'pendulum', 40_000, **_SB3),
    Case('normalised', 'arm', 40_000, **_SB3),
    Case('late answers used, operators', 'pendulum', 20_000, **_SB3, wiring=USED_LATE + OPERATORS,
         shows=('belated answer', 'manual')),
    Case('three in a batch, second policy', 'pendulum', 30_000, **_SB3, wiring=SECOND,
         second='chunks', sessions=3, shows=('in a batch', *SWAPPED)),
    Case('recurrent, workers killed, files of 1 MB', 'pendulum', 20_000, **_SB3,
         wiring=SMALLER_SPLITS, in_process=False),
    Case('recurrent, workers killed', 'pendulum', 20_000, **_SCRIPT),
    Case('late answers used, operators', 'pendulum', 10_000, **_SCRIPT,
         wiring=USED_LATE + OPERATORS, shows=('belated answer', 'manual')),
    Case('three in a batch', 'pendulum', 15_000, **_SCRIPT, sessions=3, shows=('in a batch',)),
    Case('chunks, late answers used, files of 1 MB', 'pendulum', 10_000, **_SCRIPT_CHUNKS,
         wiring=USED_LATE + SMALLER_SPLITS, shows=('belated answer',)),
    Case('memory in buffers, workers killed', 'pendulum', 15_000, **_BUFFERS),
    Case('memory in buffers, second policy', 'pendulum', 10_000, **_BUFFERS, wiring=SECOND,
         second='chunks', shows=SWAPPED),
    Case('recurrent, workers killed', 'pendulum', 15_000, **_EXPORT),
    Case('late answers used, operators', 'pendulum', 10_000, **_EXPORT,
         wiring=USED_LATE + OPERATORS, shows=('belated answer', 'manual')),
    Case('chunks, late answers used, files of 1 MB', 'pendulum', 10_000, **_EXPORT_CHUNKS,
         wiring=USED_LATE + SMALLER_SPLITS, shows=('belated answer',)),
    Case('three in a batch', 'pendulum', 15_000, **_EXPORT, sessions=3, shows=('in a batch',)),
    Case('second policy', 'pendulum', 10_000, **_EXPORT, wiring=SECOND, second='chunks',
         shows=SWAPPED),
)  # fmt: skip
LEROBOT_CASES = tuple(
    Case(f'{name}, {what}', 'pendulum', 10_000, **{**saved, **more})
    for name, saved in (('ACT', _ACT), ('diffusion', _DIFFUSION))
    for what, more in (
        (
            'late answers used, operators, workers killed, files of 1 MB',
            {
                'wiring': USED_LATE + OPERATORS + SMALLER_SPLITS,
                'kills': 1.5,
                'shows': ('belated answer', 'manual'),
            },
        ),
        ('files of 1 MB', {'wiring': SMALLER_SPLITS}),
        ('second policy', {'wiring': SECOND, 'second': 'own', 'shows': SWAPPED}),
        ('three sessions', {'sessions': 3}),
    )
)
"""Chunks of actions, made of a state and the last action; only where LeRobot is."""


def wiring_of(
    case: Case, folder: pathlib.Path, checkout: pathlib.Path, artifacts: pathlib.Path | None
) -> pathlib.Path:
    """
    Write the wiring and the bundle of a case.

    :param case: the case.
    :param folder: where; it must not exist.
    :param checkout: the repository.
    :param artifacts: what torch or LeRobot has saved, a folder for each robot; None where
        nothing has.
    :returns: the wiring.
    """
    example = checkout / 'examples' / case.robot
    bundle = example / 'bundle'
    folder.mkdir(parents=True)
    if case.made:
        saved = artifacts / case.robot / case.artifact if artifacts and case.artifact else None
        bundle = made_bundle(case.made, folder / 'bundle', saved, case.backend)
    elif case.backend == 'lerobot':
        assert artifacts is not None
        saved = artifacts / case.robot / case.artifact
        bundle = imported(saved, LEROBOT_ANSWERS, folder / 'bundle').folder
    elif case.artifact:
        assert artifacts is not None
        bundle = _exported(case, example / 'bundle', artifacts / case.robot, folder / 'bundle')
    text = (example / 'wiring.yaml').read_text()
    text = edited(text, ('policy: bundle', f'policy: {bundle}'), *case.wiring)
    if case.second:
        own = example / 'bundle'
        second = own if case.second == 'own' else made_bundle(case.second, folder / 'second')
        text = edited(text, ('policy: SECOND', f'policy: {second}'))
    file = folder / 'wiring.yaml'
    file.write_text(text if case.sessions == 1 else _several(text, case.sessions))
    return file


def _several(text: str, count: int) -> str:
    """Return a wiring with its session several times, each with topics of its own."""
    wiring = yaml.safe_load(text)
    ((name, session),) = wiring['sessions'].items()
    wiring['sessions'] = {
        f'{name}{number}': _under(f'{name}{number}', session) for number in range(count)
    }
    return yaml.safe_dump(wiring, sort_keys=False)


def _under(prefix: str, section):
    """Return a section with its topics under a prefix."""
    if not isinstance(section, dict):
        return section
    return {
        key: f'{prefix}/{value}' if key == 'topic' else _under(prefix, value)
        for key, value in section.items()
    }


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


def made_bundle(
    kind: str, folder: pathlib.Path, saved: pathlib.Path | None = None, backend: str = 'onnx'
) -> pathlib.Path:
    """
    Return a bundle that is made here: ``chunks``, ``noise`` or ``together``.

    :param kind: which.
    :param folder: where; it must not exist.
    :param saved: an artifact that does the same; the ONNX model is made here.
    :param backend: what runs that.
    """
    folder.mkdir()
    contract, model = _MADE[kind]
    name, data = (saved.name, saved.read_bytes()) if saved else ('policy.onnx', model())
    (folder / name).write_bytes(data)
    artifact = f"file: {name}, sha256: '{'0' * 64}', backend: {backend}"
    text = edited(contract, ('file: policy.onnx, sha256: ZEROS, backend: onnx', artifact))
    (folder / 'policy.yaml').write_text(text)
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
        nodes,
        {'obs': [1, 7]},
        {'action': [1, 4, 1]},
        {'gains': gains, 'shape': np.array([1, 4, 1])},
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
    return _model(nodes, {'obs': [1, 2], 'noise': [1, 1]}, {'action': [1, 1]}, numbers)


def _together() -> bytes:
    """Return a recurrent network with an open batch axis that pushes against the pole."""
    random = np.random.default_rng(1)
    draw = lambda *shape: random.normal(0.0, 0.3, shape).astype(np.float32)  # noqa: E731
    out = draw(32, 1) * 0.2
    straight = np.array([[-0.5], [-6.0], [0.1]], np.float32)
    nodes = [
        helper.make_node('MatMul', ['obs', 'W'], ['seen']),
        helper.make_node('MatMul', ['h_in', 'U'], ['kept']),
        helper.make_node('Add', ['seen', 'kept'], ['both']),
        helper.make_node('Tanh', ['both'], ['h_out']),
        helper.make_node('MatMul', ['h_out', 'V'], ['felt']),
        helper.make_node('MatMul', ['obs', 'K'], ['pushed']),
        helper.make_node('Add', ['felt', 'pushed'], ['action']),
    ]
    numbers = {'W': draw(3, 32), 'U': draw(32, 32), 'V': out, 'K': straight}
    return _model(
        nodes,
        {'obs': ['batch', 3], 'h_in': ['batch', 32]},
        {'action': ['batch', 1], 'h_out': ['batch', 32]},
        numbers,
    )


_MADE = {
    'chunks': (CHUNKS, _chunks),
    'noise': (TREMBLING, _noise),
    'together': (TOGETHER, _together),
}


def _model(nodes, inputs, outputs, numbers) -> bytes:
    graph = helper.make_graph(
        nodes,
        'policy',
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in inputs.items()],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in numbers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
