"""Reads how far and how fast a session may command: the ``limits:`` of a wiring."""

from __future__ import annotations

from ..configuration import Section, parse_number
from ..policy.contract import Contract, Term
from ..safety.gate import Limits
from .wiring_terms import check_terms


def read_limits(section: Section, contract: Contract) -> tuple[Limits, ...]:
    """
    Read ``limits:`` of every action term.

    :param section: the mapping.
    :param contract: the contract of the session's policy.
    :raises WiringError: it is not valid or does not fit the contract.
    """
    check_terms(section, contract, contract.action_terms, 'action term')
    found = tuple(_term_limits(section.section(one.name), one) for one in contract.action_terms)
    section.finish()
    return found


def _term_limits(section: Section, term: Term) -> Limits:
    """Read the limits of a term; a value's own come before those of ``all``."""
    everyone = section.optional_section('all')
    low, high, rate = [], [], []
    for label in term.labels:
        own = section.optional_section(label)
        low.append(_limit(section, own, everyone, label, 'min'))
        high.append(_limit(section, own, everyone, label, 'max'))
        rate.append(_limit(section, own, everyone, label, 'rate'))
        if low[-1] >= high[-1]:
            raise section.problem(label, f'min {low[-1]} is not below max {high[-1]}')
        if rate[-1] <= 0.0:
            raise section.problem(label, f'rate {rate[-1]} is not above 0')
        if own is not None:
            own.finish()
    if everyone is not None:
        everyone.finish()
    section.finish()
    return Limits(term.name, term.labels, tuple(low), tuple(high), tuple(rate))


def _limit(
    section: Section, own: Section | None, everyone: Section | None, label: str, key: str
) -> float:
    for place in (own, everyone):
        if place is not None and key in place:
            if key == 'rate':
                return place.parsed(key, _parse_rate, 'a number per second or unlimited')
            return place.number(key)
    raise section.problem(
        '',
        f'{label} has no {key}: give it under {label}: or under all:'
        + (' (a change per second, or unlimited)' if key == 'rate' else ''),
    )


def _parse_rate(text: str) -> float:
    return float('inf') if text == 'unlimited' else parse_number(text)
