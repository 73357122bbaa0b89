"""The ticks of sessions that ask one policy together, from the first take to the last record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ..session.shared_policy import NOT_ASKED
from ..session.tick import TickRecord
from ..worker.wait import Waiter
from .hosted import Begun, Concluded, Due, HostedSession

Item = TypeVar('Item')


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
        self._sessions = [session for session, _ in ticks]
        self._begun: list[Begun] = [
            session.begin_tick(due(), ros_now_ns) for session, due in ticks
        ]
        self._concluded: dict[int, Concluded] = {}
        asked = [
            index
            for index, begun in enumerate(self._begun)
            if begun.request.observation is not None
        ]
        self._asked = asked
        if asked:
            self.policy.ask(
                [(self._sessions[index].row, self._begun[index].request) for index in asked]
            )
        if len(asked) < len(self._begun):
            for index in {*range(len(self._begun))} - {*asked}:
                self._concluded[index] = self._sessions[index].conclude_tick(
                    self._begun[index], NOT_ASKED
                )

    @property
    def records(self) -> list[TickRecord]:
        """Return what became of the ticks, in their order; once all are concluded."""
        return [self._concluded[index].record for index in range(len(self._sessions))]

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
            for index, answered in zip(self._asked, answers):
                self._concluded[index] = self._sessions[index].conclude_tick(
                    self._begun[index], answered
                )
        for index, session in enumerate(self._sessions):
            session.account(self._concluded[index])
        return True


def wait_for_answers(rounds: Sequence[Round[Item]], until_ns: int) -> None:
    """Wait until one of some rounds can go on, or is late, at most until a time."""
    descriptors = [one for round_ in rounds for one in round_.policy.descriptors]
    until_ns = min(until_ns, *(round_.policy.deadline_ns for round_ in rounds))
    Waiter(descriptors).wait(until_ns - time.monotonic_ns())
