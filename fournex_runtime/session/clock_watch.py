"""A simulated clock that stands still: noticed by the steady one. Pure."""

from __future__ import annotations


class ClockWatch:
    """
    Compares a clock that others drive with the steady clock.

    :param patience_ns: how long it may stand still, steady time; 0: for ever.
    """

    def __init__(self, patience_ns: int) -> None:
        self.patience_ns = patience_ns
        self._seen_ns: int | None = None
        self._since_ns = 0

    def begin(self) -> None:
        """Forget what was seen before."""
        self._seen_ns = None

    def stands_still(self, clock_ns: int, steady_ns: int) -> bool:
        """
        Return whether the clock has stood still for longer than it may.

        :param clock_ns: what it shows.
        :param steady_ns: the steady clock at the same instant.
        """
        if clock_ns != self._seen_ns:
            self._seen_ns, self._since_ns = clock_ns, steady_ns
        return bool(self.patience_ns) and steady_ns - self._since_ns > self.patience_ns
