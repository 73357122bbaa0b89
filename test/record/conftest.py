"""Recordings for tests: channels, messages that differ from each other, and their ending."""

from __future__ import annotations

import os
import random

import pytest

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.channel import Channel, QosProfile
from fournex_runtime.record.recording import RING_BYTES, Recording
from fournex_runtime.session.wiring_record import RecordWiring

CHANNELS = (
    Channel('/joint_states', 'sensor_msgs/msg/JointState', QosProfile(reliability='best_effort')),
    Channel('/command', 'std_msgs/msg/Float64MultiArray', QosProfile(depth=1)),
    Channel(
        '/map',
        'nav_msgs/msg/OccupancyGrid',
        QosProfile(durability='transient_local', depth=1),
        latched=True,
    ),
)


@pytest.fixture
def channels():
    """Return three topics; nothing is ever sent on the last."""
    return CHANNELS


@pytest.fixture
def make_recording(tmp_path):
    """Make recordings in the test's folder; none of them outlives the test."""
    made = []

    def make(name='bag', *, channels=CHANNELS, ring_bytes=RING_BYTES, cpus=None, **options):
        wired = RecordWiring(**options)
        made.append(
            Recording(
                tmp_path / name,
                channels,
                messages=messages(),
                ring_bytes=ring_bytes,
                options=wired,
                cpus=cpus,
            )
        )
        return made[-1]

    yield make
    for recording in made:
        if recording.pid is not None:
            recording.close(timeout_s=5.0)


@pytest.fixture
def traffic():
    """Return messages with their channel: ``traffic(count, seed)`` is always the same."""
    known = messages()

    def make(count, seed=0):
        generator = random.Random(seed)
        made = []
        for number in range(count):
            if generator.random() < 0.5:
                positions = [generator.uniform(-3, 3) for _ in range(generator.randrange(1, 12))]
                stamp = known.type('builtin_interfaces/msg/Time')(sec=number, nanosec=number * 7)
                header = known.type('std_msgs/msg/Header')(stamp=stamp, frame_id='base')
                message = known.type('sensor_msgs/msg/JointState')(
                    header=header,
                    name=[f'joint{index}' for index in range(len(positions))],
                    position=_array(positions),
                    velocity=_array([]),
                    effort=_array(positions),
                )
                made.append((0, known.encode(message, 'sensor_msgs/msg/JointState')))
            else:
                layout = known.type('std_msgs/msg/MultiArrayLayout')(dim=[], data_offset=0)
                message = known.type('std_msgs/msg/Float64MultiArray')(
                    layout=layout, data=_array([generator.gauss(0, 1) for _ in range(6)])
                )
                made.append((1, known.encode(message, 'std_msgs/msg/Float64MultiArray')))
        return made

    return make


@pytest.fixture
def descriptors():
    """Return a function that lists what this process has open and mapped for recordings."""

    def listing():
        mapped = [line for line in open('/proc/self/maps') if 'fournex' in line]
        return sorted(os.listdir('/proc/self/fd')), mapped

    return listing


def _array(values):
    import numpy

    return numpy.array(values, dtype=numpy.float64)
