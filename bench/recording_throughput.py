"""
What a recording sustains: 100 MB/s of images over reliable DDS, beside a loop of 200 Hz.

``python bench/recording_throughput.py`` publishes the images of a camera from a process of its own
(``--images``), and has what a runtime has: a polled subscription that is drained at each tick,
four small messages a tick, and the recorder process. It prints for each compression what came,
what is in the bag, and what was dropped where (*missed*: by the middleware, before the loop could
take it); a small message that is not in the bag ends it with an error. The images are a gradient
with noise in the low bits. ``--json FILE`` also writes what it prints.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.channel import Channel
from fournex_runtime.record.recording import Recording
from fournex_runtime.ros.graph import message_class
from fournex_runtime.ros.polling import PolledTopic
from fournex_runtime.session.wiring_record import COMPRESSIONS, RecordWiring

IMAGE = 'sensor_msgs/msg/Image'
QOS = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
HEIGHT, WIDTH = 720, 1280
RATE_MB = 100.0
PERIOD_NS = 5_000_000
SECONDS = 10.0
WRITES, SIZE = 4, 300
READY_S = 20.0


def images(count: int) -> list[bytes]:
    """Return some different images as CDR bytes."""
    make = messages().type
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    generator = np.random.default_rng(0)
    found = []
    for number in range(count):
        base = ((rows + columns + 40 * number) // 8)[..., None] + np.array([0, 30, 60])
        noise = generator.integers(0, 8, base.shape)
        message = make(IMAGE)(
            header=make('std_msgs/msg/Header')(
                stamp=make('builtin_interfaces/msg/Time')(sec=0, nanosec=0), frame_id='camera'
            ),
            height=HEIGHT,
            width=WIDTH,
            encoding='rgb8',
            is_bigendian=0,
            step=3 * WIDTH,
            data=(base + noise).astype(np.uint8).reshape(-1),
        )
        found.append(messages().encode(message, IMAGE))
    return found


def publish() -> None:
    """Publish images at the rate until killed."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('camera')
    publisher = node.create_publisher(message_class(IMAGE), 'image', QOS)
    data = images(8)
    period_s = len(data[0]) / (RATE_MB * 1e6)
    release = time.monotonic()
    number = 0
    while True:
        publisher.publish(data[number % len(data)])
        number += 1
        release += period_s
        time.sleep(max(0.0, release - time.monotonic()))


class Loop:
    """
    The loop of a runtime as far as recording goes.

    :param node: the node to subscribe with.
    """

    def __init__(self, node: Node) -> None:
        self.topic = PolledTopic(node, 'image', message_class(IMAGE), QOS)
        self.images = 0
        self.ticks = 0
        self.overruns = 0
        self.bytes = 0

    def run(self, recording: Recording) -> None:
        """Tick for a while."""
        write_image = recording.writer(0)
        writers = [recording.writer(1 + number) for number in range(WRITES)]
        small = random.Random(0).randbytes(SIZE)
        due_ns = time.monotonic_ns()
        end_ns = due_ns + round(SECONDS * 1e9)
        while due_ns < end_ns:
            for received in self.topic.take():
                self.images += 1
                self.bytes += len(received.data)
                write_image(received.data, received.index)
            self.ticks += 1
            for write in writers:
                write(small, self.ticks)
            recording.commit()
            due_ns += PERIOD_NS
            late_ns = time.monotonic_ns() - due_ns
            if late_ns > 0:
                self.overruns += 1 + late_ns // PERIOD_NS
                due_ns += late_ns // PERIOD_NS * PERIOD_NS
            else:
                time.sleep(-late_ns * 1e-9)


def measure(folder: pathlib.Path, node: Node, compression: str) -> dict[str, float]:
    """Record for a while; return what came of it, by the name of its column."""
    channels = [Channel('/image', IMAGE)]
    channels += [Channel(f'/small_{n}', 'std_msgs/msg/String') for n in range(WRITES)]
    loop = Loop(node)
    deadline = time.monotonic() + READY_S
    while not loop.topic.take():
        if time.monotonic() > deadline:
            raise SystemExit(f'no image in {READY_S:g} s')
        time.sleep(0.01)
    recording = Recording(
        folder, channels, messages=messages(), options=RecordWiring(compression=compression)
    )
    recording.start()
    first = loop.topic.take()
    loop.topic.missed = 0
    loop.run(recording)
    summary = recording.close(60.0)
    missed = loop.topic.missed
    loop.topic.destroy()
    lost_ticks = sum(summary.dropped[one.topic] for one in channels[1:])
    with BagReader(folder) as bag:
        counts = bag.counts
    size = sum(file.stat().st_size for file in folder.glob('*.mcap'))
    if lost_ticks or any(counts[one.topic] != loop.ticks for one in channels[1:]):
        raise SystemExit(f'{compression}: {lost_ticks} small messages are not in the bag')
    del first
    return {
        'MB/s in': round(loop.bytes / SECONDS / 1e6, 1),
        'images': loop.images,
        'dropped': summary.dropped['/image'],
        'missed': missed,
        'ticks': loop.ticks,
        'overruns': loop.overruns,
        'MB/s disk': round(size / SECONDS / 1e6, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--images', action='store_true', help='be the camera')
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE')
    options = parser.parse_args()
    if options.images:
        publish()
        return
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('recording_throughput')
    camera = subprocess.Popen([sys.executable, __file__, '--images'])
    print(
        f'images of {WIDTH} x {HEIGHT}, {RATE_MB:g} MB/s offered, reliable; 200 Hz, '
        f'{WRITES} x {SIZE} B a tick; {SECONDS:g} s each'
    )
    found: dict[str, dict[str, float]] = {}
    try:
        with tempfile.TemporaryDirectory(prefix='fournex-bench-') as parent:
            for compression in COMPRESSIONS:
                one = measure(pathlib.Path(parent) / compression, node, compression)
                if not found:
                    print(f'{"compression":12}' + ''.join(f'{name:>10}' for name in one))
                print(f'{compression:12}' + ''.join(f'{value:10}' for value in one.values()))
                found[compression] = one
    finally:
        camera.kill()
        camera.wait()
        node.destroy_node()
        rclpy.shutdown()
    if options.json is not None:
        options.json.write_text(json.dumps(found))


if __name__ == '__main__':
    main()
