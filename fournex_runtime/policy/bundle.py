"""
A policy bundle: a folder with ``policy.yaml``, the artifact and its statistics.

Each file is read once, checked against the hash that the contract gives, and used from memory, so
that what was checked is what runs. The bundle's own hash covers the contract and, through it,
every file that it names.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib

import numpy as np
from numpy.typing import NDArray

from ..configuration import parse
from ..errors import BundleError, ContractError, MissingDependencyError
from .contract import Contract, load_contract

CONTRACT_FILE = 'policy.yaml'


@dataclasses.dataclass(frozen=True)
class Bundle:
    """
    A loaded and checked bundle.

    :param folder: where it was read from.
    :param contract: what the policy sees and does.
    :param sha256: hash over the names and hashes of its files.
    :param artifact: bytes of the artifact.
    :param statistics: ``mean`` and ``var`` of the normalised input, float64; None without one.
    """

    folder: pathlib.Path
    contract: Contract
    sha256: str
    artifact: bytes
    statistics: tuple[NDArray[np.float64], NDArray[np.float64]] | None


def load_bundle(folder: pathlib.Path) -> Bundle:
    """
    Read a bundle and check every file against its hash.

    :raises BundleError: a file is missing or altered.
    :raises ContractError: ``policy.yaml`` is not valid.
    """
    if not folder.is_dir():
        raise BundleError(f'{folder}: no such policy bundle (a folder with {CONTRACT_FILE})')
    if not (folder / CONTRACT_FILE).is_file():
        raise BundleError(f'{folder}: not a policy bundle: it has no {CONTRACT_FILE}')
    contract = load_contract(folder / CONTRACT_FILE)
    artifact = _checked(folder, contract.artifact.file, contract.artifact.sha256, 'artifact')
    statistics = None
    if contract.normalisation is not None:
        normalisation = contract.normalisation
        data = _checked(folder, normalisation.file, normalisation.sha256, 'normalisation')
        size = contract.input_size(normalisation.input)
        statistics = _statistics(folder / normalisation.file, data, size)
    return Bundle(folder, contract, _content_hash(contract), artifact, statistics)


def seal_bundle(folder: pathlib.Path) -> Bundle:
    """
    Write the hashes of a bundle's files into its contract, then load it.

    For training scripts, after an export: the ``sha256`` lines of ``policy.yaml`` are brought up
    to date, everything else in it stays as it is.

    :raises BundleError: a file is missing.
    :raises ContractError: ``policy.yaml`` is not valid.
    """
    contract = load_contract(folder / CONTRACT_FILE)
    section = parse(contract.text, str(folder / CONTRACT_FILE), ContractError)
    named = [('artifact', contract.artifact.file)]
    if contract.normalisation is not None:
        named.append(('normalisation', contract.normalisation.file))
    hashes: dict[tuple[int, int], str] = {}
    for key, name in named:
        file = folder / name
        if not file.is_file():
            raise BundleError(f'{file}: no such file; {CONTRACT_FILE} names it')
        now = hashlib.sha256(file.read_bytes()).hexdigest()
        hashes[section.section(key).span('sha256')] = now
    text = contract.text
    for (begin, end), now in sorted(hashes.items(), reverse=True):
        text = text[:begin] + now + text[end:]
    if text != contract.text:
        partial = folder / f'.{CONTRACT_FILE}.partial'
        partial.write_text(text, encoding='utf-8')
        partial.replace(folder / CONTRACT_FILE)
    return load_bundle(folder)


def _checked(folder: pathlib.Path, name: str, sha256: str, key: str) -> bytes:
    file = folder / name
    try:
        data = file.read_bytes()
    except OSError as problem:
        raise BundleError(f'{file}: cannot be read: {problem.strerror}') from problem
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise BundleError(
            f'{file}: altered: {CONTRACT_FILE} says {key}.sha256 {sha256[:12]}…, the file has '
            f'{found[:12]}…. Restore the file; if the change is meant, raise the version and '
            'write the new hash'
        )
    return data


def _content_hash(contract: Contract) -> str:
    """Hash ``sha256  name`` lines, sorted by name, as ``sha256sum`` would print them."""
    files = {
        CONTRACT_FILE: hashlib.sha256(contract.text.encode()).hexdigest(),
        contract.artifact.file: contract.artifact.sha256,
    }
    if contract.normalisation is not None:
        files[contract.normalisation.file] = contract.normalisation.sha256
    lines = ''.join(f'{files[name]}  {name}\n' for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def _statistics(
    file: pathlib.Path, data: bytes, size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:  # only bundles with statistics need the package
        from safetensors import SafetensorError
        from safetensors.numpy import load
    except ImportError as problem:
        raise MissingDependencyError(
            'safetensors', 'reading normalisation statistics', 'pip install safetensors'
        ) from problem
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as problem:
        raise BundleError(f'{file}: not a readable safetensors file: {problem}') from problem
    arrays = []
    for name in ('mean', 'var'):
        if name not in tensors:
            raise BundleError(f'{file}: has no tensor {name!r}; found {sorted(tensors)}')
        array = np.asarray(tensors[name], dtype=np.float64)
        if array.shape != (size,):
            raise BundleError(
                f'{file}: {name} has shape {array.shape}, the input has {size} values'
            )
        if not np.isfinite(array).all():
            raise BundleError(f'{file}: {name} holds values that are not finite')
        arrays.append(array)
    if (arrays[1] < 0.0).any():
        raise BundleError(f'{file}: var holds negative values')
    return arrays[0], arrays[1]
