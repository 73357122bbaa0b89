"""
Where a ramp goes: ``zero``, the contract's ``default_pose``, or a pose of the wiring.

What a pose does not name goes to zero if it is a motion (a velocity, a twist, an effort), and else
stays as it was commanded last.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import WiringError
from ..policy.contract import Contract, Term
from ..safety.limits import POSITIONS
from ..safety.reactions import DEFAULT_POSE, ZERO, Kind
from .tick import SafeAction, Vector, frozen
from .wiring_types import SessionWiring

MOTIONS = ('joint_velocity_target', 'twist', 'joint_effort_target')
"""Kinds of command of which zero is no motion."""


def ramp_targets(contract: Contract, wiring: SessionWiring) -> Mapping[str, SafeAction]:
    """
    Return where each ramp of a wiring goes, by the pose's name; None for a term that stays.

    :param contract: of the session's policy.
    :param wiring: of the session.
    :raises WiringError: there is no such pose, or it is outside the limits.
    """
    reactions = wiring.reactions
    places = {
        step.name: reactions.places[fault]
        for fault, reaction in reactions.to.items()
        for step in reaction.steps
        if step.kind is Kind.RAMP
    }
    return {name: _target(name, place, contract, wiring) for name, place in places.items()}


def _target(name: str, place: str, contract: Contract, wiring: SessionWiring) -> SafeAction:
    where = f'{place}: ramp to {name}'
    given = wiring.poses.get(name, {})
    if name == DEFAULT_POSE:
        given = _default_pose(contract)
        if not given:
            raise WiringError(
                f'{where}: the contract {contract.reference} has no default_pose for all joints '
                'of a joint_position_target; name a pose under poses:'
            )
    elif name != ZERO and name not in wiring.poses:
        known = ', '.join((*wiring.poses, DEFAULT_POSE, ZERO))
        raise WiringError(f'{where}: there is no such pose; known here: {known}')
    found = tuple(_values(term, given) for term in contract.action_terms)
    if all(one is None for one in found):
        raise WiringError(f'{where}: moves nothing; name a pose under poses:')
    for term, limits, values in zip(contract.action_terms, wiring.limits, found):
        if name == ZERO and term.command in POSITIONS:
            raise WiringError(
                f'{where}: zero is a position of {term.name} to move to; name a pose under poses:'
            )
        for label, value, low, high in zip(
            limits.labels, () if values is None else values.tolist(), limits.low, limits.high
        ):
            if not low <= value <= high:
                raise WiringError(
                    f'{where}: {term.name}/{label} {value} is outside its limits {low} to {high}'
                )
    return found


def _default_pose(contract: Contract) -> dict[str, tuple[float, ...]]:
    pose = contract.default_pose
    return {
        term.name: tuple(pose[joint] for joint in term.joints)
        for term in contract.action_terms
        if term.command == 'joint_position_target' and all(joint in pose for joint in term.joints)
    }


def _values(term: Term, given: Mapping[str, tuple[float, ...]]) -> Vector | None:
    if term.name in given:
        return frozen(np.array(given[term.name]))
    return frozen(np.zeros(term.size)) if term.command in MOTIONS else None
