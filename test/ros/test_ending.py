"""However the runtime ends, the robot gets its stop command and the bag is closed."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from runtime_process import workers

from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import verify


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_with_the_stop_command_and_a_closed_bag(robot, runtime, tmp_path, number):
    side = robot()
    side.state = lambda: _leaning()
    process = runtime(record=tmp_path / 'runs')
    side.wait_for_commands(30)
    assert side.commands[-1].values != (0.0,)
    process.signal(number)
    assert process.wait(10) == 0
    time.sleep(0.3)
    assert side.commands[-1].values == (0.0,)
    (bag,) = (tmp_path / 'runs').iterdir()
    assert (bag / 'metadata.yaml').is_file()
    with BagReader(bag) as reader:
        assert not reader.truncated
    (verification,) = verify(bag)
    assert verification.all_equal and verification.ticks > 30


def test_a_signal_during_a_deactivation_that_a_hung_policy_keeps_waiting(
    robot, runtime, wiring_file
):
    side = robot()
    side.state = lambda: _leaning()
    file = wiring_file(
        ('    inputs:\n', '    pacing: {lockstep: joint_states}\n    inputs:\n'),
        ('late: hold 60 ms', 'late: hold 60 s'),
    )
    process = runtime(file, lockstep_timeout=2.0)
    side.wait_for_commands(20)
    (worker,) = workers(process.pid)
    os.kill(worker, signal.SIGSTOP)  # the tick that asks it now takes two seconds
    time.sleep(0.1)
    assert side.commands[-1].values != (0.0,)
    client = side.node.create_client(ChangeState, '/fournex/change_state')
    assert client.wait_for_service(10.0)
    deactivate = Transition(id=Transition.TRANSITION_DEACTIVATE)
    client.call_async(ChangeState.Request(transition=deactivate))
    time.sleep(0.5)
    process.signal(signal.SIGINT)
    assert process.wait(20) == 0, process.text()
    side.wait(lambda: side.commands[-1].values == (0.0,), 5, 'the stop command')


def test_a_signal_while_it_waits_for_the_robot_ends_it_at_once(runtime, tmp_path):
    process = runtime(graph_timeout=60.0, record=tmp_path / 'runs')
    process.wait_for('session pendulum: ')
    time.sleep(0.3)
    process.signal(signal.SIGINT)
    process.wait(3)
    assert 'Traceback' not in process.text(), process.text()
    assert not (tmp_path / 'runs').exists()


def test_the_runtime_ends_when_its_parent_is_gone(robot, start, checkout):
    side = robot()
    wiring = checkout / 'examples/pendulum/wiring.yaml'
    parent = start(
        'parent',
        [
            sys.executable,
            '-c',
            'import subprocess, sys, time\n'
            f'child = subprocess.Popen([sys.executable, "-m", "fournex_runtime.ros.runtime",'
            f' "--ros-args", "-p", "wiring:={wiring}", "-p", "exit_with_parent:=true"])\n'
            'print("child", child.pid, flush=True)\n'
            'time.sleep(60)\n',
        ],
    )
    side.wait_for_commands(20)
    child = int(parent.text().split('child ')[1].split()[0])
    parent.signal(signal.SIGKILL)
    parent.wait(5)
    side.wait(lambda: not _runs(child), what='the runtime ends')
    time.sleep(0.2)
    assert side.commands[-1].values == (0.0,)


def _leaning() -> bytes:
    from robot_side import joint_state

    return joint_state((0.0, 0.05))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f'/proc/{pid}/stat', encoding='utf-8') as stat:
        return stat.read().rsplit(')', 1)[1].split()[0] != 'Z'
