"""How far two versions of the same ticks are apart, value by value, in the values' units."""

from __future__ import annotations

import dataclasses
import math

from ..session.tick import Arrays
from .named_values import ContractValues

STAGES = ('observation', 'raw action', 'state', 'safe action')
"""The stages of a tick that are arrays, in the order in which they are made."""


@dataclasses.dataclass
class Deviation:
    """
    One value of one stage that was not the same in some ticks.

    :param stage: one of ``STAGES``.
    :param name: ``term/value``; of a recurrent state its name.
    :param unit: of the errors; empty where the value has none.
    :param ticks: in how many ticks it differed.
    :param first: number of the first of these.
    :param greatest: the greatest error.
    :param at: number of its tick.
    """

    stage: str
    name: str
    unit: str
    ticks: int
    first: int
    greatest: float
    at: int

    def add(self, tick: int, error: float) -> None:
        """Count one more tick."""
        self.ticks += 1
        if error > self.greatest or (math.isnan(error) and not math.isnan(self.greatest)):
            self.greatest, self.at = error, tick


class Deviations:
    """
    The errors of a session's values over its ticks.

    :param before: what the numbers of the one version are.
    :param after: what those of the other are, where it has another contract. Arrays whose numbers
        do not mean the same have no error.
    """

    def __init__(self, before: ContractValues, after: ContractValues | None = None) -> None:
        self._before, self._after = before, after or before
        self._found: dict[tuple[str, str], Deviation] = {}

    def add(self, stage: str, tick: int, before: Arrays, after: Arrays) -> None:
        """
        Count a tick whose arrays are not the same.

        :param stage: one of ``STAGES``.
        :param tick: number of the tick.
        :param before: its arrays in the one version.
        :param after: its arrays in the other.
        """
        ours, theirs = self._before.of(stage, before), self._after.of(stage, after)
        for array, named in ours.items():
            if array not in theirs or not named.same_as(theirs[array]):
                continue
            if before[array].tobytes() == after[array].tobytes():
                continue
            errors = named.greatest(before[array], after[array])
            for name, unit, error in zip(named.names, named.units, errors.tolist()):
                if error == 0.0:
                    continue
                known = self._found.get((stage, name))
                if known is None:
                    self._found[stage, name] = Deviation(stage, name, unit, 1, tick, error, tick)
                else:
                    known.add(tick, error)

    def greatest(self, *stages: str) -> float:
        """Return the greatest error of some stages, whatever its unit; 0 without one."""
        errors = [one.greatest for one in self._found.values() if one.stage in stages]
        return math.nan if any(map(math.isnan, errors)) else max(errors, default=0.0)

    @property
    def all(self) -> list[Deviation]:
        """Return every value that differed, by stage."""
        return sorted(self._found.values(), key=lambda one: STAGES.index(one.stage))
