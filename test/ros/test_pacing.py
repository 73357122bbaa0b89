"""Simulated time and lockstep, against the real simulator."""

from __future__ import annotations

import statistics
import time

from fault_measurements import read_ticks
from robot_side import joint_state
from sim_clock import SimClock
from std_msgs.msg import Bool

from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import verify
from fournex_runtime.session.tick import Mode

SECOND_NS = 1_000_000_000


def test_lockstep_without_a_trigger_ends_with_an_error(robot, runtime, wiring_file):
    side = robot()
    file = wiring_file(('    inputs:\n', '    pacing: {lockstep: joint_states}\n    inputs:\n'))
    process = runtime(file, lockstep_timeout=1.0)
    side.wait_for_commands(20)
    side.state = lambda: None
    assert process.wait(15) == 1
    assert 'lockstep: no complete set of inputs for 1 s' in process.text()
    assert side.commands[-1].values == (0.0,)


def test_lockstep_begins_with_the_first_message_of_a_stop_topic(robot, runtime, wiring_file):
    side = robot()
    side.state = lambda: joint_state((0.0, 0.01), stamp_ns=20_000_000 * (1 + len(side.commands)))
    button = side.node.create_publisher(Bool, 'e_stop', 10)
    stop = '    stop_topics: {button: {topic: e_stop, timeout: 60 s}}\n'
    pacing = '    pacing: {lockstep: joint_states}\n'
    process = runtime(wiring_file(('    inputs:\n', f'{pacing}{stop}    inputs:\n')))
    side.wait(lambda: button.get_subscription_count() > 0, 30, process.text)
    time.sleep(1.0)  # a runtime that did not wait for it would have had its first and last tick
    button.publish(Bool(data=False))
    side.wait_for_commands(20)


def test_the_clock_goes_ten_times_as_fast_and_jumps_back(robot, runtime, wiring_file, tmp_path):
    side = robot(rate_hz=200.0)
    clock = SimClock(side, rate_hz=500.0)
    side.state = lambda: joint_state((0.0, 0.01), stamp_ns=clock.now_ns())
    file = wiring_file(
        ('budget: 50 ms', 'budget: 5 s'), ('default: stop', 'default: hold 30 s then stop')
    )
    process = runtime(file, use_sim_time=True, record=tmp_path / 'runs')
    side.wait_for_commands(20, 40)
    clock.run_at(10)
    until_ns = clock.now_ns() + 10 * SECOND_NS
    side.wait(lambda: clock.now_ns() > until_ns)
    clock.run_at(1)
    before_ns = clock.now_ns()
    clock.jump(-8 * SECOND_NS)
    side.wait_for_commands(50)
    process.signal(2)
    assert process.wait(10) == 0, process.text()

    (bag,) = (tmp_path / 'runs').iterdir()
    ticks = read_ticks([bag], 'pendulum')
    due_ns = [tick.due_ns for tick in ticks]
    (jump,) = (n for n in range(1, len(ticks)) if due_ns[n] < due_ns[n - 1])
    assert due_ns[jump - 1] <= before_ns + SECOND_NS
    assert 7 * SECOND_NS < due_ns[jump - 1] - due_ns[jump] < 9 * SECOND_NS
    for part in (range(1, jump), range(jump + 1, len(ticks) - 1)):  # the last one is the end
        for n in part:
            periods = 1 + ticks[n].timing.skipped
            assert due_ns[n] - due_ns[n - 1] == periods * 20_000_000, 'nothing is lost uncounted'
    passed_ns = due_ns[jump - 1] - due_ns[0]
    assert passed_ns > 10 * SECOND_NS
    assert ticks[jump - 1].steady_ns - ticks[0].steady_ns < passed_ns / 2
    assert ticks[-2].mode == Mode.POLICY, 'after the jump, too'
    (verification,) = verify(bag)
    assert verification.all_equal, verification


def test_releases_that_follow_a_sensor_see_it_at_one_age(robot, runtime, wiring_file, tmp_path):
    """At 100 Hz the newest of the stamps is up to 10 ms old; here it is to be about 4 ms."""
    file = wiring_file(
        ('    inputs:\n', '    pacing: {phase: joint_states, after: 4 ms}\n    inputs:\n')
    )
    side = robot(rate_hz=100.0)
    process = runtime(file, record=tmp_path / 'runs')
    side.wait(lambda: len(side.commands) >= 300, 40, process.text)
    process.signal(2)
    assert process.wait(10) == 0, process.text()
    (bag,) = (tmp_path / 'runs').iterdir()
    with BagReader(bag) as reader:
        types, ages_ns = reader.types(), []
        for message in reader.messages(['/fournex/pendulum/tick']):
            record = types.decode(message.data, 'fournex_msgs/msg/Tick')
            sampled_ns = record.steady_ns - record.due_ns
            ages_ns.append(record.ros_ns - record.inputs[0].stamp_ns - sampled_ns)
    assert 3e6 < statistics.median(ages_ns[150:]) < 5e6
    (verification,) = verify(bag)
    assert verification.all_equal, verification
