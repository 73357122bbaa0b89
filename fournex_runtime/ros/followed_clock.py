"""The simulated time of ``/clock``, taken by the loop itself while it waits for a release."""

from __future__ import annotations

import contextlib
import time

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMessage

from .polling import PolledGroup

LONGEST_REST_NS = 2_000_000
"""For how long no ``/clock`` is taken at most while the release is far off; wall time."""
_LEAST_REST_NS = 200_000
"""A rest that is shorter is none: asleep a thread is woken late, too."""
_LOOK_NS = 20_000_000
"""How often a wait ends by itself, so that signals are handled; wall time."""
_SPEED_NS = 50_000_000
"""Over how much wall time the speed of the clock is measured."""
_SECOND_NS = 1_000_000_000


class FollowedClock:
    """
    Takes ``/clock`` for its node, on the loop's thread; also an alarm that wakes the loop.

    An executor takes most of a millisecond for each message, of the interpreter that the loop
    needs, and rests after it. Here one takes a tenth of that, in the loop's own waits, and those
    that come long before the next release are passed over: so a clock that tells every millisecond
    costs little, and one that goes ten times as fast is followed.

    :param node: follows ``/clock`` (``use_sim_time``); not yet served by an executor.
    """

    def __init__(self, node: Node) -> None:
        subscription = next(one for one in node.subscriptions if one.msg_type is ClockMessage)
        # The executor leaves it alone, and its events: else each message would wake it still.
        for polled in (subscription, *subscription.event_handlers):
            polled.callback_group = PolledGroup()
        self._set, self._handle = subscription.callback, subscription.handle
        self._now_ns = 0
        self._speed = 1.0
        self._measured_ns: tuple[int, int] | None = None
        self._rung = False
        context = node.context.handle
        with context:
            self._guard = rclpy_implementation.GuardCondition(context)
            self._wait_set = rclpy_implementation.WaitSet(1, 1, 0, 0, 0, 0, context)
        self._in_use = contextlib.ExitStack()
        for one in (self._handle, self._guard, self._wait_set):
            self._in_use.enter_context(one)

    def now_ns(self) -> int:
        """Return the newest simulated time that has come, which is the node's from now on."""
        taken = self._handle.take_message(ClockMessage, False)
        if taken is not None:
            message = taken[0]
            self._set(message)
            self._now_ns = message.clock.sec * _SECOND_NS + message.clock.nanosec
            self._measure(self._now_ns)
        return self._now_ns

    def wall_ns(self, duration_ns: int) -> int:
        """Return how much wall time a duration takes at the clock's present speed."""
        return int(duration_ns / self._speed)

    def _measure(self, now_ns: int) -> None:
        wall_ns = time.monotonic_ns()
        if self._measured_ns is None:
            self._measured_ns = now_ns, wall_ns
            return
        then_ns, then_wall_ns = self._measured_ns
        if wall_ns - then_wall_ns >= _SPEED_NS or now_ns < then_ns:
            if now_ns > then_ns:
                self._speed = (now_ns - then_ns) / (wall_ns - then_wall_ns)
            self._measured_ns = now_ns, wall_ns

    def ring(self) -> None:
        """End the wait that is under way, or else the next one; safe in a signal handler."""
        self._rung = True
        self._guard.trigger_guard_condition()

    def wait(self, until_ns: int | None) -> bool:
        """
        Wait until an instant of the steady clock, and take ``/clock`` meanwhile.

        :param until_ns: the instant; None: until it is rung.
        :returns: whether it was rung.
        """
        while not self._was_rung():
            steady_ns = time.monotonic_ns()
            if until_ns is not None and steady_ns >= until_ns:
                return False
            left_ns = _SECOND_NS if until_ns is None else until_ns - steady_ns
            self.now_ns()
            self._rest(left_ns)
            self._wait(left_ns)
        return True

    def wait_for(self, due_ns: int, until_ns: int) -> bool:
        """
        Wait until the clock shows a time, or has jumped back.

        :param due_ns: that time.
        :param until_ns: until when at most, on the steady clock.
        :returns: whether it was rung.
        """
        before_ns = self.now_ns()
        while not self._was_rung():
            now_ns = self.now_ns()
            left_ns = until_ns - time.monotonic_ns()
            if not before_ns <= now_ns < due_ns or left_ns <= 0:
                return False
            before_ns = now_ns
            if not self._rest(min(left_ns, self.wall_ns(due_ns - now_ns)) // 2):
                self._wait(left_ns)
        return True

    def _was_rung(self) -> bool:
        rung, self._rung = self._rung, False
        return rung

    def _rest(self, most_ns: int) -> bool:
        """Take nothing for a while, if that may be long enough; return whether it was."""
        if most_ns < _LEAST_REST_NS:
            return False
        time.sleep(min(most_ns, LONGEST_REST_NS) * 1e-9)
        return True

    def _wait(self, most_ns: int) -> None:
        """Wait for a message, or until it is rung."""
        self._wait_set.clear_entities()
        self._wait_set.add_subscription(self._handle)
        self._wait_set.add_guard_condition(self._guard)
        self._wait_set.wait(min(most_ns, _LOOK_NS))

    def close(self) -> None:
        """Let go of the subscription, whose node is about to end."""
        self._in_use.close()
