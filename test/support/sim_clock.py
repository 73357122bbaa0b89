"""A ``/clock`` that a test stops, sets and speeds up."""

from __future__ import annotations

import time

from robot_side import RobotSide
from rosgraph_msgs.msg import Clock

START_NS = 1_000_000_000_000


class SimClock:
    """
    Publishes ``/clock``, at the speed of the steady clock unless said otherwise.

    :param side: publishes it.
    :param rate_hz: how often.
    """

    def __init__(self, side: RobotSide, rate_hz: float = 100.0) -> None:
        self._zero_ns = time.monotonic_ns() - START_NS
        self._speed = 1
        self._stopped_ns: int | None = None
        self._publisher = side.node.create_publisher(Clock, '/clock', 10)
        side.node.create_timer(1.0 / rate_hz, self._publish)

    def now_ns(self) -> int:
        """Return what it shows."""
        if self._stopped_ns is not None:
            return self._stopped_ns
        return self._speed * (time.monotonic_ns() - self._zero_ns)

    def run_at(self, speed: int) -> None:
        """Let it go so many times as fast as the steady clock, from where it stands."""
        now_ns = self.now_ns()
        self._zero_ns, self._speed = time.monotonic_ns() - now_ns // speed, speed

    def jump(self, by_ns: int) -> None:
        """Set it forward, or back."""
        self._zero_ns -= by_ns // self._speed

    def stop(self) -> None:
        """Let it stand still."""
        self._stopped_ns = self.now_ns()

    def go_on(self) -> None:
        """Let it go on from where it stands."""
        assert self._stopped_ns is not None
        self._zero_ns = time.monotonic_ns() - self._stopped_ns // self._speed
        self._stopped_ns = None

    def _publish(self) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(self.now_ns(), 1_000_000_000)
        self._publisher.publish(message)
