"""What another policy would have done on the inputs of a recording, in numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class ValueComparison:
    """
    One commanded value in both versions, over the ticks in which both act.

    :param term: name of the action term.
    :param label: name of the value.
    :param unit: its unit.
    :param ticks: numbers of the ticks.
    :param recorded: what was sent.
    :param other: what the other version would have sent.
    """

    term: str
    label: str
    unit: str
    ticks: NDArray[np.int64]
    recorded: Floats
    other: Floats

    @property
    def error(self) -> Floats:
        """Return the size of the difference at every tick."""
        error: Floats = np.abs(self.other - self.recorded)
        return error

    @property
    def greatest(self) -> tuple[float, int]:
        """Return the greatest difference and its tick; 0 and -1 where nothing was compared."""
        error = self.error
        if not error.size:
            return 0.0, -1
        worst = int(np.argmax(error))
        return float(error[worst]), int(self.ticks[worst])

    @property
    def first(self) -> int:
        """Return the first tick that differs; -1 for none."""
        different = np.flatnonzero(self.recorded != self.other)
        return int(self.ticks[different[0]]) if different.size else -1


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """
    One session of a recording against another version of its policy or wiring.

    :param session: its name.
    :param recorded: ``name@version`` of the policy that was recorded; with its hash where both
        have one name.
    :param other: the same of the other one.
    :param ticks: how many ticks were looked at.
    :param idle: ticks in which no recorded policy acted: standby, fallback, manual, stopped.
    :param seconds: of the ticks that were compared, those in which a second policy acted.
    :param left_out: ticks in which one acted that the other version would not have asked.
    :param refused: ticks in which it acted and the other version would not have; with the first
        and the reason.
    :param unknown: ticks that are not in the bag, or whose messages are not all there.
    :param values: every value that both versions command.
    :param only_one: the values that only one of them commands, as ``term/label``.
    :param own_last_actions: the other version has other outputs, so what it sees as its last
        action is what it would have done itself.
    """

    session: str
    recorded: str
    other: str
    ticks: int
    idle: int
    seconds: int
    left_out: int
    refused: int
    first_refusal: str
    unknown: int
    values: tuple[ValueComparison, ...]
    only_one: tuple[str, ...]
    own_last_actions: bool

    @property
    def compared(self) -> int:
        """Return how many ticks were compared."""
        return self.ticks - self.idle - self.left_out - self.refused - self.unknown

    def exceeds(self, error: float, unverifiable: float = 0.0) -> bool:
        """
        Return whether a difference is above a bound, or the other version did not act once.

        :param error: the bound.
        :param unverifiable: the greatest share of the ticks that may be unknown; where more are,
            nobody knows whether a difference is above the bound.
        """
        if self.refused or (self.ticks and not self.compared):
            return True
        if self.unknown > unverifiable * self.ticks:
            return True
        return not all(one.greatest[0] <= error for one in self.values)
