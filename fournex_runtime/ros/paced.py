"""A session with its next release, and the clock that this is of."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..session.pacing import Release
from ..session.phase_lock import PhaseLock
from ..session.tick import TickRecord
from .followed_clock import FollowedClock
from .hosted import HostedSession
from .tick_stages import Due


class Clock:
    """
    The clock that paces the sessions.

    :param ros_now_ns: reads the ROS clock.
    :param followed: ``/clock``, which that is then, and by which sessions are released; None: they
        are by the steady clock.
    """

    def __init__(
        self, ros_now_ns: Callable[[], int], followed: FollowedClock | None = None
    ) -> None:
        self.followed = followed
        self.simulated = followed is not None
        self.ros_now_ns = ros_now_ns
        self.now_ns: Callable[[], int] = time.monotonic_ns
        if followed is not None:
            self.ros_now_ns = self.now_ns = followed.now_ns


class Paced:
    """A session with its next release."""

    def __init__(self, session: HostedSession, now_ns: int) -> None:
        self.session = session
        self.release = Release(session.period_ns)
        self.release.begin(now_ns)
        phase = session.engine.wiring.phase
        self.phase = None if phase is None else PhaseLock(*phase, session.period_ns)
        self.stamp_ns = -1
        self.waiting_since_ns = time.monotonic_ns()

    @property
    def last_due_ns(self) -> int:
        """Return the latest release: of the last tick in lockstep, else the one to come."""
        return self.release.due_ns if self.session.trigger is None else max(0, self.stamp_ns)

    def due(self, now_ns: int, wait_ns: int) -> Due:
        """Return the release as a tick that begins now is told of it."""
        due_ns = self.release.due_ns
        return Due(due_ns, now_ns - due_ns, self.release.skipped, wait_ns)

    def advance(self, record: TickRecord, clock: Clock) -> None:
        """Go on to the next release after a tick."""
        shift_ns = 0
        if self.phase is not None:
            shift_ns = self.phase.shift_ns(record, clock.simulated)
        self.release.advance(clock.now_ns(), shift_ns)
