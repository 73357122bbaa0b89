"""``fournex run``: what it hands to the runtime node, and what it refuses."""

from __future__ import annotations

import pathlib
import sys

import pytest

from fournex_runtime.cli.run import ros_arguments
from fournex_runtime.errors import ConfigurationError, FournexError
from fournex_runtime.pipeline.messages import messages


def test_options_become_ros_arguments():
    here = pathlib.Path.cwd()
    assert ros_arguments(
        ['w.yaml', '--record', 'runs', '--namespace', 'r1', '--bundle', '/b',
         '--ros-args', '-p', 'use_sim_time:=true', '--log-level', 'debug']
    ) == [
        'runtime', '--ros-args', '-p', f'wiring:={here / "w.yaml"}', '-p', 'bundle:=/b',
        '-p', f'record:={here / "runs"}', '-r', '__ns:=/r1',
        '-p', 'use_sim_time:=true', '--log-level', 'debug',
    ]  # fmt: skip


@pytest.fixture
def elsewhere(bag, rewrite, tmp_path):
    """Return the pendulum's recording as if it had been made under other names."""
    types = messages()

    def alter(message):
        if message.topic != '/fournex/manifest':
            return message.data
        manifest = types.decode(message.data, 'fournex_msgs/msg/Manifest')
        manifest.runtime = '/lab/pilot'
        session = manifest.sessions[0]
        session.frame_prefix = 'r1/'
        session.command_topics = ['/lab/effort_controller/commands']
        assert session.input_topics == ['/joint_states', '/reward']  # remapped, so to say
        values = {
            'parameter.use_sim_time': 'True',
            'parameter.worker_python': '/nowhere/python',
            'parameter.graph_timeout': '20.0',
            'parameter.clock_timeout': '0.5',
            'overridden.start_pose': 'pole is at 1.4',
        }
        kind = types.type('diagnostic_msgs/msg/KeyValue')
        manifest.environment += [kind(key=key, value=value) for key, value in values.items()]
        return types.encode(manifest, 'fournex_msgs/msg/Manifest')

    return rewrite(bag, tmp_path / 'elsewhere', alter)


def test_like_takes_names_and_parameters_from_the_recording(elsewhere):
    taken = [
        'runtime', '--ros-args', '-p', f'like:={elsewhere}', '-p', 'frame_prefix:=r1/',
        '-p', 'use_sim_time:=true', '-p', 'graph_timeout:=20.0', '-p', 'clock_timeout:=0.5',
        '-p', "override_checks:=['start_pose']",
    ]  # fmt: skip
    names = [
        '-r', '__ns:=/lab', '-r', '__node:=pilot',
        '-r', '/lab/joint_states:=/joint_states', '-r', '/lab/reward:=/reward',
    ]  # fmt: skip
    assert ros_arguments(['--like', str(elsewhere)]) == [*taken, *names]
    assert ros_arguments(
        ['--like', str(elsewhere), '--namespace', 'r2', '--seed', '7', '--record', '/runs']
    ) == [*taken, '-p', 'seed:=7', '-p', 'record:=/runs', '-r', '__ns:=/r2']


def test_a_recording_and_something_else_is_refused(bag, tmp_path):
    for words, complaint in (
        ([], 'give either a wiring file or --like BAG'),
        (['w.yaml', '--like', str(bag)], 'give either a wiring file or --like BAG'),
        (['--like', str(bag), '--bundle', 'b'], '--like takes the policies of the recording'),
        (['--like', str(tmp_path)], 'is not a bag'),
    ):
        with pytest.raises(FournexError, match=complaint):
            ros_arguments(words)


def test_a_namespace_that_is_none_is_refused():
    for wrong in ('r 1', '1r', 'a//b', 'r1/', ''):
        with pytest.raises(ConfigurationError, match='--namespace'):
            ros_arguments(['w.yaml', '--namespace', wrong])


def test_a_wiring_that_does_not_fit_starts_nothing(fournex, wiring):
    done = fournex('run', wiring(('joint_position: {', 'joint_positon: {')))
    assert done.status == 2
    assert 'Did you mean joint_position?' in done.err + done.out
    assert done.err.splitlines()[-1] == 'Nothing was started.'


@pytest.mark.parametrize(
    ('path', 'words'),
    [
        (
            'examples/rover',
            'a folder; expected a wiring file (.yaml). Did you mean examples/rover/w',
        ),
        ('docs', 'docs: a folder; expected a wiring file (.yaml)'),
        ('examples/rover/bundle/policy.yaml', "a policy's contract; expected the robot's wiring"),
    ],
)
def test_what_is_no_wiring_is_named(fournex, path, words):
    done = fournex('run', path)
    assert (done.status, done.out) == (2, '')
    assert words in done.err
    assert done.err.splitlines()[-1] == 'Nothing was started.'


def test_it_drives_until_it_is_told_to_end(start, fournex, checkout, tmp_path):
    simulator = start(
        'sim',
        [sys.executable, '-m', 'fournex_runtime.sim.node', '--ros-args', '-p', 'robot:=pendulum'],
        timeout_s=50,
    )
    runtime = start(
        'run',
        [sys.executable, '-m', 'fournex_runtime.cli.main', 'run',
         checkout / 'examples/pendulum/wiring.yaml', '--record', tmp_path / 'runs',
         '--ros-args', '-p', 'graph_timeout:=20.0'],
        timeout_s=50,
    )  # fmt: skip
    runtime.wait_for('policy', timeout_s=30)
    shown = fournex('top', '--once')
    assert shown.status == 0, shown.out + shown.err
    cells = shown.out.splitlines()[1].split()
    assert cells[:3] == ['/fournex/pendulum', 'pendulum-balance@1', 'policy']
    assert 40.0 < float(cells[3]) < 60.0 and cells[4] == '50'
    runtime.signal(2)
    assert runtime.wait(10) == 0
    assert (tmp_path / 'runs' / 'pendulum-0001' / 'metadata.yaml').is_file()
    assert simulator.process.poll() is None
