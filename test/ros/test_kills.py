"""
SIGKILL of the runtime, or of its recorder, at random moments of a run over DDS.

Whatever the moment, what is in the bag is what the robot was sent, and replays to the bit.
``make soak TESTS=test/ros/test_kills.py`` does so at two hundred moments; ``FOURNEX_SOAK_KILLS``
says at how many of each.
"""

from __future__ import annotations

import os
import pathlib
import random
import signal
import time

import numpy as np
import pytest
from robot_side import joint_state
from runtime_process import children

from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.recovery import recover
from fournex_runtime.record.replay import verify

KILLS = int(os.environ.get('FOURNEX_SOAK_KILLS', '100'))
COMMANDS, TICKS = '/effort_controller/commands', '/fournex/pendulum/tick'
COMMAND_TYPE = 'std_msgs/msg/Float64MultiArray'
LONGEST_S = 0.8
"""The moment is so long after the bag was begun, at most: the first ticks are among them."""
LOST_NS = 100_000_000
"""What docs/recording.md says that a killed recorder costs, but for what it waits for a core."""
RECENT_S = 0.4
"""For how long before it is killed the recorder is watched."""


@pytest.fixture
def side(robot):
    """Put a robot on the graph that is nowhere twice, so that no two commands are the same."""
    places = random.Random(0)
    found = robot()
    found.state = lambda: joint_state((places.uniform(-0.1, 0.1), places.uniform(-0.1, 0.1)))
    return found


@pytest.fixture
def begun(runtime, side, tmp_path):
    """Return a function that starts a runtime and returns it, and its bag, as soon as that is."""

    def begin(number):
        side.commands.clear()
        folder = tmp_path / f'{number}'
        process = runtime(name=f'runtime {number}', record=folder)
        side.wait(lambda: any(folder.glob('*/*.mcap')), 40, lambda: process.text())
        (bag,) = folder.iterdir()
        return process, bag

    return begin


def recorder_of(process):
    """Return the process that writes the recording of a runtime."""
    (found,) = (
        pid
        for pid in children(process.pid)
        if b'record.recorder' in pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()
    )
    return found


def core_wait_ns(pid):
    """Return how long a process has been ready to run without a core; a dead one until it died."""
    found = 0
    deadline = time.monotonic() + 0.1
    while time.monotonic() < deadline:
        try:
            found = int(pathlib.Path(f'/proc/{pid}/schedstat').read_text().split()[1])
            state = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0]
        except (OSError, IndexError):
            return found
        if state != 'R':
            return found
    return found


def replayed(bag):
    """Return how many ticks a bag has, none of which is unequal, and the commands that it has."""
    with BagReader(bag) as reader:
        types, ticks = reader.types(), reader.counts.get(TICKS, 0)
        sent = [
            types.decode(one.data, COMMAND_TYPE).data[0] for one in reader.messages([COMMANDS])
        ]
    if ticks:
        (found,) = verify(bag)
        assert found.ticks == ticks
        assert not any(count.unequal for count in found.stages.values()), found
        # A recorder that is killed as it writes can leave commands without their tick.
        assert sum(count.unverifiable for count in found.stages.values()) <= 1, found
        assert found.all_equal or len(sent) > ticks, found
    return ticks, sent


def kill_the_runtime(begun, side, generator, number):
    """Kill it; what it had committed is in the bag, which its recorder has finished."""
    process, bag = begun(number)
    time.sleep(generator.uniform(0.0, LONGEST_S))
    process.signal(signal.SIGKILL)
    process.wait(5)
    side.wait((bag / 'metadata.yaml').is_file, 30, 'the end of the bag')
    time.sleep(0.2)  # what the robot was sent arrives
    got = [one.values[0] for one in side.commands]
    with BagReader(bag) as reader:
        assert reader.problem is None and not reader.dropped
    recovery = recover(bag)
    assert not (recovery.mended or recovery.aside or recovery.missing or recovery.lost), recovery
    ticks, sent = replayed(bag)
    assert len(sent) == ticks
    known = got[:-1]  # the last may have been sent by a tick that was yet to be recorded
    if known:
        first = sent.index(known[0])
        assert sent[first : first + len(known)] == known
    return ticks


def kill_the_recorder(begun, side, generator, number):
    """
    Kill it: the robot goes on, and a bag is made of what is there.

    :returns: ticks in the bag, how long before the kill the last of them was, and for how much of
        that time the recorder waited for a core.
    """
    process, bag = begun(number)
    recorder = recorder_of(process)
    side.wait_for_commands(5)
    time.sleep(generator.uniform(0.0, LONGEST_S))
    waited_ns = core_wait_ns(recorder)
    time.sleep(RECENT_S)
    os.kill(recorder, signal.SIGKILL)
    killed_ns = time.time_ns()
    waited_ns = core_wait_ns(recorder) - waited_ns
    process.wait_for('goes on without a recording')
    side.wait_for_commands(5)
    process.signal(signal.SIGINT)
    assert process.wait(20) == 0, process.text()
    with BagReader(bag) as reader:
        assert 'metadata.yaml is missing' in reader.problem
    recovery = recover(bag)
    assert not recovery.missing, recovery
    ticks, _ = replayed(bag)
    with BagReader(bag) as reader:
        assert reader.problem is None
        last_ns = max((one.log_time_ns for one in reader.messages([TICKS])), default=0)
    return ticks, killed_ns - last_ns, waited_ns


def test_a_runtime_and_a_recorder_that_are_killed_leave_what_replays(begun, side):
    generator = random.Random()
    kill_the_runtime(begun, side, generator, 0)
    ticks, _, _ = kill_the_recorder(begun, side, generator, 1)
    assert ticks > 0


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_killed_at_two_hundred_random_moments(begun, side):
    generator = random.Random(1)
    ticks = [kill_the_runtime(begun, side, generator, number) for number in range(KILLS)]
    print(f'{KILLS} runtimes killed, {sum(ticks)} ticks, all equal')
    found = [kill_the_recorder(begun, side, generator, KILLS + n) for n in range(KILLS)]
    ticks, lost_ns, waited_ns = np.array(found).T
    p50, p95, most = np.percentile(lost_ns / 1e6, (50, 95, 100))
    words = f'{KILLS} recorders killed: lost p50 {p50:.0f}, p95 {p95:.0f}, max {most:.0f} ms'
    print(f'{words}; waited for a core up to {max(waited_ns) / 1e6:.0f} ms')
    assert sum(ticks) > 0
    assert max(lost_ns - waited_ns) <= LOST_NS, found
