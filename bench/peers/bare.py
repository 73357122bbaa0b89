"""
The node that a user would write: callbacks, a timer, message objects, ONNX Runtime, a publisher.

``bare.py WORKLOAD MODEL single|multi``, the last being the executor.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

import numpy as np
import onnxruntime
import rclpy
from geometry_msgs.msg import PoseStamped, Twist
from observations import commanded, observe, topics
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.executors import SingleThreadedExecutor as Single
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState, LaserScan
from std_msgs.msg import Float64MultiArray
from tick_trace import Trace
from workloads import WORKLOADS, Workload

MESSAGES = {one.__name__: one for one in (JointState, PoseStamped, LaserScan, Image)}


class Bare(Node):
    """Keeps the newest messages and runs the policy at each timer."""

    def __init__(self, workload: Workload, model: str, trace: Trace) -> None:
        super().__init__('bench_bare')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model, options, providers=['CPUExecutionProvider']
        )
        self._kind, self._trace = workload.kind, trace
        self._period_ns = workload.period_ns
        self._newest: dict[str, Any] = {}
        self._last_action = np.zeros(12 if workload.kind == 'arm' else 2)
        self._topics = topics(workload)
        for topic, kind in self._topics.items():
            self.create_subscription(MESSAGES[kind], topic, self._keep(topic), 10)
        self._arm = workload.kind == 'arm'
        self._publisher = self.create_publisher(
            Float64MultiArray if self._arm else Twist, 'commands', 10
        )
        self._timer = self.create_timer(workload.period_ns * 1e-9, self._tick)

    def _keep(self, topic: str) -> Any:
        def keep(message: Any) -> None:
            self._newest[topic] = message

        return keep

    def _tick(self) -> None:
        begin_ns = time.monotonic_ns()
        due_ns = begin_ns + self._timer.time_until_next_call() - self._period_ns
        if len(self._newest) < len(self._topics):
            return
        sensor = next(iter(self._topics))
        stamp = self._newest[sensor].header.stamp
        observing_ns = time.monotonic_ns()
        observation = observe(self._kind, self._newest, self._last_action)
        observed_ns = time.monotonic_ns()
        action = self._session.run(None, {'obs': observation})[0][0]
        answered_ns = time.monotonic_ns()
        self._last_action = action
        values = commanded(self._kind, action)
        if self._arm:
            self._publisher.publish(Float64MultiArray(data=values))
        else:
            command = Twist()
            command.linear.x, command.angular.z = values
            self._publisher.publish(command)
        self._trace.add(
            due_ns,
            begin_ns,
            time.monotonic_ns(),
            answered_ns - observed_ns,
            stamp.sec * 1_000_000_000 + stamp.nanosec,
            observed_ns - observing_ns + TAKEN.last_ns,
        )


class TimedTaking:
    """How long the executor took to make the newest sensor message an object."""

    last_ns = 0


TAKEN = TimedTaking()


class SingleThreadedExecutor(Single):
    """The executor as it is, with a stopwatch around the taking of a message."""

    def _take_subscription(self, sub: Any) -> Any:
        began_ns = time.monotonic_ns()
        taken = super()._take_subscription(sub)
        TAKEN.last_ns = time.monotonic_ns() - began_ns
        return taken


def main() -> None:
    """Spin until SIGTERM."""
    trace = Trace()
    rclpy.init()
    node = Bare(WORKLOADS[sys.argv[1]], sys.argv[2], trace)
    executor = SingleThreadedExecutor() if sys.argv[3] == 'single' else MultiThreadedExecutor(2)
    executor.add_node(node)
    signal.signal(signal.SIGTERM, lambda number, frame: rclpy.try_shutdown())
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    finally:  # a callback that was about to publish raises something else
        trace.save()


if __name__ == '__main__':
    main()
