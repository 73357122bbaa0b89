"""The ticks of sessions that ask one policy together, from the first take to the last record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ..session.shared_policy import Answered
from ..session.tick import TickRecord
from ..worker.wait import Waiter
from .hosted import Begun, Concluded, Due, HostedSession

Item = TypeVar('Item')


class _Tick:
    """A tick of a session; ``concluded`` is there once it is."""

    __slots__ = ('begun', 'concluded', 'session')

    concluded: Concluded

    def __init__(self, session: HostedSession, begun: Begun) -> None:
        self.session = session
        self.begun = begun

    @property
    def asks(self) -> bool:
        """Return whether it asks the policy of the round: not a second one, and not none."""
        request = self.begun.request
        return request.observation is not None and request.second is None

    def conclude(self, answered: Answered) -> None:
        """Publish its commands."""
        self.concluded = self.session.conclude_tick(self.begun, answered)


class Round(Generic[Item]):
    """
    Ticks that are begun one by one, asked together, and concluded one by one.

    A tick that asks nothing is concluded without waiting for the others' answers; every command
    is out before the first record is written.

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
        self.policy = ticks[0][0].policy
        self._ticks: list[_Tick] = []
        self._asked: list[_Tick] = []
        for session, due in ticks:
            one = _Tick(session, session.begin_tick(due(), ros_now_ns))
            self._ticks.append(one)
            if one.asks:
                self._asked.append(one)
        if self._asked:
            self.policy.ask([(one.session.row, one.begun.request) for one in self._asked])
        for one in self._ticks:
            if not one.asks:
                one.conclude(one.session.asked(one.begun.request))

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
        if self._asked:
            answers = self.policy.answers(until_ns)
            if answers is None:
                return False
            for one, answered in zip(self._asked, answers):
                one.conclude(answered)
        for one in self._ticks:
            one.session.account(one.concluded)
        return True


def wait_for_answers(rounds: Sequence[Round[Item]], until_ns: int) -> None:
    """Wait until one of some rounds can go on, or is late, at most until a time."""
    descriptors = [one for round_ in rounds for one in round_.policy.descriptors]
    until_ns = min(until_ns, *(round_.policy.deadline_ns for round_ in rounds))
    Waiter(descriptors).wait(until_ns - time.monotonic_ns())
