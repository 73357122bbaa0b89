"""
The wiring: where this robot has what the policies want (``wiring.yaml``).

It belongs to the robot and knows no network. A wiring names one or more sessions; each is checked
against the contract of its policy bundle when it is read, so that a wiring in hand is one that
fits.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Mapping, Sequence

from ..configuration import Section, parse, read_text
from ..errors import BundleError, WiringError
from ..policy.bundle import Bundle, load_bundle
from ..policy.registry import Registry, locate_bundle
from .realtime import Realtime, read_realtime
from .wiring_reader import SessionReader
from .wiring_record import read_record
from .wiring_types import SessionWiring, StopCommand, Wiring

__all__ = [
    'SessionWiring',
    'StopCommand',
    'Wiring',
    'fallback_key',
    'load_wiring',
    'parse_wiring',
]


def load_wiring(file: pathlib.Path, bundle: pathlib.Path | None = None) -> Wiring:
    """
    Read a wiring file, load its policy bundles and check one against the other.

    :param file: the wiring file; the folders of bundles that it names are relative to it.
    :param bundle: take this bundle for every session instead: a folder, or ``name@version``.
    :raises WiringError: the file is not valid or does not fit a contract.
    :raises BundleError: a bundle is missing or altered.
    :raises ContractError: a bundle's contract is not valid.
    """
    text = read_text(file, WiringError)
    instead = None if bundle is None else locate_bundle(bundle)
    return _read(parse(text, str(file), WiringError), file, text, instead)


def parse_wiring(text: str, file: pathlib.Path, bundles: Mapping[str, Bundle]) -> Wiring:
    """
    Read a wiring from its text, for instance from the manifest of a recording.

    :param text: the wiring.
    :param file: its name for messages.
    :param bundles: the policy bundle of each session, and of second policies by ``fallback_key``;
        one that is not given is loaded from where the text says.
    :raises WiringError: it is not valid or does not fit a contract.
    """
    return _read(parse(text, str(file), WiringError), file, text, None, bundles)


def _read(
    section: Section,
    file: pathlib.Path,
    text: str,
    bundle: pathlib.Path | None,
    known: Mapping[str, Bundle] | None = None,
) -> Wiring:
    robot = section.text('robot')
    realtime = read_realtime(section.optional_section('realtime'))
    record = read_record(section.optional_section('record'))
    sessions_section = section.section('sessions')
    section.finish()
    sessions: list[SessionWiring] = []
    bundles: dict[str, Bundle] = {}
    read: list[tuple[int, int, str]] = []
    for name in sessions_section.keys():
        if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name):
            raise sessions_section.problem(
                name, f'{name!r} cannot be part of a topic name; use letters, digits and _'
            )
        one = sessions_section.section(name)
        policy = one.text('policy', expected='a policy bundle: its folder, or name@version')
        if known is not None and name in known:
            bundles[name] = known[name]
        else:
            bundles[name] = load_bundle(_located(one, policy, file) if bundle is None else bundle)
        seconds = _fallbacks(one, name, file, known or {})
        _check_references(one, bundles[name], seconds)
        contract, threads = bundles[name].contract, realtime.threads or 1
        reader = SessionReader(name, one, contract, file.parent, seconds, threads)
        session = reader.read()
        read += reader.read_of_urdfs
        session = _with_cores(session, realtime)
        _check_beside(session, sessions, sessions_section)
        sessions.append(session)
    if not sessions:
        raise section.problem('sessions', 'expected at least one session')
    spans = {(begin, end): words for begin, end, words in read}
    if len(spans) < len(set(read)):  # one alias, read for the joints of two terms
        raise sessions_section.problem('', 'urdf: write it for each term, not by an alias')
    for (begin, end), words in sorted(spans.items(), reverse=True):
        text = text[:begin] + words + text[end:]
    return Wiring(file, robot, tuple(sessions), bundles, text, realtime, record)


def _fallbacks(
    session: Section, name: str, file: pathlib.Path, known: Mapping[str, Bundle]
) -> dict[str, Bundle]:
    """Return the bundles of the second policies of a session, by their names."""
    section = session.optional_section('fallback')
    found: dict[str, Bundle] = {}
    for index, key in enumerate(() if section is None else section.keys()):
        assert section is not None
        one = section.section(key)
        policy = one.text('policy', expected='a policy bundle: its folder, or name@version')
        recorded = known.get(fallback_key(name, index))
        found[key] = recorded or load_bundle(_located(one, policy, file))
    return found


def _check_references(session: Section, own: Bundle, seconds: Mapping[str, Bundle]) -> None:
    """Refuse two bundles of one name and version: a record tells them by these."""
    known = {own.contract.reference: own.sha256}
    for name, bundle in seconds.items():
        reference = bundle.contract.reference
        if known.setdefault(reference, bundle.sha256) != bundle.sha256:
            raise session.problem(
                'fallback',
                f'{name} is another bundle of the name {reference}, hash {bundle.sha256[:12]}…, '
                f'expected {known[reference][:12]}…; give it a version of its own',
            )


def fallback_key(session: str, index: int) -> str:
    """Return under what the bundle of a session's second policy is given to parse_wiring."""
    return f'{session}/{index}'


def _with_cores(session: SessionWiring, realtime: Realtime) -> SessionWiring:
    """Return a session whose workers leave the loop's cores alone."""
    own = realtime.for_worker(session.inference)
    fallbacks = tuple(
        dataclasses.replace(one, wiring=_with_cores(one.wiring, realtime))
        for one in session.fallbacks
    )
    return dataclasses.replace(session, inference=own, fallbacks=fallbacks)


def _located(section: Section, policy: str, file: pathlib.Path) -> pathlib.Path:
    """Return the folder of the bundle that a wiring names; a name alone is no policy."""
    try:
        folder = locate_bundle(policy, file.parent)
    except BundleError as problem:
        raise section.problem('policy', str(problem)) from problem
    versions = () if folder.is_dir() else Registry().versions(policy)
    if versions:
        raise section.problem(
            'policy',
            f'{policy} is no folder; the registry has it: write the version that this robot is to '
            f'run, such as {policy}@{versions[-1]}',
        )
    return folder


def _check_beside(
    session: SessionWiring, others: Sequence[SessionWiring], section: Section
) -> None:
    """Refuse two sessions that fight over a topic."""
    for other in others:
        commanded = {target.topic for target in other.targets}
        for target in session.targets:
            if target.topic in commanded:
                raise section.problem(
                    session.name,
                    f'{target.topic} is commanded by session {other.name} too; two sessions on '
                    'one command topic fight over the robot',
                )
        wired = {source.topic: source for source in other.sources}
        for source in session.sources:
            if wired.get(source.topic, source) != source:
                raise section.problem(
                    session.name,
                    f'{source.topic} is wired as {source.type}; session {other.name} has it as '
                    f'{wired[source.topic].type}, or with another qos',
                )
