"""
A policy bundle: a folder with ``policy.yaml``, the artifact and its statistics.

Each file is read once, checked against the hash that the contract gives, and used from memory, so
that what was checked is what runs. The bundle's own hash covers the contract and, through it,
every file that it names.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import pathlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..configuration import parse
from ..errors import BundleError, ContractError
from ..regular_file import read_beside
from .card import ModelCard, approval_hash, parse_card
from .contract import Contract, Normalisation, RecurrentState, load_contract
from .tensor_file import read_tensors

CONTRACT_FILE = 'policy.yaml'
CHECKSUM_FILE = 'SHA256SUMS'
"""In bundles of a registry: the hash of every other file, as ``sha256sum`` prints and checks."""
MOST_BYTES = 8 << 30
"""How large a file of a bundle may be: 8 GiB."""

Statistics = tuple[NDArray[np.float64], NDArray[np.float64]]
"""``mean`` and ``var`` of a normalised input, one number a value."""


@dataclasses.dataclass(frozen=True)
class Bundle:
    """
    A loaded and checked bundle.

    :param folder: where it was read from.
    :param contract: what the policy sees and does.
    :param sha256: hash over the names and hashes of its files.
    :param artifact: bytes of the artifact.
    :param statistics: ``mean`` and ``var``, float64, of each input that is normalised, by name.
    :param initial_state: first values of the recurrent states that have a file, float32, by name.
    :param card: what people should know about it; None without one.
    """

    folder: pathlib.Path
    contract: Contract
    sha256: str
    artifact: bytes
    statistics: Mapping[str, Statistics] = dataclasses.field(default_factory=dict)
    initial_state: Mapping[str, NDArray[np.float32]] = dataclasses.field(default_factory=dict)
    card: ModelCard | None = None


def load_bundle(folder: pathlib.Path) -> Bundle:
    """
    Read a bundle and check every file against its hash.

    One of a registry has its checksums with it: its ``policy.yaml``, too, must be as it was then.

    :raises BundleError: a file is missing or altered.
    :raises ContractError: ``policy.yaml`` is not valid.
    """
    if not folder.is_dir():
        raise BundleError(f'{folder}: no such policy bundle (a folder with {CONTRACT_FILE})')
    if not (folder / CONTRACT_FILE).is_file():
        raise BundleError(f'{folder}: not a policy bundle: it has no {CONTRACT_FILE}')
    contract = load_contract(folder / CONTRACT_FILE)
    artifact = _checked(folder, contract.artifact.file, contract.artifact.sha256, 'artifact')
    statistics = {
        one.input: _statistics(folder, one, contract.input_size(one.input))
        for one in contract.normalisation
    }
    initial_state = {one.name: _initial_state(folder, one) for one in contract.state if one.file}
    card = read_card(folder, contract)
    sums = checksums(contract)
    if (folder / CHECKSUM_FILE).exists() and read_bundle_file(
        folder, CHECKSUM_FILE
    ) != sums.encode():
        raise BundleError(
            f'{folder}: altered: {CONTRACT_FILE} or {CHECKSUM_FILE} is not as it was added to the '
            f'registry. {_verify_hint(folder)}'
        )
    sha256 = hashlib.sha256(sums.encode()).hexdigest()
    return Bundle(folder, contract, sha256, artifact, statistics, initial_state, card)


def checksums(contract: Contract) -> str:
    """Return ``sha256  name`` lines of a bundle's files, as ``sha256sum`` prints them, by name."""
    files = {**contract.files, CONTRACT_FILE: hashlib.sha256(contract.text.encode()).hexdigest()}
    return ''.join(f'{files[name]}  {name}\n' for name in sorted(files))


def seal_bundle(folder: pathlib.Path) -> Bundle:
    """
    Write the hashes of a bundle's files into its contract, then load it.

    For training scripts, after an export: the ``sha256`` lines of ``policy.yaml`` are brought up
    to date, everything else in it stays as it is.

    :raises BundleError: a file is missing, or the bundle is one of a registry.
    :raises ContractError: ``policy.yaml`` is not valid.
    """
    _refuse_entry(folder)
    contract = load_contract(folder / CONTRACT_FILE)
    section = parse(contract.text, str(folder / CONTRACT_FILE), ContractError)
    hashes: dict[tuple[int, int], str] = {}
    for mapping in section.mappings():
        if 'file' not in mapping or 'sha256' not in mapping:
            continue
        name = mapping.text('file')
        if not (folder / name).exists():
            raise BundleError(f'{folder / name}: no such file; {CONTRACT_FILE} names it')
        data = read_bundle_file(folder, name)
        hashes[mapping.span('sha256')] = hashlib.sha256(data).hexdigest()
    text = contract.text
    for (begin, end), now in sorted(hashes.items(), reverse=True):
        text = text[:begin] + now + text[end:]
    if text != contract.text:
        _replace(folder / CONTRACT_FILE, text)
    return load_bundle(folder)


def read_bundle_file(folder: pathlib.Path, name: str) -> bytes:
    """
    Read a file of a bundle; a link must not lead out of it.

    :raises BundleError: it is missing, no regular file, outside of the bundle, or too large.
    """
    return read_beside(folder / name, folder / CONTRACT_FILE, BundleError, MOST_BYTES)


def approve_bundle(folder: pathlib.Path, by: str, date: datetime.date, note: str = '') -> Bundle:
    """
    Write an approval of a bundle as it is into its model card, then seal it.

    :param by: name of who approves.
    :param date: of the approval.
    :param note: conditions; may be empty.
    :raises BundleError: it has no model card, its card has an approval, or the bundle is one of a
        registry.
    """
    _refuse_entry(folder)
    bundle = load_bundle(folder)
    if bundle.card is None or bundle.contract.card is None:
        raise BundleError(f'{folder}: has no model card to approve it in: see docs/bundles.md')
    file = folder / bundle.contract.card.file
    if bundle.card.approved is not None:
        raise BundleError(f'{file}: has an approval: {bundle.card.approved}')
    given = {'by': by, 'date': str(date), 'sha256': approval_hash(bundle.contract), 'note': note}
    lines = [
        f'  {key}: {json.dumps(one, ensure_ascii=False)}' for key, one in given.items() if one
    ]
    card = read_bundle_file(folder, file.name).decode().rstrip('\n')
    text = '\n'.join([card, '', 'approved:', *lines, ''])
    parse_card(text, str(file))
    _replace(file, text)
    return seal_bundle(folder)


def _checked(folder: pathlib.Path, name: str, sha256: str, key: str) -> bytes:
    file = folder / name
    data = read_bundle_file(folder, name)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        hint = 'Restore the file; if the change is meant, raise the version and write the new hash'
        if (folder / CHECKSUM_FILE).exists():
            hint = _verify_hint(folder)
        raise BundleError(
            f'{file}: altered: {CONTRACT_FILE} says {key}.sha256 {sha256[:12]}…, the file has '
            f'{found[:12]}…. {hint}'
        )
    return data


def _refuse_entry(folder: pathlib.Path) -> None:
    if (folder / CHECKSUM_FILE).exists():
        raise BundleError(
            f'{folder}: a bundle of a registry does not change: copy it without {CHECKSUM_FILE}, '
            'change the copy, and raise its version'
        )


def _replace(file: pathlib.Path, text: str) -> None:
    partial = file.with_name(f'.{file.name}.partial')
    partial.write_bytes(text.encode())
    partial.replace(file)


def _verify_hint(folder: pathlib.Path) -> str:
    place = folder.absolute()
    reference = f'{place.parent.name}@{place.name}'
    return f'See: fournex policies verify {reference}; then remove it and add the bundle again'


def read_card(folder: pathlib.Path, contract: Contract) -> ModelCard | None:
    """
    Read the model card of a bundle; None without one.

    :raises BundleError: it is missing or altered, or approves something else than this bundle.
    :raises ContractError: it is not valid.
    """
    if contract.card is None:
        return None
    file = folder / contract.card.file
    data = _checked(folder, contract.card.file, contract.card.sha256, 'card')
    try:
        card = parse_card(data.decode(), str(file))
    except UnicodeDecodeError as problem:
        raise ContractError(f'{file}: is not UTF-8 text') from problem
    here = approval_hash(contract)
    if card.approved is not None and card.approved.sha256 != here:
        raise BundleError(
            f'{file}: approved: {card.approved.by} approved {card.approved.sha256[:12]}…, this is '
            f'{here[:12]}…: it has changed since. Have it approved again, or take approved out of '
            'the card'
        )
    return card


def _statistics(folder: pathlib.Path, settings: Normalisation, size: int) -> Statistics:
    file = folder / settings.file
    data = _checked(folder, settings.file, settings.sha256, 'normalisation')
    tensors = read_tensors(file, data, 'reading normalisation statistics')
    arrays = []
    for name in ('mean', 'var'):
        if name not in tensors:
            raise BundleError(f'{file}: has no tensor {name!r}; found {sorted(tensors)}')
        array = np.asarray(tensors[name], dtype=np.float64)
        if array.shape != (size,):
            raise BundleError(
                f'{file}: {name} has shape {array.shape}, the input {settings.input} has {size} '
                'values'
            )
        if not np.isfinite(array).all():
            raise BundleError(f'{file}: {name} holds values that are not finite')
        arrays.append(array)
    if (arrays[1] < 0.0).any():
        raise BundleError(f'{file}: var holds negative values')
    return arrays[0], arrays[1]


def _initial_state(folder: pathlib.Path, state: RecurrentState) -> NDArray[np.float32]:
    """Read the first value of a recurrent state: the tensor of its name in its file."""
    data = _checked(folder, state.file, state.sha256, f'state.{state.name}.initial')
    file = folder / state.file
    tensors = read_tensors(file, data, 'reading the first value of a recurrent state')
    if state.name not in tensors:
        raise BundleError(f'{file}: has no tensor {state.name!r}; found {sorted(tensors)}')
    array = np.array(tensors[state.name])
    if array.shape != state.shape or array.dtype != np.float32:
        raise BundleError(
            f'{file}: {state.name} is {array.dtype} {list(array.shape)}, the contract says '
            f'float32 {list(state.shape)}'
        )
    if not np.isfinite(array).all():
        raise BundleError(f'{file}: {state.name} holds values that are not finite')
    array.setflags(write=False)
    return array
