"""
Which sessions are ticked next: by earliest deadline, and those that ask one policy together.

A release's deadline is the release after it. Sessions that ask one policy are a group: those of
them whose releases are near one another are ticked in one round, so that they can be asked in one
batch. For this a release waits, but only so long that it matters to nobody.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Generic, TypeVar

from .pacing import Release

Item = TypeVar('Item')

WAIT_PART = 20
"""A release waits at most this part of the shortest period and input budget in its group."""


class Slot(Generic[Item]):
    """
    The releases of one session.

    :param item: what is released.
    :param release: when.
    :param group: number of the policy that it asks; those of one number go together.
    :param wait_ns: how long a release may wait for others of its group.
    """

    def __init__(self, item: Item, release: Release, group: int, wait_ns: int) -> None:
        self.item = item
        self.release = release
        self.group = group
        self.wait_ns = wait_ns


class _Group(Generic[Item]):
    """Slots that are ticked together where they are due together."""

    def __init__(self, slots: Sequence[Slot[Item]]) -> None:
        self.slots = slots
        self._wait_ns = min(slot.wait_ns for slot in slots)

    @property
    def begin_ns(self) -> int:
        """Return when its next round begins: with the last release that the first may wait for."""
        if len(self.slots) == 1:
            return self.slots[0].release.due_ns
        releases = [slot.release.due_ns for slot in self.slots]
        last_ns = min(releases) + self._wait_ns
        return max(due_ns for due_ns in releases if due_ns <= last_ns)

    @property
    def deadline_ns(self) -> int:
        """Return the first of the deadlines of its next releases."""
        if len(self.slots) == 1:
            return self.slots[0].release.due_ns + self.slots[0].release.period_ns
        return min(slot.release.due_ns + slot.release.period_ns for slot in self.slots)


class Schedule(Generic[Item]):
    """
    Hands out rounds of slots, and takes them back when their releases have advanced.

    :param slots: the sessions.
    """

    def __init__(self, slots: Sequence[Slot[Item]]) -> None:
        self.slots = list(slots)
        members: dict[int, list[Slot[Item]]] = {}
        for slot in slots:
            members.setdefault(slot.group, []).append(slot)
        self._groups = [_Group(one) for one in members.values()]
        self._number = {group: number for number, group in enumerate(members)}
        self._out: set[int] = set()
        self._begin()

    def _begin(self) -> None:
        self._waiting = [
            (group.begin_ns, number)
            for number, group in enumerate(self._groups)
            if number not in self._out
        ]
        self._due: list[tuple[int, int]] = []
        heapq.heapify(self._waiting)

    @property
    def wake_ns(self) -> int | None:
        """Return when the next round begins that is not out; None where all are."""
        if self._due:
            return 0
        return self._waiting[0][0] if self._waiting else None

    def take(self, now_ns: int) -> list[Slot[Item]]:
        """
        Return the slots of the round with the earliest deadline; none where nothing is due.

        Those of one group stay out until they are given :meth:`back`.
        """
        while self._waiting and self._waiting[0][0] <= now_ns:
            _, number = heapq.heappop(self._waiting)
            heapq.heappush(self._due, (self._groups[number].deadline_ns, number))
        if not self._due:
            return []
        _, number = heapq.heappop(self._due)
        self._out.add(number)
        slots = self._groups[number].slots
        if len(slots) == 1:
            return list(slots)
        taken = [one for one in slots if one.release.due_ns <= now_ns]
        return sorted(taken, key=lambda one: one.release.due_ns + one.release.period_ns)

    def back(self, round_: Sequence[Slot[Item]]) -> None:
        """Take back what :meth:`take` returned, with its releases advanced."""
        number = self._number[round_[0].group]
        self._out.discard(number)
        heapq.heappush(self._waiting, (self._groups[number].begin_ns, number))

    def went_back(self, now_ns: int) -> bool:
        """
        Begin anew where the clock has jumped back by more than a period.

        :returns: whether it has.
        """
        wake_ns = self.wake_ns
        if wake_ns is None or now_ns >= wake_ns - max(s.release.period_ns for s in self.slots):
            return False
        for slot in self.slots:
            if now_ns < slot.release.due_ns - slot.release.period_ns:
                slot.release.begin(now_ns)
        self._begin()
        return True


class OneSession(Schedule[Item]):
    """
    The schedule of a single session, in which nothing has to be put in order.

    :param slot: the session.
    """

    def __init__(self, slot: Slot[Item]) -> None:
        super().__init__([slot])
        self._slot = slot
        self._is_out = False

    @property
    def wake_ns(self) -> int | None:
        """Return its next release; None while it is out."""
        return None if self._is_out else self._slot.release.due_ns

    def take(self, now_ns: int) -> list[Slot[Item]]:
        """Return it, if it is due."""
        if self._is_out or self._slot.release.due_ns > now_ns:
            return []
        self._is_out = True
        return [self._slot]

    def back(self, round_: Sequence[Slot[Item]]) -> None:
        """Take it back."""
        self._is_out = False


def schedule(slots: Sequence[Slot[Item]]) -> Schedule[Item]:
    """Return the schedule of some sessions."""
    return OneSession(slots[0]) if len(slots) == 1 else Schedule(slots)
