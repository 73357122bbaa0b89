"""Ticks that a simulator's messages release, all inputs of one stamp."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation

from .paced import Paced
from .rounds import Round
from .tick_stages import Due

LOCKSTEP_WAIT_NS = 20_000_000
"""How long is waited for a message before other things are looked after."""


class LoopFault(Exception):
    """A session cannot go on: the loop has ended all of them with their stop commands."""


class Lockstep:
    """
    The sessions of a lockstep run.

    :param paced: the sessions.
    :param context_handle: of the rclpy context, for waiting on subscriptions.
    :param timeout_ns: wall time after which a missing trigger ends the run.
    """

    def __init__(self, paced: Sequence[Paced], context_handle: Any, timeout_ns: int) -> None:
        self._paced = paced
        self._context_handle = context_handle
        self._timeout_ns = timeout_ns

    def complete(self) -> list[list[Paced]]:
        """Return the sessions whose synchronised inputs are complete, by the policy they ask."""
        found: dict[int, list[Paced]] = {}
        for one in self._paced:
            stamp_ns = one.session.lockstep_stamp_ns(one.stamp_ns)
            if stamp_ns is not None:
                one.stamp_ns = stamp_ns
                found.setdefault(id(one.session.policy), []).append(one)
        return list(found.values())

    def tick(
        self, complete: Sequence[Sequence[Paced]], waited_ns: int, ros_now_ns: Callable[[], int]
    ) -> None:
        """
        Tick sessions, and wait until every policy has answered.

        :param complete: what :meth:`complete` returned.
        :param waited_ns: how long was waited for it.
        :param ros_now_ns: reads the ROS clock.
        """
        rounds = [
            Round(
                [
                    (one.session, functools.partial(Due, one.stamp_ns, wait_ns=waited_ns))
                    for one in together
                ],
                together,
                ros_now_ns,
            )
            for together in complete
        ]
        for begun in rounds:
            begun.finish()
            for one in begun.items:
                one.waiting_since_ns = time.monotonic_ns()

    def wait(self) -> None:
        """
        Wait for a message of a synchronised topic, but not for long.

        :raises LoopFault: there has been no complete set for too long.
        """
        waiting_ns = time.monotonic_ns() - min(one.waiting_since_ns for one in self._paced)
        if waiting_ns > self._timeout_ns:
            names = ', '.join(
                one.session.trigger.topic.name for one in self._paced if one.session.trigger
            )
            raise LoopFault(
                f'lockstep: no complete set of inputs for {waiting_ns / 1e9:.0f} s after the last '
                f'tick; waiting for {names} and what goes with it'
            )
        subscriptions = [
            feed.topic.subscription for one in self._paced for feed in one.session.lockstep_feeds
        ]
        wait_set = rclpy_implementation.WaitSet(
            len(subscriptions), 0, 0, 0, 0, 0, self._context_handle
        )
        with contextlib.ExitStack() as stack:
            stack.enter_context(wait_set)
            wait_set.clear_entities()
            for subscription in subscriptions:
                stack.enter_context(subscription.handle)
                wait_set.add_subscription(subscription.handle)
            wait_set.wait(LOCKSTEP_WAIT_NS)
