"""How far two versions of the same ticks are apart, value by value, in the values' units."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

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
    :param policy: put before the names of the values; for a second policy.
    """

    def __init__(
        self, before: ContractValues, after: ContractValues | None = None, policy: str = ''
    ) -> None:
        self._before, self._after = before, after or before
        self._prefix = f'{policy} ' if policy else ''
        self._found: dict[tuple[str, str], Deviation] = {}

    def add(self, stage: str, tick: int, before: Arrays, after: Arrays) -> bool:
        """
        Count a tick whose arrays are not the same.

        :param stage: one of ``STAGES``.
        :param tick: number of the tick.
        :param before: its arrays in the one version.
        :param after: its arrays in the other.
        :returns: whether all that differs has an error.
        """
        ours, theirs = self._before.of(stage, before), self._after.of(stage, after)
        measured = before.keys() == after.keys() == ours.keys()
        for array, named in ours.items():
            if array not in theirs or not named.same_as(theirs[array]):
                measured = False
                continue
            if before[array].tobytes() == after[array].tobytes():
                continue
            if not before[array].size == after[array].size == named.places.size:
                measured = False
                continue
            errors = named.greatest(before[array], after[array])
            for value, unit, error in zip(named.names, named.units, errors.tolist()):
                if error == 0.0:
                    continue
                name = self._prefix + value
                known = self._found.get((stage, name))
                if known is None:
                    self._found[stage, name] = Deviation(stage, name, unit, 1, tick, error, tick)
                else:
                    known.add(tick, error)
        return measured

    @property
    def all(self) -> list[Deviation]:
        """Return every value that differed, by stage."""
        return sorted(self._found.values(), key=lambda one: STAGES.index(one.stage))


class SessionDeviations:
    """
    The errors of a session's values and of those of its second policies, each in its units.

    :param before: what the numbers of each policy are in the one version: of the session's own
        under an empty name, of the others by their references.
    :param after: the same in the other, where that may be otherwise.
    """

    def __init__(
        self,
        before: Mapping[str, ContractValues],
        after: Mapping[str, ContractValues] | None = None,
    ) -> None:
        there = before if after is None else after
        self._found = {
            policy: Deviations(values, there[policy], policy)
            for policy, values in before.items()
            if policy in there
        }

    def add(self, policy: str, stage: str, tick: int, before: Arrays, after: Arrays) -> bool:
        """
        Count a tick whose arrays are not the same; see :meth:`Deviations.add`.

        :param policy: whose they are; empty for the session's own.
        """
        found = self._found.get(policy)
        return found is not None and found.add(stage, tick, before, after)

    @property
    def all(self) -> list[Deviation]:
        """Return every value that differed, by stage."""
        found = [one for each in self._found.values() for one in each.all]
        return sorted(found, key=lambda one: STAGES.index(one.stage))
