"""The reward of a simulated robot: by control period for its topic, and since it was last read."""

from __future__ import annotations


class RewardMeter:
    """
    Adds up the reward of the steps.

    :param steps_per_period: how many simulation steps make one control period.
    """

    def __init__(self, steps_per_period: int) -> None:
        self._steps_per_period = steps_per_period
        self.reset()

    def reset(self) -> None:
        """Forget everything; a control period begins now."""
        self._steps = 0
        self._present = 0.0
        self._unread = 0.0
        self.last_period = 0.0

    def add(self, rate: float) -> None:
        """
        Count one step.

        :param rate: reward for a whole control period spent like this step.
        """
        share = rate / self._steps_per_period
        self._present += share
        self._unread += share
        self._steps += 1
        if self._steps == self._steps_per_period:
            self.last_period = self._present
            self._steps, self._present = 0, 0.0

    def take(self) -> float:
        """Return what was gathered since the last call."""
        taken, self._unread = self._unread, 0.0
        return taken
