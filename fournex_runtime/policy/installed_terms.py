"""
Kinds of observation terms that installed packages add, found by entry point.

A name with a dot is theirs, one without is ours. Only the one that a contract names is imported:
what is run is code of an installed package, never of a bundle.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..configuration import Section, nearest
from ..errors import ContractError
from .contract_types import Contract
from .observation_term import ObservationTerm
from .options import Option
from .term_kinds import OBSERVATION_KINDS, Labels, Options, TermKind

if TYPE_CHECKING:
    import importlib.metadata

GROUP = 'fournex.observation_terms'
"""The entry point group."""
CUSTOM_NAME = r'^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)+$'
"""Pattern of the name of a kind that is not ours."""
_COMMON = ('term', 'name', 'unit', 'frame', 'relative_to', 'clip', 'scale', 'history', 'order')
"""The keys of every observation term, which no option can have."""


@dataclasses.dataclass(frozen=True)
class InstalledTerm:
    """
    A kind of observation term of an installed package.

    :param name: as contracts write it.
    :param term: what reads it.
    :param kind: the same as one of our kinds.
    :param distribution: name and version of the package.
    """

    name: str
    term: ObservationTerm
    kind: TermKind
    distribution: str


def is_custom(kind: str) -> bool:
    """Return whether the name of a kind is one of another package."""
    return '.' in kind


def observation_kind(name: str) -> TermKind:
    """
    Return a kind of observation term, ours or another package's.

    :raises ContractError: it is not installed, or is no kind of term.
    """
    return installed_term(name).kind if is_custom(name) else OBSERVATION_KINDS[name]


def installed_term(name: str) -> InstalledTerm:
    """
    Return a kind of another package.

    :raises ContractError: it is not installed, or is no kind of term.
    """
    return _found(name, tuple(sys.path))


def distributions(contracts: Iterable[Contract]) -> dict[str, str]:
    """Return name and version of the packages whose kinds some contracts use, by kind."""
    kinds = {term.kind for contract in contracts for term in contract.observation_terms}
    return {kind: installed_term(kind).distribution for kind in sorted(kinds) if is_custom(kind)}


@functools.lru_cache(maxsize=64)
def _found(name: str, path: tuple[str, ...]) -> InstalledTerm:
    """Look a kind up; ``path`` is where Python looks for packages."""
    if not re.match(CUSTOM_NAME, name):
        raise ContractError(f'{name!r} is no name of a kind: expected package.term')
    import importlib.metadata  # a contract without such terms does without, and starts sooner

    there = list(importlib.metadata.entry_points(group=GROUP))
    found = {(one.value, _distribution(one)): one for one in there if one.name == name}
    if not found:
        names = sorted({one.name for one in there})
        package = name.split('.')[0]
        raise ContractError(
            f'{name} is not installed here: install the package that has it, perhaps pip install '
            f'{package.replace("_", "-")}. Installed: {", ".join(names) or "none"} (entry points '
            f'of {GROUP}).{nearest(name, names, listed=False)}'
        )
    if len(found) > 1:
        by = ' and '.join(sorted(distribution for _, distribution in found))
        raise ContractError(f'{name} is there twice: in {by}; uninstall one of them')
    (((_, distribution), point),) = found.items()
    term = _loaded(point, f'{name} of {distribution}')
    return InstalledTerm(name, term, _kind(name, term), distribution)


def _distribution(point: importlib.metadata.EntryPoint) -> str:
    dist = point.dist
    return f'{dist.metadata["Name"]} {dist.version}' if dist is not None else 'unknown'


def _loaded(point: importlib.metadata.EntryPoint, label: str) -> ObservationTerm:
    """Import a kind and check it, once and for all contracts."""
    try:
        made = point.load()
        term = made() if isinstance(made, type) else made
    except Exception as problem:  # whatever a foreign module raises
        words = f'{type(problem).__name__}: {problem}'
        raise ContractError(f'{label}: {point.value} cannot be imported: {words}') from problem
    if not isinstance(term, ObservationTerm):
        raise ContractError(
            f'{label}: {point.value} is a {type(term).__name__}, expected a '
            'fournex_runtime.custom_terms.ObservationTerm'
        )
    ports = term.ports
    if not ports or len(set(ports)) != len(ports) or (len(ports) > 1 and '' in ports):
        raise ContractError(f'{label}: ports {ports!r}: expected one, or several with names')
    keys = [option.key for option in term.options if isinstance(option, Option)]
    if len(keys) != len(term.options) or len({*keys, *_COMMON}) != len(keys) + len(_COMMON):
        raise ContractError(
            f'{label}: options: expected Options with keys of their own, none of '
            f'{", ".join(_COMMON)}; found {", ".join(map(str, keys)) or "others"}'
        )
    return term


def _kind(name: str, term: ObservationTerm) -> TermKind:
    def labels(joints: Labels, options: Options) -> Labels:
        return tuple(term.labels(options))

    def check(section: Section, options: Options) -> None:
        try:
            words, found = term.check(options), labels((), options)
        except Exception as problem:  # whatever foreign code raises
            words = f'{type(problem).__name__}: {problem}'
            raise section.problem('term', f'{name}: check or labels raised {words}') from problem
        if words:
            raise section.problem('', words)
        named = all(isinstance(label, str) for label in found)
        if not found or not named or len(set(found)) != len(found):
            raise section.problem(
                'term', f'{name} names its values {list(found)}: expected at least one, each with '
                'a name of its own'
            )  # fmt: skip

    return TermKind(
        name=name,
        unit=term.unit,
        labels=labels,
        ports=term.ports,
        options=term.options,
        check=check,
    )
