"""``fournex run --like BAG``: a lockstep run that is started again from its bag is the same."""

from __future__ import annotations

import os
import pathlib
import platform
import signal
import sys
import time

import numpy as np
import pytest
from runtime_process import workers
from trembling_policy import trembling_bundle

from fournex_runtime.errors import RecordingError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.manifest import Manifest, environment
from fournex_runtime.record.recorded_configuration import (
    RecordedConfiguration,
    recorded_configuration,
)
from fournex_runtime.record.recording_difference import recording_difference
from fournex_runtime.record.replay import verify
from fournex_runtime.record.tick_record import TICK_TYPE
from fournex_runtime.ros.hosted import HostedSession
from fournex_runtime.ros.middleware import middleware_facts
from fournex_runtime.ros.same_again import give_seeds, other_than
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.shared_policy import SharedPolicy
from fournex_runtime.session.wiring import load_wiring
from fournex_runtime.session.wiring_types import Wiring

SOAK = pytest.mark.soak
KILLED_EVERY = 50
TRIGGERS = {
    'pendulum': 'joint_states',
    'arm': 'joint_states',
    'rover': 'scan, with: [odom]',
}


@pytest.fixture
def simulator(start):
    """Return a function that starts a robot that waits for each command."""

    def run(robot):
        command = [sys.executable, '-m', 'fournex_runtime.sim.node', '--ros-args']
        goals = {'goals': 1} if robot == 'rover' else {}
        for key, value in {'robot': robot, 'seed': 3, 'pacing': 'lockstep', **goals}.items():
            command += ['-p', f'{key}:={value}']
        return start('simulator', command)

    return run


@pytest.fixture
def lockstep(checkout, tmp_path):
    """Return a function that writes the wiring of a robot, paced by lockstep."""

    def write(robot):
        folder = checkout / 'examples' / robot
        text = (folder / 'wiring.yaml').read_text()
        for old, new in (
            ('policy: bundle', f'policy: {folder / "bundle"}'),
            ('    inputs:\n', f'    pacing: {{lockstep: {TRIGGERS[robot]}}}\n    inputs:\n'),
            # A reward has no stamp, so that nobody knows which tick it belongs to.
            ('    reward: {topic: reward, type: std_msgs/msg/Float64}\n', ''),
        ):
            assert old in text, old
            text = text.replace(old, new)
        file = tmp_path / 'wiring.yaml'
        file.write_text(text)
        return file

    return write


def recorded(process, folder, ticks, every=0):
    """
    Wait until a runtime has recorded so many ticks, end it, and return its bag.

    :param every: kill its worker each time it has recorded so many more and the worker after the
        last one has answered: one that is killed while it loads answers nothing.
    """
    killed, killed_at, deadline = 0, 0, time.monotonic() + 60.0
    while True:
        so_far, worker = recorded_so_far(folder)
        if so_far >= ticks and (not every or killed >= 2 and worker > killed):
            break
        assert time.monotonic() < deadline, f'{so_far} ticks:\n{process.text()}'
        assert process.process.poll() is None, process.text()
        if every and so_far >= killed_at + every and worker > killed:
            killed, killed_at = killed + 1, so_far
            os.kill(workers(process.pid)[0], signal.SIGKILL)
        time.sleep(0.05)
    process.signal(signal.SIGINT)
    assert process.wait(10) == 0, process.text()
    assert process.text().count('was killed by SIGKILL') == killed
    (bag,) = folder.iterdir()
    return bag


def recorded_so_far(folder):
    """Return how many ticks the only bag in a folder has, and which worker answered the last."""
    for bag in folder.glob('*'):
        try:
            with BagReader(bag) as reader:
                topics = [topic for topic in reader.counts if topic.endswith('/tick')]
                data = [one.data for one in reader.messages(topics)]
                if data:
                    return len(data), reader.types().decode(data[-1], TICK_TYPE).timing.worker
        except RecordingError:
            pass
    return 0, 0


@pytest.mark.parametrize(
    ('robot_name', 'ticks', 'trembling'),
    [
        ('pendulum', 160, True),
        pytest.param('pendulum', 500, False, marks=SOAK),
        pytest.param('arm', 300, False, marks=SOAK),
        pytest.param('rover', 300, False, marks=SOAK),
    ],
)
def test_a_run_like_another_has_the_same_ticks(
    robot_name, ticks, trembling, runtime, simulator, lockstep, start, tmp_path
):
    """In the first run the worker is killed again and again; a policy that samples does so."""
    more = {'bundle': trembling_bundle(tmp_path / 'trembling')} if trembling else {}
    simulation = simulator(robot_name)
    first = recorded(
        runtime(
            lockstep(robot_name),
            use_sim_time=True,
            record=tmp_path / 'first',
            graph_timeout=20.0,
            **more,
        ),
        tmp_path / 'first',
        ticks,
        KILLED_EVERY,
    )
    simulation.signal(signal.SIGINT)
    simulation.wait(10)
    (tmp_path / 'wiring.yaml').unlink()  # the recording has it
    simulator(robot_name)
    again = [sys.executable, '-m', 'fournex_runtime.cli.main', 'run', '--like', first]
    process = start('again', [*again, '--record', tmp_path / 'second'])
    ticks, _ = recorded_so_far(tmp_path / 'first')  # so that the kills are among those compared
    second = recorded(process, tmp_path / 'second', ticks)
    assert f'like {first}' not in process.text(), 'nothing differs on this machine'

    found = recording_difference(first, second)
    assert not found.configuration
    (session,) = found.sessions
    assert session.compared == ticks
    last = session.compared - 1  # one of them ends there, with the stop
    assert {one.tick for one in session.divergences} <= {last}
    assert {count.unequal for count in session.stages.values()} <= {0, 1}
    for bag in (first, second):
        (verification,) = verify(bag)
        assert verification.all_equal, verification
    there = recorded_configuration(first).manifest.environment
    assert there['ros.rmw'].startswith('rmw_') and there['parameter.clock_timeout'] == '2.0'
    ours = f'python {platform.python_version()}, numpy {np.__version__}'
    assert there[f'worker.{robot_name}'] == ours
    seeds = recorded_configuration(second).seeds[robot_name]
    assert seeds == recorded_configuration(first).seeds[robot_name]
    assert there[f'seed.{robot_name}'] == str(seeds[0])
    if trembling:
        assert len(seeds) == 1 and seeds[0] > 0, 'the first run drew it'


@pytest.fixture
def hosted(checkout):
    """Return the pendulum's session as the runtime hosts it, without its robot."""
    wiring = load_wiring(checkout / 'examples/pendulum/wiring.yaml')
    session, bundle = wiring.sessions[0], wiring.bundles['pendulum']
    backend = load_backend(bundle, session.inference.inline())
    return HostedSession(Engine(bundle, session, messages()), SharedPolicy(backend))


def configuration(hosted, seeds=(), **environment):
    """Return what a recording says that was made with a session and this environment."""
    manifest = Manifest(0, '/fournex', 'wiring.yaml', '', (), environment)
    wiring = Wiring(pathlib.Path('wiring.yaml'), 'pendulum', (hosted.engine.wiring,), {}, '')
    return RecordedConfiguration(pathlib.Path('bag'), manifest, wiring, {'pendulum': seeds})


def test_what_is_other_than_at_the_recording_is_named(hosted):
    here = environment([hosted.backend.description])
    same = configuration(hosted, **here)
    assert other_than(same, [hosted]) == ()
    there = {**here, 'processor': 'another', 'package.numpy': '1.0', 'host': 'robot'}
    assert other_than(configuration(hosted, **there), [hosted]) == (
        f'processor: recorded with another, here {here["processor"]}',
        f'package.numpy: recorded with 1.0, here {here["package.numpy"]}',
    )


def test_what_carries_the_messages_is_told_where_it_is_other_than_recorded(
    hosted, monkeypatch, tmp_path
):
    profile = tmp_path / 'profile.xml'
    profile.write_text('<dds/>')
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', str(profile))
    there = middleware_facts()
    assert other_than(configuration(hosted, **there), [hosted]) == ()
    profile.write_text('<dds><!-- another one --></dds>')
    monkeypatch.delenv('ROS_DOMAIN_ID', raising=False)
    there['ros.ROS_DOMAIN_ID'] = '7'
    changed, unset = other_than(configuration(hosted, **there), [hosted])
    assert changed.startswith(f'ros.FASTDDS_DEFAULT_PROFILES_FILE: recorded with {profile} (sha')
    assert unset == 'ros.ROS_DOMAIN_ID: recorded with 7, here none'


def test_an_activation_that_failed_takes_no_seed(hosted):
    give_seeds([hosted], 7, None)
    assert hosted.first_episode().seed == hosted.first_episode().seed == 7
    hosted.end()
    assert hosted.first_episode().seed == 7


def test_episodes_get_the_seeds_of_the_recording_in_their_order(hosted):
    def seed(given=0):
        hosted.request_episode('', given, ())
        return hosted._episode.seed

    give_seeds([hosted], 0, configuration(hosted, seeds=(5, 2**63 + 1)))
    assert [seed(), seed(), seed(), seed(8)] == [5, 2**63 + 1, 0, 8]
    give_seeds([hosted], 7, configuration(hosted, seeds=(5,)))
    assert [seed(), seed(99), seed()] == [7, 99, 8]
    give_seeds([hosted], 0, None)
