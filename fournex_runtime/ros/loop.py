"""
The control loop: releases ticks on time, on the main thread, and serves requests in between.

Everything else (services, parameters, lifecycle transitions) runs on an executor in other threads
and reaches the sessions only through :meth:`Loop.call`, while no tick begins or is concluded.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..session.clock_watch import ClockWatch
from ..session.schedule import Schedule, Slot, schedule
from .alarm import Alarm
from .followed_clock import FollowedClock
from .hosted import HostedSession
from .lockstep import LOCKSTEP_WAIT_NS, Lockstep
from .paced import Clock, Paced
from .rounds import Round, wait_for_answers
from .tick_stages import Due

Result = TypeVar('Result')

SWITCH_INTERVAL_S = 100e-6
"""Longest time that another Python thread keeps the interpreter while the loop waits for it."""
SIM_LOOK_NS = 20_000_000
"""How often is looked whether ``/clock`` stands still; wall time."""
_SIM_LEAST_NS = 200_000
"""How long is waited for answers at least before ``/clock`` is looked at; wall time."""
_PR_SET_TIMERSLACK = 29
_SECOND_NS = 1_000_000_000


class Loop:
    """
    Ticks the sessions that it is given until it is told to quit.

    :param clock: what paces the sessions.
    :param context_handle: of the rclpy context, for waiting on subscriptions.
    :param lockstep_timeout_ns: wall time after which a missing trigger ends a lockstep run.
    :param clock_timeout_ns: wall time after which a ``/clock`` that stands still stops the
        sessions; 0: never.
    """

    def __init__(
        self,
        clock: Clock,
        context_handle: Any,
        lockstep_timeout_ns: int = 10_000_000_000,
        clock_timeout_ns: int = 0,
    ) -> None:
        self._clock = clock
        self._context_handle = context_handle
        self._lockstep_timeout_ns = lockstep_timeout_ns
        self._clock_watch = ClockWatch(clock_timeout_ns)
        self._paced: list[Paced] = []
        self._schedule: Schedule[Paced] = Schedule([])
        self._rounds: list[Round[Slot[Paced]]] = []
        """Those that wait for their answers."""
        self._lockstep: Lockstep | None = None
        self._calls: collections.deque[tuple[Callable[[], Any], Any]] = collections.deque()
        self._quit = False
        self._waiting_since_ns: int | None = None
        self._thread = threading.get_ident()
        self._alarm: Alarm | FollowedClock = clock.followed or Alarm()
        self.after_tick: Callable[[], None] = _nothing
        """Called after every tick, for instance to commit a recording."""
        self.slack: Callable[[int], None] | None = None
        """Called before a wait with its length in nanoseconds."""
        self.spin_ns = 0
        """The last part of a wait, spent looking at the clock."""
        self.failed: Callable[[Exception], None] = _nothing_of
        """Called when a tick raised; the sessions have been ended."""

    # --- from other threads and signal handlers --------------------------------------------------

    def wake(self) -> None:
        """End the loop's present wait; safe in a signal handler."""
        self._alarm.ring()

    def quit(self) -> None:
        """Let ``run`` return after the present tick; safe in a signal handler."""
        self._quit = True
        self.wake()

    @property
    def quitting(self) -> bool:
        """Return whether the loop was told to quit."""
        return self._quit

    def call(self, function: Callable[[], Result], timeout_s: float | None = 5.0) -> Result:
        """
        Run a function on the loop's thread and return what it returns.

        Ticks may be waiting for their answers meanwhile; until one is concluded nothing of its
        session has changed.

        :param function: the function.
        :param timeout_s: how long to wait until it has run, then it will not any more; None:
            without end, for what must be done however long a tick takes.
        :raises TimeoutError: the loop did not get to it in time.
        """
        if threading.get_ident() == self._thread:
            return function()
        future: concurrent.futures.Future[Result] = concurrent.futures.Future()
        self._calls.append((function, future))
        self.wake()
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError as problem:
            future.cancel()
            raise TimeoutError(f'the control loop did not answer in {timeout_s:g} s') from problem

    # --- on the loop's thread --------------------------------------------------------------------

    def start(self, sessions: Sequence[HostedSession]) -> None:
        """Release the first tick of each session now."""
        gc.freeze()  # else one look at all that was loaded takes the time of several periods
        now_ns = self._clock.now_ns()
        self._waiting_since_ns = None
        self._paced = [Paced(session, now_ns) for session in sessions]
        self._clock_watch.begin()
        self._schedule = schedule(
            [
                Slot(one, one.release, id(one.session.policy), one.session.batch_wait_ns)
                for one in self._paced
            ]
        )
        self._rounds = []
        self._lockstep = None
        if self._paced and self._paced[0].session.trigger is not None:
            self._lockstep = Lockstep(self._paced, self._context_handle, self._lockstep_timeout_ns)

    def stop(self, cause: str) -> None:
        """Run one last tick of each session that publishes its stop command; then none."""
        try:
            for begun in tuple(self._rounds):
                self._finish(begun, None)
            for one in self._paced:
                one.session.request_stop(cause)
                self._tick(one, Due(one.last_due_ns))
            self._paced = []
        except Exception as problem:  # the stop commands are published all the same
            self._abandon(problem)
        gc.unfreeze()

    def run(self) -> None:
        """Tick and serve until told to quit."""
        self._thread = threading.get_ident()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        _least_timer_slack()
        while not self._quit:
            if self._calls:
                self.serve()
            if self._quit:
                break
            if not self._paced:
                self._alarm.wait(None)
                continue
            try:
                self._step()
            except Exception as problem:  # whatever a tick raises, the robot gets its stop command
                self._abandon(problem)

    def serve(self) -> None:
        """Run what others have asked for by :meth:`call`; after ``run`` for who still waits."""
        while self._calls:
            function, future = self._calls.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(function())
            except Exception as problem:
                future.set_exception(problem)

    def _step(self) -> None:
        """Wait for the next release and run its tick; return early when woken."""
        if self._lockstep is not None:
            self._lockstep_step(self._lockstep)
            return
        now_ns = self._clock.now_ns()
        if self._clock.simulated:
            if self._schedule.went_back(now_ns):
                return
            if self._clock_stands_still(now_ns) and not self._rounds:
                self._step_without_clock()
                return
        wake_ns = self._schedule.wake_ns
        if wake_ns is not None and wake_ns <= now_ns:
            if not self._rounds or not self._finish(self._rounds[0], 0):
                self._begin(self._schedule.take(now_ns))
        elif self._rounds:
            self._await_answers(wake_ns)
        else:
            assert wake_ns is not None  # nothing is out
            if not self._wait(wake_ns) and not self._clock.simulated:
                self._begin(self._schedule.take(self._clock.now_ns()))

    def _begin(self, slots: Sequence[Slot[Paced]]) -> None:
        """Begin the round of some sessions; conclude it, too, where the answers are there."""
        alone = len(self._schedule.slots) == 1  # nobody else is to be served meanwhile
        if len(slots) == 1 and (alone or slots[0].item.session.infers_here):
            self._tick_whole(slots[0])
            return
        waited_ns, now_ns = self._waited_ns(), self._clock.now_ns
        ticks = [
            (slot.item.session, lambda one=slot.item: one.due(now_ns(), waited_ns))
            for slot in slots
        ]
        begun = Round(ticks, slots, self._clock.ros_now_ns)
        self._rounds.append(begun)
        if not begun.awaited or not all(policy.descriptors for policy in begun.awaited):
            self._finish(begun, 0)
        elif self._schedule.wake_ns is None and len(self._rounds) == 1:
            self._finish(begun, None)  # there is nobody else to be served

    def _tick_whole(self, slot: Slot[Paced]) -> None:
        """Run the tick of a session that is asked by itself, and wait for its answer."""
        one, waited_ns, clock = slot.item, self._waited_ns(), self._clock
        record = one.session.tick(one.due(clock.now_ns(), waited_ns), clock.ros_now_ns)
        one.advance(record, clock)
        self._schedule.back([slot])
        self.after_tick()

    def _finish(self, begun: Round[Slot[Paced]], until_ns: int | None) -> bool:
        """Conclude a round if it is answered, or late; return whether it was."""
        if not begun.finish(until_ns):
            return False
        self._rounds.remove(begun)
        for slot, record in zip(begun.items, begun.records):
            slot.item.advance(record, self._clock)
        self._schedule.back(begun.items)
        self.after_tick()
        return True

    def _await_answers(self, wake_ns: int | None) -> None:
        """Wait for answers, until the next release."""
        until_ns = time.monotonic_ns() + _SECOND_NS
        if wake_ns is not None:
            remaining_ns = wake_ns - self._clock.now_ns()
            if self._clock.followed is not None:
                wall_ns = self._clock.followed.wall_ns(remaining_ns)
                remaining_ns = max(_SIM_LEAST_NS, min(wall_ns, SIM_LOOK_NS))
            until_ns = min(until_ns, time.monotonic_ns() + remaining_ns)
        if len(self._rounds) == 1 and len(self._rounds[0].awaited) == 1:
            self._finish(self._rounds[0], until_ns)
            return
        wait_for_answers(self._rounds, until_ns)
        for begun in tuple(self._rounds):
            self._finish(begun, 0)

    def _clock_stands_still(self, now_ns: int) -> bool:
        """Return whether the sessions follow a ``/clock`` that has not gone on for too long."""
        return self._clock_watch.stands_still(now_ns, time.monotonic_ns())

    def _step_without_clock(self) -> None:
        """Stop the sessions, and go on saying so by the steady clock."""
        still_s = self._clock_watch.patience_ns * 1e-9
        for one in self._paced:
            one.session.request_stop(f'/clock stands still for {still_s:g} s')
            self._tick(one, Due(one.last_due_ns))
        period_ns = min(one.release.period_ns for one in self._paced)
        self._alarm.wait(time.monotonic_ns() + period_ns)

    def _wait(self, due_ns: int) -> bool:
        """Wait for a release, or in simulated time for a while; return whether it was woken."""
        if self._waiting_since_ns is None:
            self._waiting_since_ns = time.monotonic_ns()
        if self._clock.followed is not None:
            return self._wait_for_clock(self._clock.followed, due_ns)
        if self.slack is not None:
            self.slack(due_ns - self._clock.now_ns())
        if self._alarm.wait(due_ns - self.spin_ns):
            return True
        if self.spin_ns:
            while time.monotonic_ns() < due_ns:
                pass
        return False

    def _wait_for_clock(self, followed: FollowedClock, due_ns: int) -> bool:
        """Wait for a release in simulated time, for a while; return whether it was woken."""
        if self.slack is not None:
            self.slack(followed.wall_ns(due_ns - followed.now_ns()))
        return followed.wait_for(due_ns, time.monotonic_ns() + SIM_LOOK_NS)

    def _waited_ns(self) -> int:
        """Return how long the loop has been waiting for the release that has come now."""
        since_ns, self._waiting_since_ns = self._waiting_since_ns, None
        return 0 if since_ns is None else time.monotonic_ns() - since_ns

    def _tick(self, one: Paced, due: Due) -> None:
        """Run one tick for itself, in which the policy is not asked."""
        one.session.tick(due, self._clock.ros_now_ns)
        self.after_tick()

    def _lockstep_step(self, lockstep: Lockstep) -> None:
        """Tick every session whose synchronised inputs are complete; else wait for messages."""
        if self._clock.followed is not None:
            self._clock.followed.now_ns()  # for all else that asks the node for the time
        complete = lockstep.complete()
        if complete:
            lockstep.tick(complete, self._waited_ns(), self._clock.ros_now_ns)
            self.after_tick()
            return
        if self._waiting_since_ns is None:
            self._waiting_since_ns = time.monotonic_ns()
        if self.slack is not None:
            self.slack(LOCKSTEP_WAIT_NS)
        lockstep.wait()

    def _abandon(self, problem: Exception) -> None:
        """End every session with its stop command after a tick raised."""
        paced, self._paced = self._paced, []
        self._rounds = []  # their messages are the stop ticks'
        for one in paced:
            one.session.request_stop(f'internal error: {problem}')
            with contextlib.suppress(Exception):  # the one that raised may raise again
                self._tick(one, Due(one.last_due_ns))
        self.failed(problem)


def _nothing() -> None:
    return


def _nothing_of(what: object) -> None:
    return


def _least_timer_slack() -> None:
    """Ask the kernel to wake this thread as exactly as it can; needs no privilege."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
