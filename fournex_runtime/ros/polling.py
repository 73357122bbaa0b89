"""Subscriptions that are drained at the tick instead of calling back."""

from __future__ import annotations

import functools
import time
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile

from ..session.tick import Received
from .direct_take import direct_take
from .log_thread import LogThread
from .number_gaps import NumberGaps

_LARGE_BYTES = 65536
"""From this length on a message is taken without rclpy."""
_GREATEST_AGE_NS = 60_000_000_000


class PolledGroup(CallbackGroup):
    """A callback group that no executor ever executes, so that nobody else takes its messages."""

    def can_execute(self, entity: Any) -> bool:
        """Return False: what is in this group is polled."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Return False: what is in this group is polled."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Do nothing: nothing ever begins."""


class PolledTopic:
    """
    One subscription that is drained on demand; numbers the messages from 1 as they are taken.

    :param node: the node to subscribe with.
    :param topic: the topic as the wiring writes it.
    :param message_class: the message's class.
    :param qos: of the subscription; its depth bounds a drain.
    :param log: calls the node's logger, for who drains it and has no time for that; None: it is
        called at once.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        message_class: type,
        qos: QoSProfile,
        log: LogThread | None = None,
    ) -> None:
        self._node = node
        self._log = log
        self._depth = max(1, qos.depth)
        self._taken = 0
        self._following: int | None = None
        """The number that the publisher's next message has; None where none is known."""
        self._gaps = NumberGaps()
        self.subscription = node.create_subscription(
            message_class,
            topic,
            _never,
            qos,
            callback_group=PolledGroup(),
            raw=True,
            # Else an executor would wait for two events of each, and be set up for them each time.
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )
        self.name: str = self.subscription.topic_name
        self._handle = self.subscription.handle
        self._take: Any = functools.partial(
            self._handle.take_message, self.subscription.msg_type, True
        )
        self._decided = False

    def take(self) -> list[Received]:
        """Return what has arrived since the last call, oldest first, at most the QoS depth."""
        found: list[Received] = []
        take = self._take
        with self._handle:
            taken = take()
            if taken is None:
                return found
            # Read once: between two readings a busy machine may put a later arrival first.
            steady_ns, epoch_ns = time.monotonic_ns(), time.time_ns()
            number, last, following = self._taken, self._taken + self._depth, self._following
            while taken is not None:
                data, info = taken
                number += 1
                age_ns = epoch_ns - info.get('received_timestamp', 0)
                if not 0 <= age_ns <= _GREATEST_AGE_NS:
                    age_ns = _plausible_age_ns(age_ns, epoch_ns)
                found.append(Received(number, steady_ns - age_ns, data))
                sequence = info.get('publication_sequence_number')
                if sequence != following:
                    self._gaps.jump(following, sequence)
                following = None if sequence is None else sequence + 1
                if number == last:
                    break
                taken = take()
            self._taken, self._following = number, following
            if len(data) >= _LARGE_BYTES and not self._decided:
                self._take_directly(len(data))
        return found

    def _take_directly(self, size: int) -> None:
        """Take large messages without rclpy from now on, where that can be done."""
        self._decided = True
        direct = direct_take(self._handle, size)
        if isinstance(direct, str):
            self._say(f'large messages cost a copy more than they need: {direct}')
        else:
            self._take = direct

    def _say(self, words: str) -> None:
        def warn() -> None:
            self._node.get_logger().warning(words, once=True)

        if self._log is None:
            warn()
        else:
            self._log.say(warn)

    def take_newest(self) -> Received | None:
        """
        Return the newest message only, as number 1; for looking before the first tick.

        What was taken before it is forgotten, so that the numbering begins with it.
        """
        found = self.take()
        if not found:
            return None
        self._taken = 1
        self._gaps = NumberGaps()
        return Received(1, found[-1].arrival_ns, found[-1].data)

    @property
    def missed(self) -> int | None:
        """
        Return how many messages the middleware dropped before they could be taken.

        None where several publishers number theirs: then nobody knows.
        """
        return None if self._gaps.several else self._gaps.missed

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self.subscription)


def _never(message: Any) -> None:
    raise AssertionError('a polled subscription was executed')


def _plausible_age_ns(age_ns: int, epoch_ns: int) -> int:
    """
    Return how long ago a message can have arrived whose age is beyond the bounds.

    :param age_ns: by the clock of the middleware, which may have been set in the meantime.
    :param epoch_ns: that clock now; the age of a message of which the middleware says nothing.
    """
    return 0 if age_ns < 0 or age_ns == epoch_ns else _GREATEST_AGE_NS
