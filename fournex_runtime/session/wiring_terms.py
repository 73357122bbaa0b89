"""That a wiring has an entry for every term of its contract, and for no other."""

from __future__ import annotations

from collections.abc import Iterable

from ..configuration import Section, nearest
from ..policy.contract import Contract, Term


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
