"""Where the facts of a contract came from, looked up by the place of the fact."""

from __future__ import annotations

from collections.abc import Mapping

from .contract_types import Contract, Fact

Place = tuple[str, ...]
"""Keys from the top of the contract: ``('inputs', 'obs', 'joint_velocity', 'scale')``."""


def fact_source(contract: Contract, *place: str) -> Fact | None:
    """
    Return where a fact came from: by the most specific key that the contract has for it.

    That of the place itself; for a key of a term, the same key of its input or output
    (``outputs.action.scale``); then the places around it, from the inside out.

    :param place: keys from the top of the contract, for instance ``'inputs', 'obs', 'imu'``.
    :returns: None where the contract does not say.
    """
    facts = contract.facts
    candidates = ['.'.join(place)]
    if len(place) == 4 and place[2] != place[3]:
        candidates.append('.'.join((*place[:2], place[3])))
    candidates.extend('.'.join(place[:size]) for size in range(len(place) - 1, 0, -1))
    return next((facts[key] for key in candidates if key in facts), None)


def facts_within(contract: Contract, *place: str) -> Mapping[str, Fact]:
    """
    Return the facts about parts of a place, by the rest of their key.

    :param place: keys from the top of the contract; of a term, or of something simpler.
    """
    prefix = '.'.join(place) + '.'
    return {
        key[len(prefix) :]: fact for key, fact in contract.facts.items() if key.startswith(prefix)
    }


def array_facts(contract: Contract, side: str, name: str) -> Mapping[str, Fact]:
    """
    Return the facts that are about a key of all terms of an input or output.

    :param side: ``inputs`` or ``outputs``.
    :param name: of the input or output.
    """
    groups = contract.inputs if side == 'inputs' else contract.outputs
    terms = tuple(term.name for term in groups[name])
    return {
        key: fact
        for key, fact in facts_within(contract, side, name).items()
        if not any(key == term or key.startswith(f'{term}.') for term in terms)
    }
