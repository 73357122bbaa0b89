"""What a wiring says term by term: an entry for every one of its contract, and commands."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..configuration import Section, nearest
from ..policy.contract import Contract, Term
from ..safety.limits import QUATERNION, has_quaternion
from ..safety.orientation import unit

_NEARLY = 0.01
"""How far the norm of a quaternion that somebody has written down may be from 1."""


def check_terms(section: Section, contract: Contract, terms: Iterable[Term], what: str) -> None:
    """
    Check the keys of a mapping by term.

    :param section: the mapping.
    :param contract: whose terms they are; for messages.
    :param terms: the terms that need an entry.
    :param what: what such a term is called.
    :raises WiringError: a term has no entry, or an entry has no term.
    """
    names = [term.name for term in terms]
    for key in section.keys():
        if key not in names:
            raise section.problem(
                key,
                f'the contract {contract.reference} has no such {what}.' + nearest(key, names),
            )
    for name in names:
        if name not in section:
            raise section.problem('', f'{name} is missing: {contract.reference} has it as {what}')


def read_command(section: Section, term: Term) -> tuple[float, ...]:
    """
    Read where an action term is to go, one number for each of its values.

    A quaternion is made one of norm 1 and w of at least 0, as all that is commanded.

    :param section: the mapping, by the values' names.
    :param term: the action term.
    :raises WiringError: a value is missing, or a quaternion is none.
    """
    found = [section.number(label) for label in term.labels]
    section.finish()
    if has_quaternion(term.command, term.size):
        norm = math.sqrt(sum(one * one for one in found[QUATERNION]))
        if abs(norm - 1.0) > _NEARLY:
            words = f'its quaternion (qx, qy, qz, qw) has norm {norm:.4g}, expected 1'
            raise section.problem('', words)
        found[QUATERNION] = unit(found[QUATERNION])
    return tuple(found)
