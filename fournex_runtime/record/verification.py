"""What a replay found: how many ticks were equal, stage by stage, and the first difference."""

from __future__ import annotations

import dataclasses


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
    """

    session: str
    ticks: int = 0
    observations: Count = dataclasses.field(default_factory=Count)
    raw_actions: Count = dataclasses.field(default_factory=Count)
    safe_actions: Count = dataclasses.field(default_factory=Count)
    commands: Count = dataclasses.field(default_factory=Count)
    first_difference: str = ''
    environment: tuple[str, ...] = ()

    @property
    def stages(self) -> dict[str, Count]:
        """Return the four counts by name."""
        return {
            'observations': self.observations,
            'raw actions': self.raw_actions,
            'safe actions': self.safe_actions,
            'commands': self.commands,
        }

    def add(
        self,
        observed: bool | None,
        inferred: bool | None,
        decided: bool | None,
        commanded: bool | None,
    ) -> None:
        """Count one tick by the verdicts over its stages; None for unverifiable."""
        self.ticks += 1
        verdicts = (observed, inferred, decided, commanded)
        for count, verdict in zip(self.stages.values(), verdicts):
            count.add(verdict)

    def add_missing(self, ticks: int) -> None:
        """Count ticks whose records are not in the bag."""
        self.ticks += ticks
        for count in self.stages.values():
            count.unverifiable += ticks

    @property
    def all_equal(self) -> bool:
        """Return whether there was a tick and every stage of every tick is equal."""
        return self.ticks > 0 and all(count.all_equal for count in self.stages.values())
