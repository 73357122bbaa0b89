"""A term of an installed package in the runtime, in the manifest, in the replay, and hanging."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from linear_bundle import write_linear
from robot_side import joint_state
from term_package import MODULE, install

from fournex_msgs.msg import SessionStatus
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.recorded_configuration import read_manifest
from fournex_runtime.record.replay import verify
from fournex_runtime.session.tick import Mode

CONTRACT = """\
name: scaled
version: 1
period: 20 ms
inputs: {{obs: [{{term: my_terms.scaled, gain: 2}}]}}
outputs: {{actions: [{{term: joint_effort_target, joints: [cart]}}]}}
artifact: {{file: policy.onnx, sha256: {sha256}, backend: onnx}}
"""
WIRING = """\
robot: pendulum
sessions:
  scaled:
    policy: bundle
    inputs:
      my_terms.scaled: {topic: joint_states, type: sensor_msgs/msg/JointState, budget: 1 s}
    outputs:
      joint_effort_target:
        topic: effort_controller/commands
        type: std_msgs/msg/Float64MultiArray
        joints: [cart]
        stop: zero
    limits: {joint_effort_target: {all: {min: -10, max: 10, rate: unlimited}}}
    reactions: {default: stop}
"""


@pytest.fixture
def wiring(tmp_path):
    """Return a wiring whose policy commands the first value of the term."""
    return write_linear(tmp_path, 2, CONTRACT, WIRING)


def test_a_term_of_a_package_drives_is_recorded_and_replayed(
    robot, runtime, wiring, tmp_path, monkeypatch
):
    there = install(tmp_path / 'first')
    monkeypatch.setenv('PYTHONPATH', str(there), prepend=':')
    side = robot()
    side.state = lambda: joint_state((0.5, 1.0), names=('a', 'b'))
    process = runtime(wiring, record=tmp_path / 'bags')
    side.wait_for_commands(20)
    assert side.commands[-1].values == (1.0,)
    process.signal(signal.SIGINT)
    assert process.wait(10) == 0
    (bag,) = (tmp_path / 'bags').iterdir()
    with monkeypatch.context() as same:
        same.syspath_prepend(str(there))
        with BagReader(bag) as reader:
            manifest = read_manifest(reader, reader.types())
        assert manifest.environment['term.my_terms.scaled'] == 'my-terms 1.2.3'
        (verification,) = verify(bag)
        assert verification.all_equal and verification.environment == (), verification
        monkeypatch.delitem(__import__('sys').modules, 'my_terms')
    other = MODULE.replace("* term.options['gain']", '')
    monkeypatch.syspath_prepend(str(install(tmp_path / 'second', other, version='1.2.4')))
    (verification,) = verify(bag)
    assert verification.environment == (
        'term.my_terms.scaled: recorded with my-terms 1.2.3, here my-terms 1.2.4',
    )
    assert verification.observations.unequal > 0


def test_a_term_that_hangs_is_told_by_who_does_not_tick(
    robot, runtime, wiring, tmp_path, monkeypatch
):
    held = tmp_path / 'held'
    hangs = f"""
    def read(self, messages, term, frames):
        import pathlib, time
        while pathlib.Path({str(held)!r}).exists():
            time.sleep(0.02)
        return [1.0, 1.0]
"""
    there = install(tmp_path / 'term', MODULE.split('    def read')[0] + hangs.lstrip('\n'))
    monkeypatch.setenv('PYTHONPATH', str(there), prepend=':')
    side = robot()
    side.state = lambda: joint_state((0.5, 1.0), names=('a', 'b'))
    told, statuses = [], []
    side.node.create_subscription(
        DiagnosticArray, '/diagnostics', lambda one: told.extend(one.status), 10
    )
    side.node.create_subscription(SessionStatus, '/fournex/scaled/status', statuses.append, 5)
    runtime(wiring)
    side.wait_for_commands(20)
    side.wait(lambda: statuses and statuses[-1].rate > 0.0, what='status')
    held.touch()
    try:
        top = subprocess.run(
            [sys.executable, '-m', 'fournex_runtime.cli.main', 'top', '--once'],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        side.wait(lambda: told and told[-1].level == DiagnosticStatus.ERROR, what='an error')
        side.wait(lambda: statuses[-1].rate == 0.0, what='a rate of 0')
    finally:
        held.unlink()
    assert re.match(r'no tick for \d+\.\d s; before: policy\b', told[-1].message)
    assert {one.key: one.value for one in told[-1].values}['rate [Hz]'] == '0.000'
    assert statuses[-1].mode == Mode.POLICY and statuses[-1].cause.startswith('no tick for ')
    assert top.returncode == 1, top.stderr
    assert '/fournex/scaled: no tick for ' in top.stdout
    assert ' no tick ' in top.stdout.splitlines()[1] and ' 0.00 ' in top.stdout.splitlines()[1]
    side.wait(lambda: statuses[-1].rate > 0.0, what='ticks again')
    side.wait(lambda: not statuses[-1].cause.startswith('no tick'), what='what they say')
    side.wait(lambda: not told[-1].message.startswith('no tick'), what='no error any more')


def test_a_package_that_is_not_there_refuses_the_start(runtime, wiring):
    process = runtime(wiring)
    assert process.wait(30) == 2
    assert 'my_terms.scaled is not installed here: install the package' in process.text()
