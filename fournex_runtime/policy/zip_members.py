"""
Zip archives from strangers: every entry is checked before the first is read.

Nothing is unpacked to disk: members are read into memory, by name. All the same an archive with a
name that leaves its folder, a link, a name twice, overlapping data, or more data than such a file
can hold is refused as a whole, since no training library wrote it.
"""

from __future__ import annotations

import io
import pathlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping

from ..errors import ArtifactError
from ..regular_file import read_regular_file

MOST_BYTES = 1 << 30
"""The most that a file, or all members of an archive together, may take by default: 1 GiB."""

_MOST_MEMBERS = 10_000
_MOST_RATIO = 200  # deflated weights reach 2, text 20; zeros, which bombs are made of, 1000
_RATIO_FROM = 1 << 20
_MAGIC = b'PK\x03\x04'
_ENCRYPTED = 0x1
_LOCAL_HEADER = 30
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_file(file: pathlib.Path) -> bytes:
    """
    Read a whole regular file, once.

    :raises ArtifactError: it is missing, no file, or larger than :data:`MOST_BYTES`.
    """
    return read_regular_file(file, ArtifactError, MOST_BYTES)


def check_archive(archive: bytes, file: str, most_bytes: int) -> None:
    """
    Refuse an archive that is damaged or is none, for a library that compares no checksum itself.

    :param archive: the archive.
    :param file: where it comes from, for errors.
    :param most_bytes: the most that all its members together may take.
    :raises ArtifactError: it is damaged, or would take more memory.
    """
    members = ZipMembers(archive, file, most_bytes)
    for name in members:
        members[name]  # reads it, and compares its checksum


class ZipMembers(Mapping[str, bytes]):
    """
    The members of an archive in memory; each is read, and its checksum compared, when asked for.

    :param data: the archive.
    :param where: file, and member if it lies in one, for errors.
    :param most_bytes: how much its members together may take.
    :raises ArtifactError: it is no archive, or one that is refused.
    """

    def __init__(self, data: bytes, where: str, most_bytes: int = MOST_BYTES) -> None:
        self._where = where
        self._most_bytes = most_bytes
        if not data.startswith(_MAGIC):
            raise ArtifactError(
                f'{where}: not a zip archive: expected it to begin with {_MAGIC!r}, found '
                f'{data[:4]!r}'
            )
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as problem:
            raise ArtifactError(
                f'{where}: not a complete zip archive ({len(data)} bytes): {problem}'
            ) from problem
        entries = self._archive.infolist()
        self._check_sizes(entries)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            self._check_entry(entry)
            self._entries[entry.filename] = entry
        self._check_positions(entries)

    def _check_sizes(self, entries: list[zipfile.ZipInfo]) -> None:
        if len(entries) > _MOST_MEMBERS:
            raise ArtifactError(
                f'{self._where}: {len(entries)} members, expected at most {_MOST_MEMBERS}'
            )
        total = sum(entry.file_size for entry in entries)
        if total > self._most_bytes:
            raise ArtifactError(
                f'{self._where}: its members would take {total} bytes, expected at most '
                f'{self._most_bytes}'
            )

    def _check_entry(self, entry: zipfile.ZipInfo) -> None:
        name = entry.filename
        # zipfile cuts a name at its first zero byte; orig_filename is what stands in the file
        parts = re.split(r'[/\\]', entry.orig_filename.rstrip('/'))
        if '\0' in entry.orig_filename or ':' in name or any(p in ('', '.', '..') for p in parts):
            self._refuse(entry, 'expected a name inside the archive, found one that leaves it')
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            what = 'a symbolic link' if kind == stat.S_IFLNK else f'a special file ({kind:#o})'
            self._refuse(entry, f'expected a regular file, found {what}')
        if name in self._entries:
            self._refuse(entry, 'expected each name once, found it twice')
        if entry.flag_bits & _ENCRYPTED:
            self._refuse(entry, 'expected plain data, found encrypted data')
        if entry.compress_type not in _METHODS:
            self._refuse(
                entry, f'expected stored or deflated data, found method {entry.compress_type}'
            )
        if entry.file_size > max(_RATIO_FROM, entry.compress_size * _MOST_RATIO):
            self._refuse(
                entry,
                f'{entry.compress_size} bytes that unpack to {entry.file_size}, expected at most '
                f'{_MOST_RATIO} times as many',
            )

    def _check_positions(self, entries: list[zipfile.ZipInfo]) -> None:
        end = 0
        ordered = sorted(entries, key=lambda one: one.header_offset)
        if ordered and ordered[0].header_offset != 0:
            # a truncated archive, say, whose last member is an archive itself
            raise ArtifactError(
                f'{self._where}: not a complete zip archive: its first member should be at byte '
                f'0, found it at {ordered[0].header_offset}'
            )
        for entry in ordered:
            if entry.header_offset < end:
                self._refuse(entry, 'expected data of its own, found it overlapping another')
            end = entry.header_offset + _LOCAL_HEADER + entry.compress_size

    def _refuse(self, entry: zipfile.ZipInfo, what: str) -> None:
        raise ArtifactError(f'{self._where}: member {entry.orig_filename[:200]!r}: {what}')

    def __getitem__(self, name: str) -> bytes:
        if name not in self._entries:
            found = ', '.join(sorted(self._entries)[:12]) or 'none'
            raise ArtifactError(f'{self._where}: has no member {name!r}; found {found}')
        try:
            return self._archive.read(self._entries[name])
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as problem:
            raise ArtifactError(f'{self._where}: member {name!r}: damaged: {problem}') from problem

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
