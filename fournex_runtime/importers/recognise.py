"""Finds out by content what an artifact is, and which file of a folder is the one that says so."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..configuration import nearest
from ..errors import ArtifactError
from .source_file import SourceFile

if TYPE_CHECKING:
    from .draft import Draft

_MOST_FILES = 2000
_DEPTH = 3
_LISTED = 8
_DIAGNOSED = 40


@dataclasses.dataclass(frozen=True)
class Importer:
    """
    One kind of artifact.

    :param kind: the word for ``--as``.
    :param what: what it is, for people.
    :param claims: returns by which content a file is the main one of this kind; empty if it is
        not. A directory is of the kind of the one file in it that is claimed.
    :param draft: fills a draft from a recognised artifact and from the answers in the draft.
    :param general: it claims what says nothing about training, and gives way to any other kind.
    """

    kind: str
    what: str
    claims: Callable[[SourceFile], str]
    draft: Callable[[Match, Draft], None]
    general: bool = False


@dataclasses.dataclass(frozen=True)
class Match:
    """
    A recognised artifact.

    :param importer: its kind.
    :param file: the main file.
    :param evidence: by which content it was recognised.
    :param also: further files that the user names.
    """

    importer: Importer
    file: SourceFile
    evidence: str
    also: tuple[SourceFile, ...] = ()

    def companion(
        self,
        draft: Draft,
        what: str,
        fits: Callable[[SourceFile], bool],
        folders: Sequence[str] = ('.',),
    ) -> SourceFile | None:
        """
        Return the file that belongs to the main one, by its content; the draft says which.

        Files that the user names come first; then the folders in their order.

        :param draft: notes which file was taken.
        :param what: what it is, for people.
        :param fits: whether a file is one.
        :param folders: where to look, relative to the folder of the main file; ``*`` for all
            folders in that.
        :raises ArtifactError: there are several.
        """
        places = [self.also, *(self._beside(folder) for folder in folders)]
        for files in places:
            found = [one for one in files if one.path != self.file.path and fits(one)]
            if len(found) > 1:
                raise ArtifactError(
                    f'{self.file.path}: has several of what could be its {what}: '
                    f'{_listed([str(one.path) for one in found])}. Name the one with --also'
                )
            if found:
                draft.take(what, found[0])
                return found[0]
        return None

    def needed(
        self,
        draft: Draft,
        what: str,
        fits: Callable[[SourceFile], bool],
        folders: Sequence[str] = ('.',),
    ) -> SourceFile:
        """
        Return the file that belongs to the main one; see :meth:`companion`.

        :raises ArtifactError: there is none, or there are several.
        """
        found = self.companion(draft, what, fits, folders)
        if found is None:
            places = ', '.join(str(self._folder(folder)) for folder in folders)
            raise ArtifactError(
                f'{self.file.path}: its {what} is missing: expected it in {places}. Name it with '
                '--also'
            )
        return found

    def _folder(self, folder: str) -> pathlib.Path:
        return pathlib.Path(os.path.normpath(self.file.path.parent / folder))

    def _beside(self, folder: str) -> list[SourceFile]:
        place = self._folder(folder)
        places = _listed_folder(place.parent) if folder == '*' else [place]
        paths = [path for one in places for path in _listed_folder(one)]
        return [SourceFile(path) for path in paths if path.is_file()]


def recognise(
    path: pathlib.Path,
    importers: Sequence[Importer],
    kind: str = '',
    also: Sequence[pathlib.Path] = (),
) -> Match:
    """
    Return what a file, or a directory with one, is.

    :param path: the file or directory.
    :param importers: the kinds that are known.
    :param kind: the word of the only kind to think of; empty for all.
    :param also: further files that belong to it.
    :raises ArtifactError: it is nothing known, or several things.
    """
    known = [one.kind for one in importers]
    if kind and kind not in known:
        raise ArtifactError(f'--as {kind}: no such kind.{nearest(kind, known)}')
    files = _files(path)
    others = tuple(SourceFile(_existing(one), str(one)) for one in also)
    matches = [
        Match(one, file, evidence, others)
        for one in importers
        if kind in ('', one.kind)
        for file in files
        if (evidence := one.claims(file))
    ]
    chosen = [one for one in matches if not one.importer.general] or matches
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        raise ArtifactError(_ambiguous(path, chosen))
    raise ArtifactError(_unknown(path, files, importers, kind))


def _existing(path: pathlib.Path) -> pathlib.Path:
    try:
        path.stat()
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise ArtifactError(f'{str(path):.200}: {why or "cannot be read"}') from problem
    return path


def _listed_folder(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return what is in a folder; nothing where it is none, or closed to this user."""
    try:
        return sorted(folder.iterdir())[:_MOST_FILES]
    except OSError:
        return []


def _files(path: pathlib.Path) -> list[SourceFile]:
    """Return a file, or those in a directory and in its folders."""
    if not _existing(path).is_dir():
        if not path.is_file():
            raise ArtifactError(f'{path}: neither a file nor a folder')
        return [SourceFile(path)]
    found: list[SourceFile] = []
    for folder, folders, names in os.walk(path):
        here = pathlib.Path(folder)
        deep = len(here.relative_to(path).parts) >= _DEPTH
        folders[:] = [] if deep else sorted(one for one in folders if not one.startswith('.'))
        for name in sorted(names):
            if not name.startswith('.') and (here / name).is_file():
                found.append(SourceFile(here / name))
        if len(found) > _MOST_FILES:
            raise ArtifactError(
                f'{path}: holds more than {_MOST_FILES} files; name the artifact itself'
            )
    return found


def _ambiguous(path: pathlib.Path, matches: Sequence[Match]) -> str:
    kinds = {one.importer.kind for one in matches}
    lines = [
        f'  {one.importer.kind:<14} {one.file.path}: {one.evidence}' for one in matches[:_LISTED]
    ]
    if len(matches) > _LISTED:
        lines.append(f'  and {len(matches) - _LISTED} more')
    how = 'name one of these files' if len(kinds) == 1 else 'say which with --as KIND'
    return '\n'.join([f'{path}: could be several artifacts; {how}:', *lines])


def _unknown(
    path: pathlib.Path, files: Sequence[SourceFile], importers: Sequence[Importer], kind: str
) -> str:
    found = [(one.path, one.diagnose()) for one in files[:_DIAGNOSED]]
    complaints = [f'{path}: {complaint}' for path, complaint in found if complaint]
    expected = [f'  {one.kind:<18} {one.what}' for one in importers if kind in ('', one.kind)]
    looked = '' if path.is_file() else f' (looked at {len(files)} files)'
    return '\n'.join(
        [
            f'{path}: not recognised as what a training leaves behind{looked}.',
            *complaints[:_LISTED],
            'Expected:',
            *expected,
        ]
    )


def _listed(names: Sequence[str]) -> str:
    more = f' and {len(names) - _LISTED} more' if len(names) > _LISTED else ''
    return ', '.join(names[:_LISTED]) + more
