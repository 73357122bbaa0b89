"""
A registry of policies: a folder with bundles by name and version, each written once.

::

    ROOT/rover-nav/3/policy.yaml     the bundle, its files read-only
    ROOT/rover-nav/3/policy.onnx
    ROOT/rover-nav/3/SHA256SUMS      of every other file; ``sha256sum -c SHA256SUMS`` checks them

The hash of the checksum file is the bundle's. An entry is copied beside the others, checked there
and put in place by one rename, so it is there whole or not at all, and of two that add the same
version at once one wins. Copy a registry with ``rsync -a``, look at it with ``ls``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping

from ..configuration import nearest
from ..errors import BundleError
from .bundle import CHECKSUM_FILE, CONTRACT_FILE, Bundle, checksums, load_bundle, read_bundle_file
from .registry_entry import Entry, Problem, entry_contract, entry_hash, entry_problems, read_entry

__all__ = ['Entry', 'Problem', 'Registry', 'default_root', 'locate_bundle']

_VERSION = re.compile(r'[1-9][0-9]*')
_UNFINISHED = '.unfinished-'
_ABANDONED_S = 24 * 3600


def default_root(environment: Mapping[str, str] = os.environ) -> pathlib.Path:
    """
    Return where this user's registry is.

    ``$FOURNEX_REGISTRY``, else ``$XDG_DATA_HOME/fournex/policies``, else
    ``~/.local/share/fournex/policies``.
    """
    own = environment.get('FOURNEX_REGISTRY', '')
    if own:
        return pathlib.Path(own).expanduser()
    data = pathlib.Path(environment.get('XDG_DATA_HOME', ''))
    if not data.is_absolute():  # the XDG specification: relative paths are to be ignored
        data = pathlib.Path('~/.local/share').expanduser()
    return data / 'fournex' / 'policies'


def locate_bundle(given: str | pathlib.Path, beside: pathlib.Path | None = None) -> pathlib.Path:
    """
    Return the folder of a bundle as a user names it: a folder, or ``name@version``.

    What has an ``@`` and no ``/`` is looked up in the default registry, unless it is a folder.

    :param given: the words of the user.
    :param beside: folder that a relative path starts from; the working directory if left out.
    :raises BundleError: the registry does not have it. A folder need not exist.
    """
    text = str(given)
    folder = (beside or pathlib.Path()) / text
    if '@' not in text or '/' in text or folder.is_dir():
        return folder
    return Registry().find(text, pinned=True)


class Registry:
    """
    The registry in a folder.

    :param root: the folder; it need not exist. This user's registry if left out.
    """

    def __init__(self, root: pathlib.Path | None = None) -> None:
        self.root = default_root() if root is None else root

    def add(self, folder: pathlib.Path) -> Bundle:
        """
        Copy a checked bundle in; what its contract does not name stays outside.

        To add the same content again changes nothing.

        :returns: the bundle in the registry.
        :raises BundleError: a file is missing or altered, or the registry has this name and
            version with other content.
        :raises ContractError: ``policy.yaml`` is not valid.
        """
        bundle = load_bundle(folder)
        contract = bundle.contract
        with self._writing(f'add {contract.reference} to'), self._unfinished() as copy:
            for name, sha256 in contract.files.items():
                data = read_bundle_file(folder, name)
                if hashlib.sha256(data).hexdigest() != sha256:
                    raise BundleError(f'{folder / name}: was changed meanwhile; add it again')
                _write(copy / name, data)
            _write(copy / CONTRACT_FILE, contract.text.encode())
            _write(copy / CHECKSUM_FILE, checksums(contract).encode())
            _sync(copy)
            return self._put(copy, bundle)

    def find(self, reference: str, *, pinned: bool = False) -> pathlib.Path:
        """
        Return the folder of an entry.

        :param reference: ``name@version``, or ``name`` for the newest version.
        :param pinned: refuse a name without a version.
        :raises BundleError: there is no such entry, or it is not the one that it says it is.
        """
        folder = self._place(reference, pinned)
        entry_contract(folder)
        return folder

    def versions(self, name: str) -> tuple[int, ...]:
        """Return the versions that there are of a policy, in rising order."""
        return tuple(int(one.name) for one in self._folders() if one.parent.name == name)

    def find_hash(self, sha256: str) -> pathlib.Path | None:
        """
        Return the folder of the bundle with a hash; None where there is none.

        :param sha256: of the bundle.
        """
        return next((one for one in self._folders() if entry_hash(one) == sha256), None)

    def list(self) -> tuple[Entry, ...]:
        """Return what there is, by name and version; one that cannot be read says why."""
        return tuple(read_entry(folder) for folder in self._folders())

    def verify(self, reference: str = '') -> tuple[Problem, ...]:
        """
        Check every file against its hash.

        :param reference: check this entry only; all if left out.
        :returns: what is altered, missing, extra or unreadable; nothing where all is well.
        :raises BundleError: there is no such entry.
        """
        folders = (self._place(reference, False),) if reference else self._folders()
        return tuple(problem for folder in folders for problem in entry_problems(folder))

    def remove(self, reference: str) -> None:
        """
        Take an entry out.

        :param reference: ``name@version``.
        :raises BundleError: there is no such entry.
        """
        folder = self._place(reference, True)
        with self._writing(f'remove {reference} from'), self._unfinished() as trash:
            folder.rename(trash / folder.name)
            with contextlib.suppress(OSError):  # not empty: other versions are there
                folder.parent.rmdir()

    # --- writing -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._sweep()
            yield
        except OSError as problem:
            raise BundleError(
                f'cannot {what} the registry {self.root}: {problem.strerror}'
                + (f': {problem.filename}' if problem.filename else '')
            ) from problem

    @contextlib.contextmanager
    def _unfinished(self) -> Iterator[pathlib.Path]:
        """Make a folder that is no entry, on the same file system; it is gone in the end."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.root))
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what a process left that was killed while it wrote."""
        for folder in self.root.glob(f'{_UNFINISHED}*'):
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(folder)

    def _put(self, copy: pathlib.Path, bundle: Bundle) -> Bundle:
        contract = bundle.contract
        place = self.root / contract.name / str(contract.version)
        while True:
            place.parent.mkdir(exist_ok=True)
            try:
                copy.rename(place)
                break
            except OSError as problem:
                if isinstance(problem, FileNotFoundError) and copy.is_dir():
                    continue  # the last version of this name was just removed, its folder too
                if not place.is_dir():
                    raise
            there = entry_hash(place)
            if there == bundle.sha256:
                return load_bundle(place)
            following = max(contract.version, *self.versions(contract.name)) + 1
            raise BundleError(
                f'{bundle.folder}: {contract.reference} is in the registry {self.root} with other '
                f'content: {there[:12] or "unreadable"}… there, {bundle.sha256[:12]}… here. An '
                f'entry never changes: write version: {following} into {CONTRACT_FILE}, and add '
                'it again'
            )
        _sync(place.parent)
        _sync(self.root)
        return load_bundle(place)

    # --- reading -----------------------------------------------------------------------------

    def _folders(self) -> tuple[pathlib.Path, ...]:
        """Return the folder of everything that has been put in place, by name and version."""
        found = (one for one in self.root.glob('[!.]*/[1-9]*') if _VERSION.fullmatch(one.name))
        by_place = {(one.parent.name, int(one.name)): one for one in found if one.is_dir()}
        return tuple(by_place[place] for place in sorted(by_place))

    def _place(self, reference: str, pinned: bool) -> pathlib.Path:
        """Return the folder of an entry, as it is."""
        name, at, number = reference.partition('@')
        if (pinned and not at) or (at and not _VERSION.fullmatch(number)):
            expected = 'NAME@VERSION' if pinned else 'NAME@VERSION or NAME'
            raise BundleError(
                f'{reference!r}: expected {expected}, such as rover-nav@3, with a version from 1'
            )
        versions = self.versions(name)
        if not versions:
            names = sorted({folder.parent.name for folder in self._folders()})
            hint = nearest(name, names) or ' It is empty: fournex policies add FOLDER fills it.'
            raise BundleError(f'the registry {self.root} has no policy {name!r}.{hint}')
        version = int(number) if at else versions[-1]
        if version not in versions:
            there = ', '.join(map(str, versions))
            raise BundleError(
                f'the registry {self.root} has no {reference}; of {name} it has version {there}'
            )
        return self.root / name / str(version)


def _write(file: pathlib.Path, data: bytes) -> None:
    """Write a file that nobody is to write again, down to the disk."""
    with open(file, 'xb') as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
        os.fchmod(stream.fileno(), 0o444)


def _sync(folder: pathlib.Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
