"""
What a replay does not know of a session's memory, after ticks or messages that are not there.

A tick that depends on it counts as unverifiable, and never as unequal. How long that lasts depends
on what is remembered: a history is known again when enough new values are in it, a reaction to a
fault when it is over, what goes by time when that has passed.
"""

from __future__ import annotations

from ..configuration import FOREVER_NS
from ..session.engine import Engine
from ..session.tick import Mode, TickRecord

_AT_REST = (Mode.STANDBY, Mode.STOPPED)


class Doubt:
    """
    The doubts about one session.

    :param engine: the session.
    """

    def __init__(self, engine: Engine) -> None:
        contract = engine.contract
        policies = [contract, *(one.contract for one in engine.seconds.values())]
        self._most_values = max(
            one.memory_ticks if one.has_history or one.chunk is not None else 0 for one in policies
        )
        self._soft_start = engine.wiring.soft_start_ns // contract.period_ns
        self._most_ticks = max(self._soft_start, _ticks_by_time(engine))
        self._values = 0
        """How many ticks a policy has to act in until its history and its chunk are known."""
        self._ticks = 0
        """For how many ticks more something that goes by time is not known."""
        self._reaction = False
        """Whether the reaction to a fault, and the age of the last command, are not known."""
        self.recurrent = False
        """Whether the session's own recurrent state is not known."""
        self._chosen: str | None = None
        """Which policy was to act in the tick before; None: not known."""
        self._second = False
        """Whether it is not known what a second policy that is chosen remembers."""

    def forget(self) -> None:
        """Begin without doubts: everything is in a snapshot."""
        self._values = self._ticks = 0
        self._reaction = self.recurrent = self._second = False
        self._chosen = None

    def tick_lost(self) -> None:
        """Take note that tick records are not there."""
        self._values, self._ticks = self._most_values, self._most_ticks
        self._reaction = self.recurrent = self._second = True
        self._chosen = None

    def about(self, record: TickRecord, before: Mode) -> bool:
        """
        Return whether a tick depends on something that is not known.

        :param record: the tick.
        :param before: mode of the tick before it, as it was recorded.
        """
        if self._ticks:
            return True
        anew = record.episode_start and record.mode in (Mode.POLICY, Mode.MANUAL, Mode.STANDBY)
        if self._soft_start and before is Mode.FALLBACK:  # it may be one out of a ramp
            anew &= record.mode is not Mode.POLICY
        at_rest = record.mode in _AT_REST and record.mode is before
        if self._reaction and not anew and not at_rest:
            return True
        begins = record.episode_start or self._swaps(record)
        if self._second and record.chosen and not begins and not at_rest:
            return True
        return self._values > 0 and not begins

    def _swaps(self, record: TickRecord) -> bool:
        """Return whether another policy was chosen than in the tick before."""
        return self._chosen is not None and self._chosen != record.chosen

    def passed(self, record: TickRecord, own: bool, complete: bool) -> None:
        """
        Take note of a tick.

        :param record: the tick.
        :param own: the session's own policy was asked, or none.
        :param complete: all messages that the tick consumed or remembered are there.
        """
        acted = record.mode is Mode.POLICY
        self._ticks = max(0, self._ticks - 1)
        if not complete:
            self._values, self._ticks = self._most_values, max(self._ticks, self._soft_start)
            self._reaction |= not (acted and record.observation)
        else:
            anew = record.episode_start or record.mode is Mode.MANUAL
            other = not own and not record.chosen  # then the session's own begins anew
            if anew or self._swaps(record) or (other and not self._reaction):
                self._values = 0
            elif self._reaction:  # a second policy may have acted here or there
                self._values = self._most_values
            elif acted:
                self._values = max(0, self._values - 1)
            if self._reaction and acted:  # whether that began a soft start is not known
                self._ticks = max(self._ticks, self._soft_start)
            self._reaction &= record.mode not in (Mode.POLICY, Mode.MANUAL)
        self.recurrent &= not own
        begins = record.episode_start or self._swaps(record)
        rests = record.mode in (Mode.MANUAL, *_AT_REST)
        self._second &= bool(record.chosen) and not begins and not rests
        self._chosen = record.chosen


def _ticks_by_time(engine: Engine) -> int:
    """Return for how many ticks the last commands and the frames of a lost tick can matter."""
    wiring, period_ns = engine.wiring, engine.contract.period_ns
    accelerates = any(limits.acceleration for limits in wiring.limits)
    ticks = 2 if accelerates else 1  # it counts from the two commands before
    frames = wiring.frames
    if frames is None or frames.budget_ns == FOREVER_NS:
        return ticks
    # When exactly its transforms arrived is not known, and their age counts until the budget.
    return max(ticks, frames.budget_ns // period_ns + 1)
