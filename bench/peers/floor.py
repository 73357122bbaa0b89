"""
The floor of the work: a loop that only takes, infers and publishes, and knows its one robot.

``floor.py WORKLOAD MODEL``. It reads numbers from fixed places of the received bytes, checks
nothing and publishes bytes in which it writes fixed places.
"""

from __future__ import annotations

import ctypes
import signal
import struct
import sys
import time
from typing import Any

import numpy as np
import onnxruntime
import rclpy
from geometry_msgs.msg import Twist
from observations import BACK, ORDER, pixels, topics
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Float64MultiArray
from tick_trace import Trace
from workloads import (
    BEAMS,
    HEIGHT,
    IMAGE,
    JOINT_STATE,
    SCAN,
    SECTORS,
    WIDTH,
    WORKLOADS,
    image_bytes,
    joint_state_bytes,
    scan_bytes,
    target_bytes,
)

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.ros.graph import message_class
from fournex_runtime.ros.polling import PolledGroup

_PR_SET_TIMERSLACK = 29
_STAMP = struct.Struct('<iI')


def place_of(data: bytes, values: np.ndarray) -> int:
    """Return where an array lies in the bytes of a message."""
    found = data.find(values.tobytes())
    if found < 0:
        raise SystemExit('the array is not in the message')
    return found


class ArmObservation:
    """Numbers of a joint state and of a target, from where they lie."""

    def __init__(self) -> None:
        state = joint_state_bytes()
        known = messages().decode(state, JOINT_STATE)
        self._places = [
            place_of(state, one) for one in (known.position, known.velocity, known.effort)
        ]
        self._target = place_of(target_bytes(), np.array([0.3, 0.2, 0.5]))
        self._out = np.zeros((1, 51), np.float32)

    def __call__(self, newest: list[bytes], last_action: np.ndarray) -> np.ndarray:
        """Write the observation in place."""
        out, data = self._out[0], newest[0]
        for index, (place, scale) in enumerate(zip(self._places, (1.0, 0.05, 0.1))):
            values = np.frombuffer(data, np.float64, 12, place)
            out[12 * index : 12 * index + 12] = values[ORDER] * scale
        out[36:39] = np.frombuffer(newest[1], np.float64, 3, self._target)
        out[39:] = last_action
        return self._out


class ScanObservation:
    """Sectors of a scan."""

    def __init__(self) -> None:
        scan = scan_bytes()
        self._place = place_of(scan, messages().decode(scan, SCAN).ranges)
        self._out = np.zeros((1, SECTORS + 2), np.float32)

    def __call__(self, newest: list[bytes], last_action: np.ndarray) -> np.ndarray:
        """Write the observation in place."""
        ranges = np.frombuffer(newest[0], np.float32, BEAMS, self._place)
        sectors = ranges.reshape(SECTORS, -1).min(axis=1)
        np.minimum(sectors, 6.0, out=self._out[0, :SECTORS])
        self._out[0, SECTORS:] = last_action
        return self._out


class CameraObservation:
    """Pixels of an image."""

    def __init__(self) -> None:
        image = image_bytes()
        self._place = place_of(image, messages().decode(image, IMAGE).data[:4096])

    def __call__(self, newest: list[bytes], last_action: np.ndarray) -> np.ndarray:
        """Return every fifth pixel."""
        return pixels(np.frombuffer(newest[0], np.uint8, 3 * WIDTH * HEIGHT, self._place))


OBSERVATIONS = {'arm': ArmObservation, 'scan': ScanObservation, 'camera': CameraObservation}


def command_template(arm: bool) -> tuple[bytearray, int]:
    """Return the bytes of a command, and where its numbers begin."""
    if not arm:
        return bytearray(
            messages().encode(
                messages().zero('geometry_msgs/msg/Twist'), 'geometry_msgs/msg/Twist'
            )
        ), 4
    values = np.arange(1.0, 13.0)
    kind = 'std_msgs/msg/Float64MultiArray'
    message = messages().zero(kind)
    message.data = values
    data = messages().encode(message, kind)
    return bytearray(data), place_of(data, values)


def main() -> None:
    """Tick until SIGTERM."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    trace, workload, arm = Trace(), WORKLOADS[sys.argv[1]], sys.argv[1].startswith('arm')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        sys.argv[2], options, providers=['CPUExecutionProvider']
    )
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('bench_floor')
    folder = {'PoseStamped': 'geometry_msgs'}
    handles: list[Any] = []
    for topic, name in topics(workload).items():
        kind = message_class(f'{folder.get(name, "sensor_msgs")}/msg/{name}')
        subscription = node.create_subscription(
            kind, topic, print, 10, callback_group=PolledGroup(), raw=True
        )
        handles.append((subscription.handle, kind))
    publisher = node.create_publisher(Float64MultiArray if arm else Twist, 'commands', 10)
    buffer, place = command_template(arm)
    values = np.frombuffer(buffer, np.float64, 12 if arm else 6, place)
    observe = OBSERVATIONS[workload.kind]()
    newest: list[Any] = [None] * len(handles)
    last_action = np.zeros(12 if arm else 2, np.float32)
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    period_ns, due_ns = workload.period_ns, time.monotonic_ns()
    while not ended:
        wait_ns = due_ns - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(wait_ns * 1e-9)
        begin_ns = time.monotonic_ns()
        for index, (handle, kind) in enumerate(handles):
            while (taken := handle.take_message(kind, True)) is not None:
                newest[index] = taken[0]
        if None not in newest:
            observation = observe(newest, last_action)
            observed_ns = time.monotonic_ns()
            last_action = session.run(None, {'obs': observation})[0][0]
            answered_ns = time.monotonic_ns()
            if arm:
                values[:] = np.clip(last_action, -1.0, 1.0)[BACK] * 0.5
            else:
                values[0], values[5] = np.clip(last_action, -1.0, 1.0) * 0.5
            publisher.publish(bytes(buffer))
            sec, nanosec = _STAMP.unpack_from(newest[0], 4)
            trace.add(
                due_ns,
                begin_ns,
                time.monotonic_ns(),
                answered_ns - observed_ns,
                sec * 1_000_000_000 + nanosec,
                observed_ns - begin_ns,
            )
        due_ns += period_ns
        if due_ns + period_ns < (now_ns := time.monotonic_ns()):
            due_ns += (now_ns - due_ns) // period_ns * period_ns
    trace.save()
    node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    main()
