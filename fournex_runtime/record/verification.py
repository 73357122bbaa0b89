"""What a replay found: how many ticks were equal, stage by stage, and the first difference."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from .deviations import Deviation

MOST_DIVERGENCES = 1000
"""How many unequal ticks are kept one by one; all are counted."""


@dataclasses.dataclass(frozen=True)
class Divergence:
    """
    One tick that is not as recorded.

    :param tick: its number.
    :param stage: the first stage that is not.
    :param words: what differs.
    """

    tick: int
    stage: str
    words: str


@dataclasses.dataclass
class Count:
    """How many ticks of one stage were equal, unequal, and could not be judged."""

    equal: int = 0
    unequal: int = 0
    unverifiable: int = 0

    def add(self, verdict: bool | None) -> None:
        """Count one tick: equal, unequal, or None for unverifiable."""
        if verdict is None:
            self.unverifiable += 1
        elif verdict:
            self.equal += 1
        else:
            self.unequal += 1

    @property
    def all_equal(self) -> bool:
        """Return whether every tick was judged and equal."""
        return not self.unequal and not self.unverifiable


@dataclasses.dataclass
class Verification:
    """
    What came of re-running one session.

    :param session: its name.
    :param ticks: ticks from the first to the last in the bag, missing ones included.
    :param observations: the policy's inputs.
    :param raw_actions: the policy's outputs and its next recurrent state.
    :param safe_actions: mode, cause, limits touched and commanded values.
    :param commands: the bytes of the command messages.
    :param first_difference: tick and what differs, in words; empty when nothing does.
    :param environment: what of machine and software differs from the recording's, in words.
    :param deviations: how far the unequal values are from the recorded ones.
    :param unmeasured: ticks whose network's outputs differ in what has no error: it failed, or
        they have another shape.
    :param divergences: the first unequal ticks, at most ``MOST_DIVERGENCES``.
    """

    session: str
    ticks: int = 0
    observations: Count = dataclasses.field(default_factory=Count)
    raw_actions: Count = dataclasses.field(default_factory=Count)
    safe_actions: Count = dataclasses.field(default_factory=Count)
    commands: Count = dataclasses.field(default_factory=Count)
    first_difference: str = ''
    environment: tuple[str, ...] = ()
    deviations: Sequence[Deviation] = ()
    unmeasured: int = 0
    divergences: list[Divergence] = dataclasses.field(default_factory=list)

    @property
    def stages(self) -> dict[str, Count]:
        """Return the four counts by name."""
        return {
            'observations': self.observations,
            'raw actions': self.raw_actions,
            'safe actions': self.safe_actions,
            'commands': self.commands,
        }

    def add(self, tick: int, verdicts: Sequence[bool | None], words: Sequence[str]) -> None:
        """
        Count one tick.

        :param tick: its number.
        :param verdicts: over its four stages; None for unverifiable.
        :param words: what differs.
        """
        self.ticks += 1
        for count, verdict in zip(self.stages.values(), verdicts):
            count.add(verdict)
        if False in verdicts and len(self.divergences) < MOST_DIVERGENCES:
            stage = list(self.stages)[list(verdicts).index(False)]
            self.divergences.append(Divergence(tick, stage, words[0] if words else ''))

    def add_missing(self, ticks: int) -> None:
        """Count ticks whose records are not in the bag."""
        self.ticks += ticks
        for count in self.stages.values():
            count.unverifiable += ticks

    @property
    def all_equal(self) -> bool:
        """Return whether there was a tick and every stage of every tick is equal."""
        return self.ticks > 0 and all(count.all_equal for count in self.stages.values())

    @property
    def only_inference(self) -> bool:
        """Return whether all that differs is what the network computed."""
        others = (self.observations, self.safe_actions, self.commands)
        return self.raw_actions.unequal > 0 and not any(count.unequal for count in others)

    def within(self, error: float | None = None, unverifiable: float = 0.0) -> bool:
        """
        Return whether every tick was judged and none is further off than a bound.

        That bound is for the network's outputs and its recurrent state alone: what is built of
        messages, and the gate before the actuators, are equal on every machine or wrong.

        :param error: the greatest error that is fine, in the unit of the value; None: none is.
        :param unverifiable: the greatest share of the ticks that need not have been judged.
        """
        others = (self.observations, self.safe_actions, self.commands)
        unknown = max(count.unverifiable for count in self.stages.values())
        if not self.ticks or unknown > unverifiable * self.ticks:
            return False
        if error is None:
            return not any(count.unequal for count in self.stages.values())
        known = [one for one in self.deviations if one.stage in ('raw action', 'state')]
        return (
            not any(count.unequal for count in others)
            and not self.unmeasured
            and not any(math.isnan(one.greatest) or one.greatest > error for one in known)
        )
