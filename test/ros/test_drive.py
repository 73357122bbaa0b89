"""
The three simulated robots driven by their trained policies in real time, and replayed.

All three run side by side, each in a namespace of its own.
"""

from __future__ import annotations

import itertools
import sys
import time

import pytest
import rclpy
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions

from fournex_msgs.msg import SessionStatus
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import verify
from fournex_runtime.record.tick_record import TICK_TYPE

ROBOTS = ('rover', 'arm', 'pendulum')


@pytest.fixture
def statuses():
    """Return the latest status of each robot's session, kept up to date by ``spin``."""
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('listener', context=context)
    found = {}
    for name in ROBOTS:
        node.create_subscription(
            SessionStatus,
            f'/{name}/fournex/{name}/status',
            lambda message, name=name: found.__setitem__(name, message),
            QoSProfile(depth=5),
        )
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin(timeout_s: float) -> dict[str, SessionStatus]:
        executor.spin_once(timeout_sec=timeout_s)
        return found

    yield spin
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.timeout(150)
@pytest.mark.parametrize('ticks', [300, pytest.param(1000, marks=pytest.mark.soak)])
def test_so_many_ticks_of_each_robot_replay_to_the_bit(start, runtime, statuses, tmp_path, ticks):
    simulators, runtimes = {}, {}
    for name in ROBOTS:
        command = [sys.executable, '-m', 'fournex_runtime.sim.node', '--ros-args']
        parameters = {'robot': name, 'seed': 1, 'goals': 20 if name != 'pendulum' else 0}
        for key, value in parameters.items():
            command += ['-p', f'{key}:={value}']
        simulators[name] = start(
            f'{name}-simulator', [*command, '-r', f'__ns:=/{name}'], timeout_s=140
        )
        runtimes[name] = runtime(
            f'examples/{name}/wiring.yaml',
            name=f'{name}-runtime',
            remap=[f'__ns:=/{name}'],
            record=tmp_path / name,
            graph_timeout=30.0,
            timeout_s=140,
        )
    deadline = time.monotonic() + 100
    while True:
        found = statuses(0.2)
        if len(found) == len(ROBOTS) and all(one.ticks > ticks for one in found.values()):
            break
        assert time.monotonic() < deadline, {name: one.ticks for name, one in found.items()}
        for process in (*simulators.values(), *runtimes.values()):
            assert process.process.poll() is None, process.text()
    for name, process in runtimes.items():
        process.signal(2)
        assert process.wait(10) == 0, process.text()
        (bag,) = (tmp_path / name).iterdir()
        with BagReader(bag) as reader:
            assert not reader.truncated
            types, topic = reader.types(), f'/{name}/fournex/{name}/tick'
            released = [types.decode(one.data, TICK_TYPE) for one in reader.messages([topic])]
        (verification,) = verify(bag)
        assert verification.all_equal, verification
        assert verification.ticks > ticks
        period_ns = round(found[name].period * 1e9)
        assert released.pop().stop_requested
        for before, tick in itertools.pairwise(released):  # on the grid, or counted as skipped
            assert tick.due_ns - before.due_ns == (1 + tick.timing.skipped) * period_ns
        assert found[name].recording_dropped == 0
