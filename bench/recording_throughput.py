"""
What a recording sustains: 100 MB/s of images over reliable DDS, beside a loop of 200 Hz.

``python bench/recording_throughput.py`` has the runtime drive an arm at 200 Hz and look at a
camera at 30 Hz, recording both; a process of its own plays the arm's robot, another
(``--images``) the camera. It prints for each compression what is in the bag and what was lost
where: *dropped* by the recording and counted in the bag, *missed* by the middleware before the
loop could take it, and *skipped* releases of the arm. A tick that is not in the bag ends it with
an error. The images are a gradient with noise in the low bits and their number in the first
pixels. ``--json FILE`` also writes what it prints.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
import rclpy
import yaml
from blocks import PEERS, Machine
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from workloads import IMAGE, WORKLOADS, write_workload

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.tick_record import TICK_TYPE
from fournex_runtime.ros.graph import message_class
from fournex_runtime.session.wiring_record import COMPRESSIONS

DEPTH = 20
HEIGHT, WIDTH = 720, 1280
RATE_MB = 100.0
SECONDS = 10.0
START_S, END_S = 30.0, 60.0
PIXELS = -HEIGHT * WIDTH * 3
"""Where they begin in a message, from its end."""
_STAMP, _NUMBER = struct.Struct('<iI'), struct.Struct('<Q')


def images(count: int) -> list[bytearray]:
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
        found.append(bytearray(messages().encode(message, IMAGE)))
    return found


def publish() -> None:
    """Publish images at the rate until killed."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('camera')
    qos = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.RELIABLE)
    publisher = node.create_publisher(message_class(IMAGE), 'image', qos)
    data = images(8)
    period_s = len(data[0]) / (RATE_MB * 1e6)
    release = time.monotonic()
    number = 0
    while True:
        image = data[number % len(data)]
        _STAMP.pack_into(image, 4, *divmod(time.time_ns(), 1_000_000_000))
        _NUMBER.pack_into(image, len(image) + PIXELS, number)
        publisher.publish(bytes(image))
        number += 1
        release += period_s
        time.sleep(max(0.0, release - time.monotonic()))


def write_wiring(folder: pathlib.Path, compression: str) -> pathlib.Path:
    """Write the wiring of an arm at 200 Hz and a camera at 30 Hz in one runtime."""
    sessions = {}
    for name, workload in (('arm', 'arm_200'), ('camera', 'camera_30')):
        wired = yaml.safe_load(write_workload(WORKLOADS[workload], folder / name).read_text())
        (sessions[name],) = wired['sessions'].values()
        sessions[name]['policy'] = f'{name}/bundle'
        sessions[name]['outputs'] = {
            term: {**output, 'topic': f'{name}/commands'}
            for term, output in sessions[name]['outputs'].items()
        }
    qos = {'reliability': 'reliable', 'depth': DEPTH}
    sessions['camera']['inputs']['image']['qos'] = qos
    wiring = folder / 'wiring.yaml'
    record = {'compression': compression}
    wiring.write_text(yaml.safe_dump({**wired, 'record': record, 'sessions': sessions}))
    return wiring


def measure(folder: pathlib.Path, machine: Machine, compression: str) -> dict[str, float]:
    """Record for a while; return what came of it, by the name of its column."""
    folder.mkdir()
    wiring, runs = write_wiring(folder, compression), folder / 'runs'
    command = [sys.executable, '-m', 'fournex_runtime.cli.main', 'run', str(wiring)]
    log = folder / 'runtime.log'
    with contextlib.ExitStack() as end:
        for other in ([str(PEERS / 'robot.py'), 'arm_200'], [__file__, '--images']):
            process = subprocess.Popen([sys.executable, *other], env=machine.environment)
            end.callback(process.wait)
            end.callback(process.kill)
        runtime = subprocess.Popen(
            [*command, '--record', str(runs)],
            env=machine.environment,
            stdout=log.open('wb'),
            stderr=subprocess.STDOUT,
        )
        end.callback(runtime.wait)
        end.callback(runtime.kill)
        deadline = time.monotonic() + START_S
        while not any(runs.glob('*/*.mcap')):
            if runtime.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f'the runtime did not begin:\n{log.read_text()[-3000:]}')
            time.sleep(0.05)
        time.sleep(SECONDS)
        runtime.send_signal(signal.SIGINT)
        if runtime.wait(END_S):
            raise SystemExit(f'the runtime failed:\n{log.read_text()[-3000:]}')
    (bag,) = runs.iterdir()
    return found_in(bag, compression)


def found_in(bag: pathlib.Path, compression: str) -> dict[str, float]:
    """Return what a bag says."""
    arm, image = '/fournex/arm/tick', '/image'
    numbers, ticks, times_ns, size = [], [], [], 0
    with BagReader(bag) as reader:
        types, dropped = reader.types(), reader.dropped
        for one in reader.messages([arm, image]):
            if one.topic == arm:
                ticks.append(types.decode(one.data, TICK_TYPE))
                continue
            numbers.append(_NUMBER.unpack_from(one.data, len(one.data) + PIXELS)[0])
            times_ns.append(one.log_time_ns)
            size += len(one.data)
    lost = sum(count for topic, count in dropped.items() if topic != image)
    if lost or [tick.tick for tick in ticks] != list(range(len(ticks))):
        raise SystemExit(f'{compression}: {len(ticks)} ticks are in the bag, others were dropped')
    seconds = (times_ns[-1] - times_ns[0]) * 1e-9
    sent = numbers[-1] - numbers[0] + 1
    on_disk = sum(file.stat().st_size for file in bag.glob('*.mcap'))
    drops = dropped.get(image, 0)
    return {
        'MB/s in': round(size / seconds / 1e6, 1),
        'images': len(numbers),
        'dropped': drops,
        'missed': max(0, sent - len(numbers) - drops),
        'ticks': len(ticks),
        'skipped': sum(tick.timing.skipped for tick in ticks),
        'MB/s disk': round(on_disk / seconds / 1e6, 1),
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
    print(
        f'images of {WIDTH} x {HEIGHT}, {RATE_MB:g} MB/s offered, reliable; an arm at 200 Hz and '
        f'a camera at 30 Hz; {SECONDS:g} s each'
    )
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix='fournex-bench-') as parent:
        machine = Machine(pathlib.Path(parent))
        for compression in COMPRESSIONS:
            one = measure(pathlib.Path(parent) / compression, machine, compression)
            if not found:
                print(f'{"compression":12}' + ''.join(f'{name:>10}' for name in one))
            print(f'{compression:12}' + ''.join(f'{value:10}' for value in one.values()))
            found[compression] = one
    if options.json is not None:
        options.json.write_text(json.dumps(found))


if __name__ == '__main__':
    main()
