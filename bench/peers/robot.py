"""
The robot of the bench: publishes the messages of a workload at fixed times.

``robot.py WORKLOAD``. The bytes are made once; only the stamp is written anew. Joint states come
at twice the control rate, scans and images at the control rate, targets fifty times a second.
"""

from __future__ import annotations

import signal
import struct
import sys
import time
from collections.abc import Callable

import rclpy
from rclpy.signals import SignalHandlerOptions
from workloads import (
    IMAGE,
    JOINT_STATE,
    POSE,
    SCAN,
    WORKLOADS,
    image_bytes,
    joint_state_bytes,
    scan_bytes,
    target_bytes,
)

from fournex_runtime.ros.graph import message_class

_STAMP = struct.Struct('<iI')
TARGET_HZ = 50


def main() -> None:
    """Publish until SIGTERM."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    workload = WORKLOADS[sys.argv[1]]
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('bench_robot')

    def sender(topic: str, kind: str, data: bytes) -> Callable[[], None]:
        publisher = node.create_publisher(message_class(kind), topic, 10)
        buffer = bytearray(data)

        def send() -> None:
            _STAMP.pack_into(buffer, 4, *divmod(time.time_ns(), 1_000_000_000))
            publisher.publish(bytes(buffer))

        return send

    sensors, targets = [], []
    for number in range(workload.robots):
        prefix = workload.prefix(number)
        if workload.kind == 'arm':
            sensors.append(sender(f'{prefix}joint_states', JOINT_STATE, joint_state_bytes()))
            targets.append(sender(f'{prefix}target', POSE, target_bytes()))
        elif workload.kind == 'scan':
            sensors.append(sender(f'{prefix}scan', SCAN, scan_bytes()))
        else:
            sensors.append(sender(f'{prefix}image', IMAGE, image_bytes()))
    rate_hz = workload.rate_hz * (2 if workload.kind == 'arm' else 1)
    period_ns, each = 1_000_000_000 // rate_hz, max(1, rate_hz // TARGET_HZ)
    due_ns, count = time.monotonic_ns(), 0
    while not ended:
        for send in sensors:
            send()
        if count % each == 0:
            for send in targets:
                send()
        count += 1
        due_ns += period_ns
        wait_ns = due_ns - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(wait_ns * 1e-9)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    main()
