"""Reads the second policies of a session: the ``fallback:`` of a wiring."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from ..configuration import Section
from ..pipeline.joint_names import JointNames
from ..pipeline.ports import FramePort, Port
from ..policy.bundle import Bundle
from ..policy.contract import Contract, Term
from ..policy.inference import Inference, read_inference
from .wiring_inputs import SourceReader, read_ports

Ports = tuple[tuple[Port, ...], tuple[FramePort, ...]]


def read_fallbacks(
    session: Section,
    contract: Contract,
    bundles: Mapping[str, Bundle],
    sources: SourceReader,
    names: JointNames,
    folder: pathlib.Path,
    threads: int,
) -> dict[str, tuple[Bundle, Ports, Inference]]:
    """
    Read ``fallback:``: by name, policies that can act when the session's own cannot.

    :param session: the mapping of the session.
    :param contract: the contract of the session's own policy.
    :param bundles: the bundles of the others, by name.
    :param sources: takes their topics.
    :param names: what the robot calls the joints.
    :param folder: what paths in it are relative to.
    :param threads: how many their libraries may use unless ``inference:`` says otherwise.
    :raises WiringError: it is not valid, or a policy does not fit the session.
    """
    section = session.optional_section('fallback')
    found: dict[str, tuple[Bundle, Ports, Inference]] = {}
    for name in () if section is None else section.keys():
        assert section is not None
        one, bundle = section.section(name), bundles[name]
        if len(name.split()) != 1:
            raise section.problem(name, 'expected one word')
        one.text('policy')
        _check_actions(one, contract, bundle.contract)
        own, shared = one.optional_section('inputs'), session.section('inputs')
        ports = read_ports(own or shared, bundle.contract, sources, names, shared)
        inference = read_inference(
            one.optional_section('inference'),
            folder,
            bundle.contract.artifact.backend,
            bundle.contract.period_ns,
            threads,
        )
        one.finish()
        found[name] = (bundle, ports, inference)
    return found


def _check_actions(section: Section, contract: Contract, other: Contract) -> None:
    """Refuse a second policy that commands something else, or at another rate."""
    if other.period_ns != contract.period_ns:
        raise section.problem(
            'policy',
            f'{other.reference} has a period of {other.period_ns / 1e6:g} ms, expected that of '
            f'{contract.reference}, {contract.period_ns / 1e6:g} ms',
        )
    mine, theirs = [_words(one) for one in contract.action_terms], []
    theirs = [_words(one) for one in other.action_terms]
    if mine != theirs:
        raise section.problem(
            'policy',
            f'{other.reference} commands {"; ".join(theirs)}; expected what {contract.reference} '
            f'commands: {"; ".join(mine)}',
        )


def _words(term: Term) -> str:
    """Return all of an action term that limits and outputs go by."""
    frame = f' in {term.frame}' if term.frame else ''
    return f'{term.name} ({term.command}: {", ".join(term.labels)}; {term.unit or "1"}{frame})'
