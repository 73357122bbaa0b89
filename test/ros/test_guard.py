"""A guard takes over the command stream of a runtime that was killed, and gives it back."""

from __future__ import annotations

import signal
import sys
import time

from robot_side import joint_state

from fournex_runtime.ros.graph import message_class
from fournex_runtime.ros.publishers import EVENT_QOS

STOP = (0.0,)
PERIOD_S, AFTER_S = 0.02, 0.4
PATIENT = ('budget: 50 ms', 'budget: 20 s')
"""Nothing here is about the speed of the machine."""


def leaning() -> bytes:
    return joint_state((0.0, 0.05))


def test_a_guard_takes_over_from_a_runtime_that_is_killed(
    robot, runtime, start, wiring_file, checkout
):
    side = robot()
    side.state = leaning
    file = wiring_file(PATIENT)
    command = [sys.executable, '-m', 'fournex_runtime.ros.guard', '--ros-args']
    guard = start('guard', [*command, '-p', f'wiring:={file}', '-p', f'after:={AFTER_S}'])
    guard.wait_for('guarding /effort_controller/commands')
    # What cannot be read on a topic that it listens to is no reason for it to end.
    stranger = side.node.create_publisher(
        message_class('fournex_msgs/msg/SessionEvent'), '/fournex/pendulum/event', EVENT_QOS
    )
    stranger.publish(b'\x00\x01\x00\x00garbage')
    guard.wait_for('/fournex/pendulum/event: an event cannot be read and is passed over')
    killed = runtime(file)
    side.wait(lambda: len(side.commands) > 50, what='commands of the runtime')
    # A second publisher on its command topic, but one that is known and silent.
    assert killed.process.poll() is None and 'commanded by' not in killed.text()
    killed.signal(signal.SIGKILL)
    killed.wait(5)
    guard.wait_for('no command on /effort_controller/commands for 400 ms')
    side.wait_for_commands(20)
    last = max(n for n, one in enumerate(side.commands) if one.values != STOP)
    gap_s = (side.commands[last + 1].steady_ns - side.commands[last].steady_ns) * 1e-9
    assert AFTER_S - PERIOD_S < gap_s < 10.0
    stops = [one.steady_ns for one in side.commands[last + 1 :]]
    assert (stops[-1] - stops[0]) * 1e-9 / (len(stops) - 1) > 0.8 * PERIOD_S, 'at the rate'

    following = runtime(file, name='following')
    side.wait(lambda: side.commands[-1].values != STOP, what='commands of the next runtime')
    guard.wait_for('the guard gives /effort_controller/commands back')
    side.wait(lambda: STOP not in {one.values for one in side.commands[-10:]}, what='it alone')
    assert following.process.poll() is None, 'it does not give way to its guard'

    # A clean end is no reason to speak: the robot has its stop command.
    following.signal(signal.SIGINT)
    assert following.wait(10) == 0
    ended = len(side.commands)
    assert side.commands[-1].values == STOP
    time.sleep(3 * AFTER_S)
    guard.signal(signal.SIGTERM)
    assert guard.wait(10) == 0
    assert len(side.commands) == ended


def test_what_cannot_be_guarded_is_refused(start, wiring_file, checkout):
    lockstep = ('    inputs:\n', '    pacing: {lockstep: joint_states}\n    inputs:\n')
    command = [sys.executable, '-m', 'fournex_runtime.ros.guard', '--ros-args', '-p']
    cases = {
        'lockstep has no rate': [f'wiring:={wiring_file(lockstep)}'],
        'parameter wiring is empty': ["wiring:=''"],
        'called as the node that it guards, with _guard': ['x:=1', '-r', '__node:=watch'],
    }
    started = {words: start('guard', [*command, *more]) for words, more in cases.items()}
    for words, one in started.items():
        assert one.wait(20) == 2, one.text()
        assert words in one.text() and 'Nothing is guarded.' in one.text()
