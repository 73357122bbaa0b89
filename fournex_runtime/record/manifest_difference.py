"""What differs between the configurations of two recordings: policies, wiring, machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ..errors import FournexError
from ..policy.bundle_difference import Difference, compared
from ..policy.contract import parse_contract
from ..policy.contract_facts import contract_facts
from .manifest import Manifest, PolicyManifest, SessionManifest

Facts = Mapping[str, str]
_A_POLICY = re.compile(r'sessions\.[^.]+\.policy')


def manifest_differences(before: Manifest, after: Manifest) -> list[Difference]:
    """
    Return what of two manifests differs: sessions, policies, wiring, then the environment.

    Where bundle and wiring lay, and when the recording began, is no part of the configuration.
    """
    found: list[Difference] = []
    ours = {one.name: one for one in before.sessions}
    theirs = {one.name: one for one in after.sessions}
    for name in dict.fromkeys([*ours, *theirs]):
        found += compared(_session(ours.get(name), name), _session(theirs.get(name), name))
        if name in ours and name in theirs:
            facts = [_contract(one) for one in (ours[name], theirs[name])]
            found += _under(f'{name}: contract ', *facts)
    found += _under('wiring ', _wiring(before.wiring), _wiring(after.wiring))
    found += _under('environment ', before.environment, after.environment)
    if before.schema != after.schema:
        found.append(Difference('schema', str(before.schema), str(after.schema)))
    return [one for one in found if one.before != one.after]


def _under(where: str, before: Facts, after: Facts) -> Iterator[Difference]:
    for one in compared(before, after):
        yield Difference(where + one.where, one.before, one.after)


def _session(one: SessionManifest | None, name: str) -> dict[str, str]:
    if one is None:
        return {}
    policies: list[SessionManifest | PolicyManifest] = [one, *one.fallback_policies]
    return {
        f'{name}: policy': ', '.join(
            f'{policy.policy} {policy.bundle_sha256[:12]}…' for policy in policies
        ),
        f'{name}: inputs': _topics(one.input_topics, one.input_types),
        f'{name}: commands': _topics(one.command_topics, one.command_types),
        f'{name}: frame prefix': one.frame_prefix or 'none',
    }


def _topics(topics: tuple[str, ...], types: tuple[str, ...]) -> str:
    return ', '.join(f'{topic} ({kind})' for topic, kind in zip(topics, types))


def _contract(one: SessionManifest) -> Facts:
    """Return what a contract says, by path; its whole text where this version cannot read it."""
    try:
        return contract_facts(parse_contract(one.contract))
    except FournexError:
        return {'text': one.contract}


def _wiring(text: str) -> Facts:
    """
    Return every value of a wiring by its path; comments and order do not count.

    Nor does where a policy lies: two policies are told apart by their hash.
    """
    try:
        facts = dict(_flat('', yaml.safe_load(text)))
    except yaml.YAMLError:
        return {'text': text}
    return {path: value for path, value in facts.items() if not _A_POLICY.fullmatch(path)}


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f'{path}.{key}' if path else str(key), inner)
    else:
        yield path, str(value)
