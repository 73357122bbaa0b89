"""One robot, driven by one policy as each kind of artifact: the path and the commands agree."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import subprocess
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
"""Eight seconds of balancing a pole."""
TOLERANCE = 1e-6
"""Of the range that a value went through: a metre of the rail, 20 N."""
SCALE = 10.0
"""Newtons for an action of one."""
BUFFERS = (
    ('input: h_in, output: h_out', 'buffer: hidden_state'),
    ('input: c_in, output: c_out', 'buffer: cell_state'),
)
ARTIFACTS = {
    'policy.onnx': ('onnx', ()),
    'policy.zip': ('stable_baselines3', (('  action:\n', '  actions:\n'),)),
    'policy.pt': ('torchscript', ()),
    'policy.pt2': ('torch_export', ()),
    'buffers.pt': ('torchscript', BUFFERS),
}
"""Backend of each artifact, and what its contract says otherwise."""


@dataclasses.dataclass(frozen=True, eq=False)
class Path:
    """
    What happened in one run, tick by tick.

    :param bag: the recording.
    :param stamps_ns: simulated time of each tick.
    :param positions: of cart and pole, m and rad, as the policy was shown them.
    :param observations: what the policy saw.
    :param actions: what it answered.
    :param states: its memory after the tick, h and c.
    :param efforts: what was commanded, N.
    """

    bag: pathlib.Path
    stamps_ns: list[int]
    positions: NDArray[np.float64]
    observations: NDArray[np.float32]
    actions: NDArray[np.float32]
    states: NDArray[np.float32]
    efforts: NDArray[np.float64]


def read_path(bag: pathlib.Path) -> Path:
    """Return the first `TICKS` ticks of a recording."""
    with BagReader(bag) as reader:
        types = reader.types()
        measured = {}
        for message in reader.messages(['/joint_states']):
            joints = types.decode(message.data, 'sensor_msgs/msg/JointState')
            assert joints.name == ['cart', 'pole']
            measured[message.sequence] = joints.position
        records = [
            decode_tick(types.decode(message.data, TICK_TYPE))
            for message in reader.messages(['/fournex/pendulum/tick'])
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
        column(one.state for one in records),
        column(one.safe_action for one in records),
    )


@pytest.fixture(scope='module')
def run_exporter(checkout, torch_python, torch_environment):
    """Return a function that runs a command of ``pendulum_artifacts.py`` on a folder."""

    def run(command: str, folder: pathlib.Path) -> None:
        script = checkout / 'test' / 'support' / 'pendulum_artifacts.py'
        done = subprocess.run(
            [torch_python, '-W', 'ignore', script, command, folder],
            env=torch_environment,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope='module')
def artifacts(run_exporter, tmp_path_factory):
    """Return the folder with the artifacts."""
    folder = tmp_path_factory.mktemp('artifacts')
    run_exporter('export', folder)
    return folder


@pytest.fixture(scope='module')
def paths() -> dict[str, Path]:
    """Return the runs so far, by artifact."""
    return {}


@pytest.fixture
def drive(robot, runtime, start, artifacts, paths, checkout, tmp_path):
    """Return a function that drives the robot with an artifact in lockstep, once."""

    def bundle(name: str) -> pathlib.Path:
        backend, changes = ARTIFACTS[name]
        text = (checkout / 'examples/pendulum/bundle/policy.yaml').read_text()
        head, line, _ = text.partition('  file: policy.onnx\n')
        assert line
        folder = tmp_path / name / 'bundle'
        folder.mkdir(parents=True)
        zeros = '0' * 64
        tail = f'  file: {name}\n  sha256: {zeros!r}\n  backend: {backend}\n'
        (folder / 'policy.yaml').write_text(edited(head + tail, *changes))
        shutil.copy(artifacts / name, folder)
        return seal_bundle(folder).folder

    def run(name: str) -> Path:
        if name in paths:
            return paths[name]
        text = (checkout / 'examples/pendulum/wiring.yaml').read_text()
        reward = '    reward: {topic: reward, type: std_msgs/msg/Float64}\n'
        folder = bundle(name)
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
        for key, value in {'robot': 'pendulum', 'seed': 3, 'pacing': 'lockstep'}.items():
            command += ['-p', f'{key}:={value}']
        simulator = start('simulator', command, timeout_s=100)
        process = runtime(
            wiring, use_sim_time=True, record=tmp_path / name / 'runs', timeout_s=100
        )
        side = robot(rate_hz=0)
        side.wait(
            lambda: len(side.commands) > TICKS,
            80,
            lambda: f'{len(side.commands)} commands:\n{process.text()}\n{simulator.text()}',
        )
        mapped = pathlib.Path(f'/proc/{process.pid}/maps').read_text()
        assert 'libtorch' not in mapped and 'libc10' not in mapped
        assert ('libonnxruntime' in mapped or 'onnxruntime_pybind' in mapped) == (
            ARTIFACTS[name][0] in ('onnx', 'stable_baselines3')
        )
        for one in (process, simulator):
            one.signal(2)
            assert one.wait(20) == 0, one.text()
        (bag,) = (tmp_path / name / 'runs').iterdir()
        paths[name] = read_path(bag)
        return paths[name]

    return run


@pytest.mark.timeout(250)
@pytest.mark.parametrize('name', [name for name in ARTIFACTS if name != 'policy.onnx'])
def test_the_robot_goes_the_same_way(name, drive):
    onnx, other = drive('policy.onnx'), drive(name)
    assert onnx.stamps_ns == other.stamps_ns
    assert np.ptp(onnx.positions, axis=0).min() > 0.05, 'the robot moved'
    for what in ('positions', 'actions', 'states', 'efforts'):
        ours, theirs = (getattr(one, what) for one in (onnx, other))
        assert np.abs(ours - theirs).max() <= TOLERANCE * np.ptp(ours), what
    (verification,) = verify(other.bag)
    assert verification.all_equal, verification


@pytest.mark.timeout(250)
def test_its_actions_are_those_of_the_library_that_trained_it(drive, run_exporter, tmp_path):
    onnx = drive('policy.onnx')
    np.save(tmp_path / 'obs.npy', onnx.observations)
    run_exporter('predict', tmp_path)
    expected = np.load(tmp_path / 'actions.npy')
    assert np.abs(expected).max() == 1.0, 'some are clipped'
    reach = np.ptp(onnx.actions)
    assert np.abs(np.clip(onnx.actions, -1.0, 1.0) - expected).max() <= TOLERANCE * reach
    assert np.abs(onnx.efforts - expected * SCALE).max() <= TOLERANCE * SCALE * reach
