"""Reads what a session does about faults: ``reactions:``, ``poses:`` and ``soft_start:``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..configuration import FOREVER_NS, Section, nearest
from ..policy.contract import Contract
from ..safety.reactions import (
    DEFAULT_POSE,
    EXPECTED,
    ZERO,
    Fault,
    Kind,
    Reaction,
    Reactions,
    parse_reaction,
)
from .blending import Measured
from .wiring_terms import read_command
from .wiring_types import Override

LATE_ANSWERS = ('discard', 'use in the next tick')


def read_reactions(section: Section, policies: Sequence[str] = ()) -> Reactions:
    """
    Read ``reactions:``: one a fault, ``default`` for the others, and how the policy comes back.

    :param section: the mapping.
    :param policies: names of the second policies that there are.
    :raises WiringError: it is not valid, or names another policy.
    """
    default = section.parsed('default', parse_reaction, EXPECTED)
    to = {fault: section.parsed(fault.value, parse_reaction, EXPECTED, default) for fault in Fault}
    keys = {fault: fault.value if fault.value in section else 'default' for fault in Fault}
    for fault, reaction in to.items():
        for step in reaction.steps:
            if step.kind is Kind.POLICY and step.name not in policies:
                raise section.problem(
                    keys[fault],
                    f'there is no policy {step.name} under fallback:.'
                    + nearest(step.name, list(policies)),
                )
    uses_late = section.choice('late_answer', LATE_ANSWERS, LATE_ANSWERS[0]) == LATE_ANSWERS[1]
    if uses_late and to[Fault.LATE].steps[0].kind is not Kind.HOLD:
        raise section.problem(
            'late_answer', 'expected a reaction to late that begins with a hold: until the answer '
            'is there in the next tick, something has to be commanded'
        )  # fmt: skip
    places = {fault: section.place(key) for fault, key in keys.items()}
    found = Reactions(to, _return_after_ns(section, to), uses_late, places)
    section.finish()
    return found


def _return_after_ns(section: Section, to: Mapping[Fault, Reaction]) -> int | None:
    back = section.optional_section('return')
    if back is None:
        return None
    after_ns = back.duration_ns('after')
    back.finish()
    longest_ns = max(sum(one.duration_ns for one in each.steps[:-1]) for each in to.values())
    if after_ns >= min(longest_ns, FOREVER_NS):
        raise back.problem(
            'after',
            'the policy could never act again: all reactions have come to the stop before; '
            'expected less than the longest of them',
        )
    return after_ns


def read_poses(
    section: Section | None, contract: Contract
) -> dict[str, dict[str, tuple[float, ...]]]:
    """
    Read ``poses:``: by name, where a ramp may go, one number for each value of some action terms.

    :param section: the mapping; None where it is left out.
    :param contract: the contract of the session's policy.
    :raises WiringError: it is not valid or does not fit the contract.
    """
    if section is None:
        return {}
    terms = {term.name: term for term in contract.action_terms}
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    for name in section.keys():
        if name in (ZERO, DEFAULT_POSE) or len(name.split()) != 1:
            raise section.problem(
                name, f'expected one word, and not {ZERO} or {DEFAULT_POSE}, which have a meaning'
            )
        pose = section.section(name)
        found[name] = {}
        for key in pose.keys():
            if key not in terms:
                raise pose.problem(
                    key,
                    f'the contract {contract.reference} has no such action term.'
                    + nearest(key, list(terms)),
                )
            found[name][key] = read_command(pose.section(key), terms[key])
    return found


def read_soft_start_ns(section: Section, contract: Contract) -> int:
    """
    Read ``soft_start: 2 s`` of a session; 0 where it is left out.

    :param section: of the session.
    :param contract: the contract of its policy.
    :raises WiringError: it is not valid, or the policy does not see where it would begin.
    """
    if 'soft_start' not in section:
        return 0
    found = section.duration_ns('soft_start')
    if found >= FOREVER_NS:
        raise section.problem('soft_start', 'expected a time that ends, such as 2 s')
    problem = why_not_softly(contract)
    if problem:
        raise section.problem('soft_start', problem)
    return found


def why_not_softly(contract: Contract) -> str:
    """Return why a policy does not see where a soft start of it would begin; empty if it does."""
    try:
        Measured(contract)  # the session makes its own; here it is only whether it can be
    except ValueError as problem:
        return str(problem)
    return ''


def read_command_timeout_ns(
    section: Section, reactions: Reactions, overrides: Sequence[Override]
) -> int:
    """
    Read ``command_timeout: 200 ms`` of a session; forever, so that holds decide, if left out.

    :raises WiringError: something may last longer than that.
    """
    found = section.duration_ns('command_timeout', FOREVER_NS)
    steps = (step for one in reactions.to.values() for step in one.steps)
    lasting = [(step.duration_ns, 'a hold') for step in steps if step.kind is Kind.HOLD]
    lasting += [(one.timeout_ns, f'the override {one.name}') for one in overrides]
    for ns, what in lasting:
        if ns > found:
            raise section.problem(
                'command_timeout',
                f'{what} may say a command again for {ns / 1e6:g} ms, expected at most '
                f'{found / 1e6:g} ms',
            )
    return found
