"""SIGKILL at random moments: what was committed is in the bag, whoever is killed."""

import ctypes
import dataclasses
import multiprocessing
import os
import pathlib
import random
import signal
import time
from typing import Any

import pytest

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.channel import Channel
from fournex_runtime.record.recording import Recording
from fournex_runtime.record.recovery import recover

FORK = multiprocessing.get_context('fork')
IMAGE = 200_000
"""Bytes of every tenth message: a kill can come in the middle of one."""


@dataclasses.dataclass
class Victim:
    """A process that records until it is killed."""

    folder: pathlib.Path
    process: Any
    recorder: Any
    committed: Any


def body(number):
    size = IMAGE if number % 10 == 9 else 50
    return random.Random(number).randbytes(50) * (size // 50)


def record(folder, recorder, committed):
    """Record numbered messages; say after each commit how many there are."""
    recording = Recording(folder, [Channel('/text', 'std_msgs/msg/String')], messages=messages())
    recording.start(30.0)
    recorder.value = recording.pid
    number = 0
    while True:
        for _ in range(3):
            recording.write(
                0, body(number), log_time_ns=number, publish_time_ns=0, sequence=number
            )
            number += 1
        recording.commit()
        committed.value = number
        time.sleep(0.001)


def begin(folder):
    recorder, committed = FORK.RawValue(ctypes.c_int), FORK.RawValue(ctypes.c_int)
    process = FORK.Process(target=record, args=(folder, recorder, committed), daemon=True)
    process.start()
    return Victim(folder, process, recorder, committed)


def gone(pid):
    try:
        with open(f'/proc/{pid}/stat') as stat:
            return stat.read().rsplit(')', 1)[1].split()[0] in 'ZX'
    except OSError:
        return True


def wait(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def messages_of(folder):
    """Return how many messages a bag has; they must be the first ones, whole."""
    with BagReader(folder) as bag:
        found = list(bag.messages())
    assert [one.sequence for one in found] == list(range(len(found)))
    assert all(one.data == body(one.sequence) for one in found)
    return len(found)


def kill_at_random_moments(folder, whom, count, generator):
    victims = [begin(folder / f'{number}') for number in range(count)]
    try:
        for one in victims:
            wait(lambda one=one: one.recorder.value)
            time.sleep(generator.uniform(0.0, 0.3))
            pid = one.process.pid if whom == 'runtime' else one.recorder.value
            wait(lambda one=one: one.committed.value > 3)
            os.kill(pid, signal.SIGKILL)
    finally:
        for one in victims:
            if whom == 'recorder':
                wait(lambda one=one: gone(one.recorder.value))
            one.process.kill()
            one.process.join()
    for one in victims:
        wait(lambda one=one: gone(one.recorder.value))
    return victims


def assert_a_killed_runtime_loses_nothing(folder, count, generator):
    for one in kill_at_random_moments(folder, 'runtime', count, generator):
        # The last commit may have come about before the runtime could say so.
        assert messages_of(one.folder) - one.committed.value in (0, 3)
        assert (one.folder / 'metadata.yaml').is_file()


def assert_a_killed_recorder_leaves_the_first_messages(folder, count, generator):
    for one in kill_at_random_moments(folder, 'recorder', count, generator):
        left = messages_of(one.folder)
        assert left <= one.committed.value + 3
        recover(one.folder)
        assert messages_of(one.folder) == left
        with BagReader(one.folder) as bag:
            assert bag.problem is None


def test_a_killed_runtime_loses_nothing_that_was_committed(tmp_path):
    assert_a_killed_runtime_loses_nothing(tmp_path, 6, random.Random())


def test_a_killed_recorder_leaves_a_bag_that_can_be_recovered(tmp_path):
    assert_a_killed_recorder_leaves_the_first_messages(tmp_path, 4, random.Random())


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_two_hundred_random_moments(tmp_path):
    generator = random.Random()
    for number in range(20):
        assert_a_killed_runtime_loses_nothing(tmp_path / f'a{number}', 7, generator)
        assert_a_killed_recorder_leaves_the_first_messages(tmp_path / f'b{number}', 3, generator)
