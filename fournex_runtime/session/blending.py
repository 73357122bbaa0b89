"""Going from one command to another over a time: ramps, and policies that take over softly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pipeline.action_terms import ActionTerm
from ..policy.contract import Contract
from .poses import MOTIONS
from .tick import SafeAction, Vector, frozen


def blended(
    terms: Sequence[ActionTerm], begin: SafeAction, end: SafeAction, share: float
) -> SafeAction:
    """
    Return the command a share of the way from one to another, term by term.

    :param terms: the action terms.
    :param begin: where it begins; None for a term that begins at its end.
    :param end: where it goes; None for a term that stays at its beginning.
    :param share: from 0 to 1.
    """
    if share >= 1.0:
        return tuple(one if other is None else other for one, other in zip(begin, end))
    with np.errstate(over='ignore', invalid='ignore'):  # the gate refuses what is not finite
        return tuple(
            (before if after is None else after)
            if before is None or after is None
            else term.between(before, after, share)
            for term, before, after in zip(terms, begin, end)
        )


class Measured:
    """
    What the action terms of a contract are at, as far as the policy sees it.

    :param contract: of the session's policy.
    :raises ValueError: a commanded joint is not observed, or in another unit.
    """

    def __init__(self, contract: Contract) -> None:
        seen = {
            joint: (term, index)
            for term in contract.observation_terms
            if term.kind == 'joint_position'
            for index, joint in enumerate(term.joints)
        }
        self._terms: list[int | Sequence[tuple[str, int]] | None] = []
        for term in contract.action_terms:
            if term.command != 'joint_position_target':
                self._terms.append(term.size if term.command in MOTIONS else None)
                continue
            places = []
            for joint in term.joints:
                if joint not in seen:
                    raise ValueError(
                        f'{term.name} commands {joint}, and no joint_position of '
                        f'{contract.reference} says where it is; leave soft_start out'
                    )
                observed, index = seen[joint]
                if observed.unit != term.unit:
                    raise ValueError(
                        f'{joint} is seen in {observed.unit} and commanded in {term.unit}'
                    )
                places.append((observed.name, index))
            self._terms.append(places)

    def command(self, seen: Mapping[str, NDArray[Any]]) -> SafeAction:
        """
        Return the command that leaves everything as it is; None for a term that has none.

        :param seen: what the messages say, by observation term.
        """
        return tuple(self._of_term(one, seen) for one in self._terms)

    def _of_term(
        self, one: int | Sequence[tuple[str, int]] | None, seen: Mapping[str, NDArray[Any]]
    ) -> Vector | None:
        if one is None:
            return None
        if isinstance(one, int):
            return frozen(np.zeros(one))
        return frozen(np.array([seen[term].reshape(-1)[index] for term, index in one], np.float64))
