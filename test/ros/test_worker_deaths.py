"""Workers that are killed under a running robot, over DDS."""

from __future__ import annotations

import os
import signal
import sys

from runtime_process import workers

from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import verify
from fournex_runtime.record.tick_record import TICK_TYPE, decode_tick
from fournex_runtime.session.tick import AnswerKind, Mode

TICKS, EVERY = 210, 50
LOCKSTEP = ('    inputs:\n', '    pacing: {lockstep: joint_states}\n    inputs:\n')
SPARE = ('    limits:\n', '    inference: {spare: true}\n    limits:\n')
REWARD = ('    reward: {topic: reward, type: std_msgs/msg/Float64}\n', '')


def test_killed_every_50_ticks_a_lockstep_run_is_that_of_an_unhurt_policy(
    robot, runtime, start, wiring_file, tmp_path
):
    simulator = [sys.executable, '-m', 'fournex_runtime.sim.node', '--ros-args']
    for key, value in {'robot': 'pendulum', 'seed': 3, 'pacing': 'lockstep'}.items():
        simulator += ['-p', f'{key}:={value}']
    start('simulator', simulator)
    file = wiring_file(LOCKSTEP, SPARE, REWARD)
    process = runtime(file, use_sim_time=True, record=tmp_path / 'runs', graph_timeout=20.0)
    side = robot(rate_hz=0)
    for kill in range(1, TICKS // EVERY + 1):
        side.wait(lambda so_far=kill * EVERY: len(side.commands) >= so_far, what='commands')
        os.kill(workers(process.pid)[0], signal.SIGKILL)
    side.wait_for_commands(10)
    process.signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert process.text().count('was killed by SIGKILL') == TICKS // EVERY
    (bag,) = (tmp_path / 'runs').iterdir()
    with BagReader(bag) as reader:
        types = reader.types()
        messages = [
            types.decode(one.data, TICK_TYPE)
            for one in reader.messages(['/fournex/pendulum/tick'])
        ]
    ticks = [decode_tick(one) for one in messages][:-1]  # the last one is the stop
    assert {one.mode for one in ticks} == {Mode.POLICY}
    assert {one.answer for one in ticks} == {AnswerKind.RESULT}
    # Which worker answered is in the record; that it was another one is nowhere in the actions:
    # each follows, bit for bit, from what its tick saw and what the tick before it left.
    answered = [one.timing.worker for one in messages[:-1]]
    assert answered == sorted(answered) and answered[-1] == 1 + TICKS // EVERY
    (verification,) = verify(bag)
    assert verification.all_equal, verification
