"""What a port may say of its term: fields, joints, units, frames."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import WiringError
from ..policy.contract import Term
from ..policy.installed_terms import is_custom
from .ports import Port, Source
from .units import Conversion, conversion

Ports = Mapping[str, tuple[Port, Source]]
"""The ports of a term by name, each with its source."""

POSES = ('goal_relative', 'goal_pose', 'target_pose')
"""The kinds that are made of whole poses."""


def check_ports(term: Term, ports: Ports) -> None:
    """
    Refuse what a kind of term has no use for.

    :raises WiringError: a port says it.
    """
    for port, _ in ports.values():
        for key, given in (('field', port.field), ('fields', port.fields)):
            if given and (term.shape or is_custom(term.kind)):
                raise WiringError(f'{key}: is not for a {term.kind}; its message type says it all')
        if port.field and port.fields:
            raise WiringError('field: and fields: are given; expected one of them')
        if port.joints and not term.joints:
            raise WiringError(f'joints: is not for a {term.kind}, which has no joints')
        if port.reference and term.kind not in POSES:
            raise WiringError(
                f'in: is for poses out of messages that say no frame: no {term.kind}'
            )


def port_conversion(term: Term, port: Port) -> Conversion | None:
    """
    Return the conversion of a port's unit to the contract's; None for none.

    :raises WiringError: the two do not go together.
    """
    try:
        return conversion(port.unit, term.unit, term.labels)
    except ValueError as problem:
        raise WiringError(f'unit: {problem}') from problem


def refuse_units(term: Term, ports: Ports) -> None:
    """
    Refuse a unit for what is read as a whole: poses, clouds, pixels.

    :raises WiringError: a port says one, or the contract counts in another than SI's.
    """
    for port, source in ports.values():
        if port.unit:
            raise WiringError(
                f'unit: is not for a {term.kind} out of a {source.type}, which is in SI units'
            )
    try:
        conversion('', term.unit, term.labels)
    except ValueError as problem:
        raise WiringError(
            f'a {term.kind} is read in SI units, the contract counts in {term.unit}'
        ) from problem
