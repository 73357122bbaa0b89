"""Reads the parts of ``policy.yaml`` that name files of the bundle, each with its hash."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping

from ..configuration import Section
from .contract_types import (
    BACKENDS,
    ArrayLayout,
    Artifact,
    CardFile,
    Normalisation,
    RecurrentState,
)
from .layout_reader import whole_numbers

_RESERVED = ('policy.yaml', 'SHA256SUMS')
"""Files of a bundle that its contract cannot name: itself, and what is made from it."""


def read_artifact(contract: Section) -> Artifact:
    """Return the artifact of a contract."""
    section = contract.section('artifact')
    found = Artifact(*_file(section), backend=section.choice('backend', BACKENDS))
    section.finish()
    return found


def read_card(contract: Section) -> CardFile | None:
    """Return where the model card of a contract is, if it has one."""
    section = contract.optional_section('card')
    if section is None:
        return None
    found = CardFile(*_file(section))
    section.finish()
    return found


def read_normalisation(
    contract: Section, layouts: Mapping[str, ArrayLayout]
) -> tuple[Normalisation, ...]:
    """
    Return how inputs are normalised: one mapping, or a list with one for each.

    :param contract: the whole file.
    :param layouts: the inputs of the contract.
    """
    key = 'normalisation'
    if key not in contract:
        return ()
    sections = contract.sections(key) if contract.is_list(key) else [contract.section(key)]
    found = tuple(_normalised(section, layouts) for section in sections)
    if not found:
        raise contract.problem(key, 'expected at least one; found an empty list')
    inputs = [one.input for one in found]
    for section, name in zip(sections, inputs):
        if inputs.count(name) > 1:
            raise section.problem('input', f'{name} is normalised twice')
    return found


def _normalised(section: Section, layouts: Mapping[str, ArrayLayout]) -> Normalisation:
    section.choice('kind', ('mean_std',))
    only = next(iter(layouts)) if len(layouts) == 1 else None
    found = Normalisation(
        *_file(section),
        input=section.choice('input', tuple(layouts), only),
        clip=section.number('clip'),
        epsilon=section.number('epsilon'),
    )
    for key in ('clip', 'epsilon'):
        if getattr(found, key) <= 0.0:
            raise section.problem(key, 'expected a number above 0')
    dtype = layouts[found.input].dtype
    if not dtype.startswith('float'):
        raise section.problem(
            'input', f'{found.input} is {dtype}; what is normalised is float32 or float64'
        )
    section.finish()
    return found


def read_state(contract: Section) -> tuple[RecurrentState, ...]:
    """Return the recurrent states of a contract; each can begin with a file."""
    section = contract.optional_section('state')
    if section is None:
        return ()
    found = []
    for name in section.keys():
        one = section.section(name)
        shape = whole_numbers(one, 'shape', 1)
        file, sha256 = '', ''
        if one.is_mapping('initial'):
            initial = one.section('initial')
            file, sha256 = _file(initial)
            initial.finish()
        else:
            one.choice('initial', ('zeros',))
        keeps = one.choice('reset', ('episode', 'never')) == 'never'
        buffer = one.text('buffer') if 'buffer' in one else ''
        takes, gives = ('', '') if buffer else (one.text('input'), one.text('output'))
        found.append(RecurrentState(name, shape, takes, gives, file, sha256, keeps, buffer))
        one.finish()
    return tuple(found)


def _file(section: Section) -> tuple[str, str]:
    """Return the name of a file in the bundle's own folder and its hash; no path leads out."""
    name = section.text('file', expected='a file name')
    single = name == pathlib.PurePosixPath(name).name and name.isprintable()
    if not single or name.startswith('.') or name in _RESERVED:
        raise section.problem('file', f'{name!r} is not the name of a file in the bundle')
    sha256 = section.text('sha256', expected='the SHA-256 of the file')
    if not re.fullmatch(r'[0-9a-f]{64}', sha256):
        raise section.problem('sha256', 'expected 64 lower-case hexadecimal digits')
    return name, sha256
