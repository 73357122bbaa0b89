"""Several arms in one runtime: asked in one batch, at two rates, and none in the others' way."""

from __future__ import annotations

import os
import pathlib
import resource
import signal

import pytest
import rclpy
from backend_cases import bundle, contract, onnx_model
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from robot_side import JOINT_STATE, joint_state
from std_msgs.msg import Float64MultiArray
from tiny_session import edited

from fournex_runtime.policy.bundle import seal_bundle
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import verify
from fournex_runtime.record.tick_record import TICK_TYPE, decode_tick, decode_timing
from fournex_runtime.ros.graph import message_class
from fournex_runtime.session.tick import AnswerKind, Mode

PERIODS_MS = {'left': 50, 'right': 50, 'slow': 100, 'apart': 200}
SESSION = """\
  {name}:
    policy: {bundle}
    inputs:
      joint_position: {{topic: {name}/joint_states, type: sensor_msgs/msg/JointState, budget: 5 s}}
    outputs:
      joint_velocity_target:
        topic: {name}/commands
        type: std_msgs/msg/Float64MultiArray
        joints: [b, a]
        stop: zero
    limits:
      joint_velocity_target: {{all: {{min: -1.5, max: 1.5, rate: unlimited}}}}
    reactions: {{default: hold 30 s then stop}}
    inference: {inference}
"""


class Arms:
    """The robots' side in one process: joint states of every arm, and their commands counted."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node('arms', context=self.context)
        self.commands = dict.fromkeys(PERIODS_MS, 0)
        self.stamp_ns: int | None = None
        """Of the joint states; None: now."""
        self.publishers = {}
        for name in PERIODS_MS:
            self.publishers[name] = self.node.create_publisher(
                message_class(JOINT_STATE), f'{name}/joint_states', 10
            )
            self.node.create_subscription(
                Float64MultiArray,
                f'{name}/commands',
                lambda message, name=name: self.count(name),
                QoSProfile(depth=10),
            )
        self.node.create_timer(0.02, self.publish)
        self.executor = rclpy.executors.SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def count(self, name: str) -> None:
        self.commands[name] += 1

    def publish(self) -> None:
        for number, publisher in enumerate(self.publishers.values()):
            publisher.publish(joint_state((0.1 * number, -0.2), ('a', 'b'), self.stamp_ns))

    def spin_until(self, condition, turns: int, what) -> None:
        for _ in range(turns):
            if condition():
                return
            self.executor.spin_once(timeout_sec=0.02)
        raise AssertionError(f'{self.commands}\n{what()}')

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def arms():
    side = Arms()
    yield side
    side.close()


@pytest.fixture
def wiring(tmp_path):
    """Return a wiring of four arms, whose policies are one network at three rates."""
    text = 'robot: arms\nsessions:\n'
    for name, period_ms in PERIODS_MS.items():
        folder = tmp_path / f'every-{period_ms}-ms'
        if not folder.exists():
            words = edited(
                contract('onnx', 'policy.onnx', 'recurrent'),
                ('period: 20 ms', f'period: {period_ms} ms'),
            )
            bundle(folder, onnx_model('recurrent', 'batch'), words, 'policy.onnx')
        inference = '{batch: false, memory: 512}' if name == 'apart' else '{batch: true}'
        text += SESSION.format(name=name, bundle=folder, inference=inference)
    file = tmp_path / 'wiring.yaml'
    file.write_text(text)
    return file


def workers(runtime_pid: int) -> list[int]:
    """Return the workers of a runtime, the one with the most memory first."""
    found = []
    for task in pathlib.Path(f'/proc/{runtime_pid}/task').iterdir():
        for word in (task / 'children').read_text().split():
            if b'fournex_runtime/worker' in pathlib.Path(f'/proc/{word}/cmdline').read_bytes():
                found.append(int(word))
    return sorted(found, key=lambda pid: -resource.prlimit(pid, resource.RLIMIT_AS)[0])


def ticks(bag: pathlib.Path) -> dict[str, list]:
    """Return records and timings of a bag by session."""
    found = {name: [] for name in PERIODS_MS}
    with BagReader(bag) as reader:
        types = reader.types()
        for message in reader.messages([f'/fournex/{name}/tick' for name in PERIODS_MS]):
            one = types.decode(message.data, TICK_TYPE)
            found[one.session].append((decode_tick(one), decode_timing(one)))
    return found


@pytest.mark.timeout(120)
def test_four_arms_at_three_rates(arms, runtime, wiring, tmp_path):
    wiring.write_text(f'{wiring.read_text()}record: {{split_time: 1 s}}\n')
    process = runtime(wiring, record=tmp_path / 'runs')
    arms.spin_until(lambda: min(arms.commands.values()) >= 5, 2500, process.text)
    pids = workers(process.process.pid)
    assert len(pids) == 2, 'one for three sessions, and one for that which is to be apart'
    before = dict(arms.commands)
    os.kill(pids[1], signal.SIGSTOP)
    arms.spin_until(lambda: arms.commands['apart'] >= before['apart'] + 4, 500, process.text)
    arms.spin_until(lambda: arms.commands['left'] >= before['left'] + 40, 500, process.text)
    process.signal(2)
    assert process.wait(10) == 0, process.text()

    (bag,) = (tmp_path / 'runs').iterdir()
    found = ticks(bag)
    asked = {
        name: [(one, timing) for one, timing in records if one.answer is AnswerKind.RESULT]
        for name, records in found.items()
    }
    batches = {name: {(t.batch_size, t.batch_row) for _, t in asked[name]} for name in asked}
    ((size, _),) = batches['left']
    assert size >= 3
    assert [batches[name] for name in PERIODS_MS] == [
        {(size, 0)},
        {(size, 1)},
        {(size, 2)},
        {(0, 0)},
    ]
    together = {one.due_ns for one, _ in asked['slow']} & {one.due_ns for one, _ in asked['left']}
    assert len(together) > len(asked['slow']) / 2, 'released at the same instants'

    late = [one for one, _ in found['apart'] if one.answer is AnswerKind.LATE]
    assert len(late) >= 3 and {one.mode for one in late} == {Mode.FALLBACK}
    begin, end = late[0].due_ns, late[-1].due_ns
    meanwhile = [one for one, _ in asked['left'] if begin <= one.due_ns < end]
    # A loop that waited for the worker would have one of four of these.
    assert len(meanwhile) > 0.6 * (end - begin) / (PERIODS_MS['left'] * 1e6)

    for verification in verify(bag):
        assert verification.all_equal, verification
        assert verification.ticks >= 5
    # Some begin while a tick waits for the worker that has been stopped.
    files = sorted(bag.glob('*.mcap'))
    alone = [one for file in files for one in verify(file)]
    assert len(files) >= 3 and all(one.all_equal for one in alone), alone
    assert sum(one.ticks for one in alone) == sum(len(records) for records in found.values())


def test_more_sessions_than_fit_are_refused_by_name(arms, runtime, wiring):
    text = (
        wiring.read_text()
        .replace(', memory: 512', '')
        .replace('{batch: ', '{isolation: inline, batch: ')
    )
    for folder in wiring.parent.glob('every-*-ms'):
        contract_file = folder / 'policy.yaml'
        period = folder.name.split('-')[1]
        words = edited(contract_file.read_text(), (f'period: {period} ms', 'period: 0.05 ms'))
        contract_file.write_text(words)
        seal_bundle(folder)
    wiring.write_text(text)
    process = runtime(wiring, override_checks='[inference]')
    arms.spin_until(lambda: process.process.poll() is not None, 2500, process.text)
    assert process.wait(10) == 2
    said = process.text()
    assert '% of the time that one loop has: ' in said and 'on_overload: report' in said
    assert all(f'{name} ' in said for name in PERIODS_MS)
    assert not any(arms.commands.values())


@pytest.mark.timeout(60)
def test_in_lockstep_they_are_asked_together_too(arms, runtime, wiring, tmp_path):
    text = wiring.read_text().replace('batch: false, memory: 512', 'batch: true')
    for name in PERIODS_MS:
        wanted = f'  {name}:\n'
        text = text.replace(wanted, f'{wanted}    pacing: {{lockstep: {name}/joint_states}}\n', 1)
    wiring.write_text(text)
    process = runtime(wiring, record=tmp_path / 'runs')
    for step in range(1, 31):
        arms.stamp_ns = step * 20_000_000
        arms.publish()
        arms.spin_until(lambda step=step: min(arms.commands.values()) >= step, 2500, process.text)
    process.signal(2)
    assert process.wait(10) == 0, process.text()
    (bag,) = (tmp_path / 'runs').iterdir()
    for row, records in enumerate(ticks(bag).values()):
        asked = [(one, timing) for one, timing in records if one.answer is AnswerKind.RESULT]
        assert [one.due_ns for one, _ in asked] == [20_000_000 * n for n in range(1, 31)]
        assert {timing.batch_row for _, timing in asked} == {row}
        assert min(timing.batch_size for _, timing in asked) >= 4
    assert all(one.all_equal for one in verify(bag))
