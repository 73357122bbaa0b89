"""Writes a finished draft as a policy bundle: checked first, then there at once or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import yaml

from ..errors import BundleError, ContractError
from ..policy.backend import load_backend, warm_up
from ..policy.bundle import CONTRACT_FILE, Bundle, load_bundle
from ..policy.contract import Contract, load_contract, parse_contract
from ..policy.contract_types import DATA_BACKENDS, Fact
from ..policy.registry import Registry
from .draft import Draft
from .identity import FIRST

_WORKER_TIMEOUT_S = 20.0


def contract_of(draft: Draft, origin: str) -> Contract:
    """
    Return the contract of a draft without open questions.

    :param draft: the draft.
    :param origin: what it was made of, for errors.
    :raises ContractError: it is not valid.
    """
    facts = {
        key: {'from': fact.source, **({'detail': fact.detail} if fact.detail else {})}
        for key, fact in draft.facts.items()
    }
    tree = _plain({**draft.tree, 'facts': facts})
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=10_000)
    try:
        return parse_contract(parse_contract(text).to_text())
    except ContractError as problem:
        # without the file and line of a text that the user does not see
        raise ContractError(f'{origin}: {str(problem).split(": ", 1)[1]}') from problem


def check_free(folder: pathlib.Path | None) -> None:
    """
    Refuse a folder that holds something.

    :param folder: where a bundle is to go; None for nowhere yet.
    :raises BundleError: it is a file, or not empty.
    """
    if folder is None:
        return
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as problem:
        raise BundleError(f'{str(folder):.200}: cannot be read: {problem.strerror}') from problem
    if taken:
        raise BundleError(f'{folder}: is there already; nothing is overwritten. Name a new folder')


def write_bundle(draft: Draft, origin: str, folder: pathlib.Path) -> Bundle:
    """
    Write a draft as a bundle; a folder that holds something is never touched.

    The bundle is written beside the folder, loaded, and its artifact run once if it is data; only
    then it is moved to its place.

    :param draft: without open questions.
    :param origin: what it was made of, for errors.
    :param folder: where the bundle goes; new or empty.
    :returns: the bundle in its place.
    :raises ContractError: the contract is not valid.
    :raises ArtifactError: the artifact does not fit it.
    :raises BundleError: the folder is not empty, or cannot be written.
    """
    check_free(folder)
    with bundle_folder(draft, origin, folder.parent) as made:
        try:
            if folder.exists():
                folder.rmdir()
            made.rename(folder)
        except OSError as problem:
            raise BundleError(f'{folder}: cannot be written: {problem.strerror}') from problem
        return load_bundle(folder)


def register_bundle(draft: Draft, origin: str, registry: Registry) -> Bundle:
    """
    Put a draft into a registry: under its version if the user gave one, else under the next free.

    What the newest version of this name holds already is not put in again.

    :param draft: without open questions; its version may be changed.
    :param origin: what it was made of, for errors.
    :param registry: the registry.
    :returns: the bundle in the registry.
    :raises ContractError: the contract is not valid.
    :raises ArtifactError: the artifact does not fit it.
    :raises BundleError: the registry has this version with other content, or cannot be written.
    """
    if draft.facts['version'].source != 'user':
        there = registry.versions(draft.tree['name'])
        if there:
            draft.tree['version'] = there[-1]
            draft.facts['version'] = Fact('file', FIRST)
            newest = registry.find(f'{draft.tree["name"]}@{there[-1]}')
            if contract_of(draft, origin).text == load_contract(newest / CONTRACT_FILE).text:
                return load_bundle(newest)
            draft.tree['version'] = there[-1] + 1
    with bundle_folder(draft, origin, pathlib.Path(tempfile.gettempdir())) as made:
        return registry.add(made)


@contextlib.contextmanager
def bundle_folder(draft: Draft, origin: str, parent: pathlib.Path) -> Iterator[pathlib.Path]:
    """
    Make a checked bundle in a temporary folder, which is gone at the end unless it was moved.

    :param draft: without open questions.
    :param origin: what it was made of, for errors.
    :param parent: where the temporary folder is made.
    """
    contract = contract_of(draft, origin)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary = pathlib.Path(tempfile.mkdtemp(prefix='.import-', dir=parent))
    except OSError as problem:
        raise BundleError(f'{parent}: cannot be written: {problem.strerror}') from problem
    try:
        made = temporary / 'bundle'
        try:
            made.mkdir()
            for name, data in {**draft.files, CONTRACT_FILE: contract.text.encode()}.items():
                _write(made / name, data)
        except OSError as problem:
            raise BundleError(f'{made}: cannot be written: {problem.strerror}') from problem
        _try_out(load_bundle(made), draft)
        yield made
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _try_out(bundle: Bundle, draft: Draft) -> None:
    """Load the artifact of a bundle and run it once on zeros; a program only where it may be."""
    path = draft.artifact_path
    if bundle.contract.artifact.backend in DATA_BACKENDS or draft.runs_programs:
        # called as the user's file, which errors are to name
        artifact = dataclasses.replace(bundle.contract.artifact, file=path.name)
        contract = dataclasses.replace(bundle.contract, artifact=artifact)
        named = dataclasses.replace(bundle, folder=path.parent, contract=contract)
        backend = load_backend(named, timeout_s=_WORKER_TIMEOUT_S)
        try:
            warm_up(backend, contract, runs=2)
        finally:
            backend.close()


def _write(file: pathlib.Path, data: bytes) -> None:
    with file.open('xb') as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _plain(value: Any) -> Any:
    """Return plain data without tuples, which YAML has not."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value
