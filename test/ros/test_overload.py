"""A rate that the machine cannot hold: refused before, told with the stage to blame during."""

from __future__ import annotations

import pathlib

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from linear_bundle import write_linear
from robot_side import joint_state
from term_package import MODULE, install

from fournex_msgs.msg import SessionStatus

CONTRACT = """\
name: thorough
version: 1
period: 20 ms
inputs: {{obs: [{{term: my_terms.scaled, gain: 2}}]}}
outputs: {{actions: [{{term: joint_effort_target, joints: [cart]}}]}}
artifact: {{file: policy.onnx, sha256: {sha256}, backend: onnx}}
"""
WIRING = """\
robot: pendulum
sessions:
  thorough:
    policy: bundle
    inputs:
      my_terms.scaled: {topic: joint_states, type: sensor_msgs/msg/JointState, budget: 5 s}
    outputs:
      joint_effort_target:
        topic: effort_controller/commands
        type: std_msgs/msg/Float64MultiArray
        joints: [cart]
        stop: zero
    limits: {joint_effort_target: {all: {min: -10, max: 10, rate: unlimited}}}
    reactions: {default: hold 60 s then stop}
"""
SLOW = (
    "        state = messages['']\n",
    "        time.sleep(0.03)\n        state = messages['']\n",
)


def test_a_term_that_takes_longer_than_the_period_is_to_blame(
    robot, runtime, tmp_path, monkeypatch
):
    there = install(tmp_path / 'there', 'import time\n' + MODULE.replace(*SLOW))
    monkeypatch.setenv('PYTHONPATH', str(there), prepend=':')
    wiring = write_linear(tmp_path, 2, CONTRACT, WIRING)
    side = robot()
    side.state = lambda: joint_state((0.5, 1.0), names=('a', 'b'))

    refused = runtime(wiring, name='refused')
    assert refused.wait(40) == 2
    assert 'of the time that one loop has: thorough 1' in refused.text()

    statuses, told = [], []
    topic = '/fournex/thorough/status'
    side.node.create_subscription(SessionStatus, topic, statuses.append, 10)

    def listen(message: DiagnosticArray) -> None:
        told.extend(one for one in message.status if 'thorough' in one.name)

    side.node.create_subscription(DiagnosticArray, '/diagnostics', listen, 10)
    wiring.write_text(f'{WIRING}realtime: {{on_overload: report}}\n')
    process = runtime(wiring)
    side.wait_for_commands(20, 40)
    # The first answers are late, since the time for them passes while a tick observes.
    side.wait(lambda: any(one.blame == 'observe' for one in statuses), 20, process.text)
    assert statuses[-1].rate < 40.0
    words = 'does not hold 50 Hz: observe takes 3'
    side.wait(lambda: any(words in one.message for one in told), 20, process.text)
    assert next(one for one in told if words in one.message).level == DiagnosticStatus.WARN
    # The network is in its worker, and torch nowhere.
    loaded = pathlib.Path(f'/proc/{process.process.pid}/maps').read_text()
    assert 'rclpy' in loaded and 'onnxruntime' not in loaded and 'torch' not in loaded
