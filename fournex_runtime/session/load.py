"""Which part of the time of a runtime's one loop its sessions take."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from ..configuration import FOREVER_NS


@dataclasses.dataclass(frozen=True)
class TickCost:
    """
    What a tick of a session takes at least, as seen before the first one.

    :param session: its name.
    :param period_ns: its control period.
    :param work_ns: time of the loop, without taking messages, asking the policy and publishing.
    :param answer_ns: how long the policy took to answer; forever where it was not asked.
    :param policy: which policy it asks; those of one number are asked together.
    :param in_loop: the policy is run by the loop itself, and not by a worker.
    :param seconds_ns: how long its second policies took to answer, by name; forever where one was
        not asked.
    """

    session: str
    period_ns: int
    work_ns: int
    answer_ns: int
    policy: int
    in_loop: bool
    seconds_ns: Mapping[str, int] = dataclasses.field(default_factory=dict)


def shares(costs: Sequence[TickCost]) -> dict[str, float]:
    """
    Return which part of the loop's time each session takes at least.

    A run of a policy is shared by those that ask it together, at the rate of the fastest of them.
    """
    asking: dict[int, list[TickCost]] = {}
    for cost in costs:
        asking.setdefault(cost.policy, []).append(cost)
    found = {}
    for cost in costs:
        together = asking[cost.policy]
        share = cost.work_ns / cost.period_ns
        if cost.in_loop and cost.answer_ns < FOREVER_NS:
            fastest_ns = min(one.period_ns for one in together)
            share += cost.answer_ns / fastest_ns / len(together)
        found[cost.session] = share
    return found


def load_words(costs: Sequence[TickCost]) -> str:
    """Return in words which part of the loop's time the sessions take at least, and which most."""
    found = shares(costs)
    greatest = sorted(found, key=lambda name: -found[name])[:5]
    listed = ', '.join(f'{name} {found[name]:.0%}' for name in greatest)
    more = f' and {len(found) - 5} more' if len(found) > 5 else ''
    total = sum(found.values())
    return f'they need at least {total:.0%} of the time that one loop has: {listed}{more}'
