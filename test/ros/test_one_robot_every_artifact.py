"""One robot, driven by one policy as each kind of artifact: the path and the commands agree."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_session import edited

from fournex_runtime.policy.bundle import seal_bundle
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import verify
from fournex_runtime.record.tick_record import TICK_TYPE, decode_tick
from fournex_runtime.session.tick import Mode

pytestmark = pytest.mark.torch

TICKS = 400
"""Eight seconds."""
TOLERANCE = 1e-6
"""Of the range that a value went through: a metre of the rail, 20 N."""
SCALE = 10.0
"""Newtons for an action of one of the pendulum."""
BUFFERS = (
    ('input: h_in, output: h_out', 'buffer: hidden_state'),
    ('input: c_in, output: c_out', 'buffer: cell_state'),
)
ACTIONS = (('  action:\n', '  actions:\n'),)
ARTIFACTS = {
    ('pendulum', 'policy.onnx'): ('onnx', ()),
    ('pendulum', 'policy.zip'): ('stable_baselines3', ACTIONS),
    ('pendulum', 'policy.pt'): ('torchscript', ()),
    ('pendulum', 'policy.pt2'): ('torch_export', ()),
    ('pendulum', 'buffers.pt'): ('torchscript', BUFFERS),
    ('arm', 'policy.onnx'): ('onnx', ()),
    ('arm', 'policy.zip'): ('stable_baselines3', ACTIONS),
}
"""Backend of each robot's artifacts, and what its contract says otherwise."""
TOPICS = {'pendulum': 'effort_controller/commands', 'arm': 'forward_position_controller/commands'}


@dataclasses.dataclass(frozen=True, eq=False)
class Path:
    """
    What happened in one run, tick by tick.

    :param bag: the recording.
    :param stamps_ns: simulated time of each tick.
    :param positions: of the joints, m or rad, as the policy was shown them.
    :param observations: what the policy saw.
    :param actions: what it answered.
    :param states: its memory after the tick, h and c; None where it has none.
    :param commands: what was commanded, N or rad.
    """

    bag: pathlib.Path
    stamps_ns: list[int]
    positions: NDArray[np.float64]
    observations: NDArray[np.float32]
    actions: NDArray[np.float32]
    states: NDArray[np.float32] | None
    commands: NDArray[np.float64]


def read_path(bag: pathlib.Path, session: str) -> Path:
    """Return the first `TICKS` ticks of a recording."""
    with BagReader(bag) as reader:
        types = reader.types()
        measured = {}
        for message in reader.messages(['/joint_states']):
            joints = types.decode(message.data, 'sensor_msgs/msg/JointState')
            measured[message.sequence] = joints.position
        records = [
            decode_tick(types.decode(message.data, TICK_TYPE))
            for message in reader.messages([f'/fournex/{session}/tick'])
        ][:TICKS]
    assert [one.tick for one in records] == list(range(TICKS))
    assert {one.mode for one in records} == {Mode.POLICY}

    def column(arrays) -> NDArray:
        return np.stack([np.concatenate([a.ravel() for a in one.values()]) for one in arrays])

    return Path(
        bag,
        [one.ros_ns for one in records],
        np.stack([measured[one.inputs[0].last_index] for one in records]),
        column(one.observation for one in records),
        column(one.raw_action for one in records),
        column(one.state for one in records) if records[0].state else None,
        column(one.safe_action for one in records),
    )


@pytest.fixture(scope='module')
def artifacts(with_torch, tmp_path_factory):
    """Return the folder with the artifacts, a folder for each robot in it."""
    folder = tmp_path_factory.mktemp('artifacts')
    for name in TOPICS:
        (folder / name).mkdir()
        with_torch(f'{name}_artifacts.py', 'export', folder / name)
    return folder


@pytest.fixture(scope='module')
def paths() -> dict[tuple[str, str], Path]:
    """Return the runs so far, by robot and artifact."""
    return {}


@pytest.fixture
def drive(robot, runtime, start, artifacts, paths, checkout, tmp_path):
    """Return a function that drives a robot with an artifact in lockstep, once."""

    def bundle(name: str, artifact: str) -> pathlib.Path:
        backend, changes = ARTIFACTS[name, artifact]
        source = checkout / 'examples' / name / 'bundle'
        head, line, _ = (source / 'policy.yaml').read_text().partition('  file: policy.onnx\n')
        assert line
        folder = tmp_path / name / artifact / 'bundle'
        folder.mkdir(parents=True)
        zeros = '0' * 64
        tail = f'  file: {artifact}\n  sha256: {zeros!r}\n  backend: {backend}\n'
        (folder / 'policy.yaml').write_text(edited(head + tail, *changes))
        for file in (artifacts / name / artifact, *source.glob('*.safetensors')):
            shutil.copy(file, folder)
        return seal_bundle(folder).folder

    def run(name: str, artifact: str) -> Path:
        if (name, artifact) in paths:
            return paths[name, artifact]
        text = (checkout / 'examples' / name / 'wiring.yaml').read_text()
        reward = '    reward: {topic: reward, type: std_msgs/msg/Float64}\n'
        folder = bundle(name, artifact)
        wiring = folder.with_name('wiring.yaml')
        wiring.write_text(
            edited(
                text,
                ('policy: bundle', f'policy: {folder}'),
                ('    inputs:\n', '    pacing: {lockstep: joint_states}\n    inputs:\n'),
                (reward, ''),
            )
        )
        command = [sys.executable, '-m', 'fournex_runtime.sim.node', '--ros-args']
        for key, value in {'robot': name, 'seed': 3, 'pacing': 'lockstep'}.items():
            command += ['-p', f'{key}:={value}']
        simulator = start('simulator', command, timeout_s=150)
        process = runtime(
            wiring,
            use_sim_time=True,
            graph_timeout=60.0,
            record=folder.with_name('runs'),
            timeout_s=150,
        )
        side = robot(rate_hz=0, command_topic=TOPICS[name])
        side.wait(
            lambda: len(side.commands) > TICKS or process.process.poll() is not None,
            120,
            lambda: f'{len(side.commands)} commands:\n{process.text()}\n{simulator.text()}',
        )
        assert process.process.poll() is None, process.text()
        mapped = pathlib.Path(f'/proc/{process.pid}/maps').read_text()
        # Whatever computes the policy is in its worker.
        for library in ('libtorch', 'libc10', 'libonnxruntime', 'onnxruntime_pybind'):
            assert library not in mapped
        for one in (process, simulator):
            one.signal(2)
            assert one.wait(20) == 0, one.text()
        (bag,) = folder.with_name('runs').iterdir()
        paths[name, artifact] = read_path(bag, name)
        return paths[name, artifact]

    return run


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ('name', 'artifact'),
    [
        pytest.param(*one, marks=pytest.mark.soak if one[0] == 'arm' else ())
        for one in ARTIFACTS
        if 'onnx' not in one[1]
    ],
)
def test_the_robot_goes_the_same_way(name, artifact, drive):
    onnx, other = drive(name, 'policy.onnx'), drive(name, artifact)
    assert onnx.stamps_ns == other.stamps_ns
    assert np.ptp(onnx.positions, axis=0).max() > 0.5, 'the robot moved'
    for what in ('positions', 'observations', 'actions', 'states', 'commands'):
        ours, theirs = (getattr(one, what) for one in (onnx, other))
        if ours is not None:
            assert np.abs(ours - theirs).max() <= TOLERANCE * np.ptp(ours), what
    (verification,) = verify(other.bag)
    assert verification.all_equal, verification


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ('name', 'scale'),
    [('pendulum', SCALE), pytest.param('arm', None, marks=pytest.mark.soak)],
)
def test_its_actions_are_those_of_the_library_that_trained_it(
    name, scale, drive, with_torch, tmp_path
):
    onnx = drive(name, 'policy.onnx')
    np.save(tmp_path / 'obs.npy', onnx.observations)
    with_torch(f'{name}_artifacts.py', 'predict', tmp_path)
    expected = np.load(tmp_path / 'actions.npy')
    reach = np.ptp(onnx.actions)
    assert np.abs(np.clip(onnx.actions, -1.0, 1.0) - expected).max() <= TOLERANCE * reach
    if scale is not None:
        assert np.abs(expected).max() == 1.0, 'some are clipped'
        assert np.abs(onnx.commands - expected * scale).max() <= TOLERANCE * scale * reach
