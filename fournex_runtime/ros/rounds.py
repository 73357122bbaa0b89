"""The ticks of sessions that ask one policy together, from the first take to the last record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ..session.shared_policy import NOT_ASKED, Answered, SharedPolicy
from ..session.tick import Request, TickRecord
from ..worker.wait import Waiter
from .hosted import HostedSession
from .tick_stages import Begun, Concluded, Due

Item = TypeVar('Item')


class _Tick:
    """A tick of a session; ``concluded`` is there once it is."""

    __slots__ = ('begun', 'concluded', 'session')

    concluded: Concluded

    def __init__(self, session: HostedSession, begun: Begun) -> None:
        self.session = session
        self.begun = begun


def _conclude(ticks: Sequence[_Tick], answers: Sequence[Answered]) -> None:
    """Publish the commands of ticks, then record them: also where a later one of them raises."""
    published: list[_Tick] = []
    try:
        for one, answered in zip(ticks, answers):
            one.concluded = one.session.conclude_tick(one.begun, answered)
            published.append(one)
    finally:
        for one in published:
            one.session.account(one.concluded)


class _Asked:
    """
    Ticks that ask one policy.

    :param policy: the policy.
    """

    def __init__(self, policy: SharedPolicy) -> None:
        self.policy = policy
        self.requests: list[tuple[int, Request]] = []
        self._ticks: list[_Tick] = []

    def add(self, tick: _Tick, row: int) -> None:
        """Have a tick ask, too, in its row."""
        self.requests.append((row, tick.begun.request))
        self._ticks.append(tick)

    def ask(self) -> None:
        """Ask; the time for the answers began when the first of the ticks did."""
        self.policy.ask(self.requests, self._ticks[0].begun.begin_ns)

    def conclude(self, until_ns: int | None) -> bool:
        """Conclude the ticks if the policy has answered, or is late; return whether it has."""
        answers = self.policy.answers(until_ns)
        if answers is None:
            return False
        _conclude(self._ticks, answers)
        return True


class Round(Generic[Item]):
    """
    Ticks that are begun one by one, asked together, and concluded one by one.

    A tick that asks nothing is concluded without waiting for the others' answers; of those that
    ask one policy every command is out before the first record is written.

    :param ticks: sessions of one policy, each with its release.
    :param items: what they belong to; for the one who made the round.
    :param ros_now_ns: reads the ROS clock.
    """

    def __init__(
        self,
        ticks: Sequence[tuple[HostedSession, Callable[[], Due]]],
        items: Sequence[Item],
        ros_now_ns: Callable[[], int],
    ) -> None:
        self.items = items
        self._ticks: list[_Tick] = []
        asked: dict[int, _Asked] = {}
        for session, due in ticks:
            one = _Tick(session, session.begin_tick(due(), ros_now_ns))
            self._ticks.append(one)
            request = one.begun.request
            if request.observation is not None:
                policy, row = session.asks(request)
                asked.setdefault(id(policy), _Asked(policy)).add(one, row)
        self._asked = list(asked.values())
        for several in self._asked:
            several.ask()
        silent = [one for one in self._ticks if one.begun.request.observation is None]
        _conclude(silent, [NOT_ASKED] * len(silent))

    @property
    def awaited(self) -> list[SharedPolicy]:
        """Return the policies that have not answered: that of the sessions, and second ones."""
        return [several.policy for several in self._asked]

    @property
    def records(self) -> list[TickRecord]:
        """Return what became of the ticks, in their order; once all are concluded."""
        return [one.concluded.record for one in self._ticks]

    def finish(self, until_ns: int | None = None) -> bool:
        """
        Conclude what the policy has answered; return whether that is everything.

        :param until_ns: how long to wait for the answers at most, on the steady clock; until they
            are late when left out.
        """
        self._asked = [several for several in self._asked if not several.conclude(until_ns)]
        return not self._asked


def wait_for_answers(rounds: Sequence[Round[Item]], until_ns: int) -> None:
    """Wait until one of some rounds can go on, or is late, at most until a time."""
    awaited = [policy for round_ in rounds for policy in round_.awaited]
    descriptors = [one for policy in awaited for one in policy.descriptors]
    until_ns = min(until_ns, *(policy.deadline_ns for policy in awaited))
    Waiter(descriptors).wait(until_ns - time.monotonic_ns())
