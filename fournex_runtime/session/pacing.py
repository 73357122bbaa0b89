"""When the ticks of a session are released."""

from __future__ import annotations


class Release:
    """
    Absolute deadlines: each release is the one before plus the period, so nothing drifts.

    :param period_ns: control period.
    """

    def __init__(self, period_ns: int) -> None:
        self.period_ns = period_ns
        self.due_ns = 0
        self.skipped = 0
        """Releases skipped before ``due_ns`` because the time for them had passed."""

    def begin(self, now_ns: int) -> None:
        """Make the first release due now."""
        self.due_ns = now_ns
        self.skipped = 0

    def advance(self, now_ns: int, shift_ns: int = 0) -> None:
        """
        Go on to the next release that is not over yet; those that are over are skipped.

        A clock that jumped back by more than a period (a simulation that was reset) begins anew.

        :param now_ns: now.
        :param shift_ns: by how much this and all following releases are later; for a session
            that follows a sensor.
        """
        if now_ns < self.due_ns - self.period_ns:
            self.begin(now_ns)
            return
        self.due_ns += shift_ns
        late_ns = now_ns - (self.due_ns + self.period_ns)
        self.skipped = max(0, late_ns // self.period_ns)
        self.due_ns += self.period_ns * (1 + self.skipped)
