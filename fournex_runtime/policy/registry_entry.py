"""
One bundle of a registry: what a list shows of it, and what is no longer as it was added.

An entry is a bundle's folder with a ``SHA256SUMS`` of every file in it; the hash of that file is
the bundle's.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import re
from collections.abc import Iterator

from ..errors import BundleError, FournexError
from .bundle import CHECKSUM_FILE, CONTRACT_FILE, checksums, load_bundle, read_card
from .card import ModelCard
from .contract import Contract, load_contract

_LINE = re.compile(r'([0-9a-f]{64})  (.+)')


@dataclasses.dataclass(frozen=True)
class Entry:
    """
    One bundle of a registry, as a list shows it.

    :param name: of the policy.
    :param version: of the policy.
    :param folder: where it is.
    :param sha256: hash of the bundle.
    :param added_ns: when it was added, since the Unix epoch; 0 where that is not known.
    :param contract: of the policy; None where it cannot be read.
    :param card: its model card; None without one.
    :param problem: why it cannot be read; empty where it can.
    """

    name: str
    version: int
    folder: pathlib.Path
    sha256: str
    added_ns: int
    contract: Contract | None
    card: ModelCard | None = None
    problem: str = ''

    @property
    def reference(self) -> str:
        """Return ``name@version``."""
        return f'{self.name}@{self.version}'


@dataclasses.dataclass(frozen=True)
class Problem:
    """
    Something in a registry that is not as it was added.

    :param reference: ``name@version``.
    :param file: the file in question; empty for the whole entry.
    :param what: ``altered``, ``missing``, ``extra`` or ``unreadable``.
    :param detail: what was expected and what was found.
    """

    reference: str
    file: str
    what: str
    detail: str

    def __str__(self) -> str:
        """Return one line for people."""
        return f'{self.reference} {self.file}'.rstrip() + f': {self.what}: {self.detail}'


def entry_contract(folder: pathlib.Path) -> Contract:
    """
    Return the contract of an entry that has its checksums, and the name of its place.

    :param folder: ``…/NAME/VERSION``.
    :raises BundleError: it is not what its place says.
    :raises ContractError: ``policy.yaml`` is not valid.
    """
    reference = f'{folder.parent.name}@{folder.name}'
    if not (folder / CHECKSUM_FILE).is_file():
        raise BundleError(
            f'{folder}: is no whole entry: it has no {CHECKSUM_FILE}. Remove the folder; fournex '
            'policies add puts it there whole'
        )
    contract = load_contract(folder / CONTRACT_FILE)
    if contract.reference != reference:
        raise BundleError(
            f'{folder}: holds {contract.reference}, not {reference}: it was moved or renamed'
        )
    return contract


def read_entry(folder: pathlib.Path) -> Entry:
    """Return what a list shows of an entry; of its files, contract and card are checked."""
    contract, card, problem, added_ns = None, None, '', 0
    try:
        added_ns = (folder / CHECKSUM_FILE).stat().st_mtime_ns
        found = entry_contract(folder)
        if entry_hash(folder) != hashlib.sha256(checksums(found).encode()).hexdigest():
            raise BundleError(f'{folder}: {CONTRACT_FILE} or {CHECKSUM_FILE} is altered')
        card = read_card(folder, found)
        contract = found
    except (FournexError, OSError) as found_problem:
        problem = str(found_problem)
    name, version = folder.parent.name, int(folder.name)
    return Entry(name, version, folder, entry_hash(folder), added_ns, contract, card, problem)


def entry_hash(folder: pathlib.Path) -> str:
    """Return the hash that an entry was added with; empty where that cannot be read."""
    try:
        return hashlib.sha256((folder / CHECKSUM_FILE).read_bytes()).hexdigest()
    except OSError:
        return ''


def entry_problems(folder: pathlib.Path) -> Iterator[Problem]:
    """Check every file of an entry against its hash; yields what is not as it was added."""
    reference = f'{folder.parent.name}@{folder.name}'
    try:
        expected = _expected(folder / CHECKSUM_FILE)
        there = {file.name for file in folder.iterdir()}
        found = list(_differences(reference, folder, expected, there))
        yield from found
        if not found:
            entry_contract(folder)
            load_bundle(folder)
    except OSError as problem:
        file = pathlib.Path(str(problem.filename or '')).name
        what = 'missing' if isinstance(problem, FileNotFoundError) else 'unreadable'
        yield Problem(reference, file, what, str(problem.strerror))
    except FournexError as problem:
        yield Problem(reference, '', 'unreadable', str(problem))


def _differences(
    reference: str, folder: pathlib.Path, expected: dict[str, str], there: set[str]
) -> Iterator[Problem]:
    for file in sorted({*expected, *there} - {CHECKSUM_FILE}):
        if file not in there:
            yield Problem(reference, file, 'missing', 'it was there when it was added')
        elif file not in expected:
            yield Problem(reference, file, 'extra', 'it was not there when it was added')
        else:
            found = hashlib.sha256((folder / file).read_bytes()).hexdigest()
            if found != expected[file]:
                detail = f'added as {expected[file][:12]}…, now {found[:12]}…'
                yield Problem(reference, file, 'altered', detail)


def _expected(file: pathlib.Path) -> dict[str, str]:
    """Return the hashes of a checksum file by file name."""
    found = {}
    for line in file.read_text(encoding='utf-8', errors='replace').splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            raise BundleError(f'{file}: expected lines of sha256sum, found {line[:80]!r}')
        found[match[2]] = match[1]
    return found
