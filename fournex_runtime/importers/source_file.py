"""A file that may be, or belong to, an artifact: what it is by its content, read when asked."""

from __future__ import annotations

import functools
import os
import pathlib
import re
import zipfile
from collections.abc import Callable
from typing import TypeVar

from ..errors import ArtifactError, FournexError
from ..policy.onnx_header import OnnxHeader, read_onnx_header
from ..policy.zip_members import ZipMembers, read_file
from .foreign import Foreign
from .foreign_data import MOST_BYTES, read_json, read_yaml

Made = TypeVar('Made')

_ZIP = b'PK\x03\x04'
_PICKLE = re.compile(rb'\x80[\x02-\x05]')
_ONNX = b'\x08'  # field 1 of a model, ir_version, which every exporter writes first
_YAML = re.compile(r'(\s*(#.*)?\n|---.*\n|%YAML.*\n)*\s*[\w.\-"\'/ ]+\s*:(\s|$)')


class SourceFile:
    """
    One file, by its content.

    Each property is the file read as that format, and None (or empty) where it is not one. What
    begins like a format and is damaged leaves a word in :attr:`complaint`.

    :param path: where it is.
    :param name: how messages and facts call it: as short as is clear.
    """

    def __init__(self, path: pathlib.Path, name: str = '') -> None:
        self.path = path
        self.name = name or path.name
        self.complaint = ''
        self._made: dict[object, object] = {}

    def __repr__(self) -> str:
        """Return its name."""
        return self.name

    @functools.cached_property
    def data(self) -> bytes:
        """Return the bytes; raises ArtifactError where it cannot be read."""
        return read_file(self.path)

    @functools.cached_property
    def size(self) -> int:
        """Return how many bytes it has."""
        return os.stat(self.path).st_size

    @functools.cached_property
    def head(self) -> bytes:
        """Return its first bytes; none of what cannot be read."""
        try:
            with self.path.open('rb') as stream:
                return stream.read(4096)
        except OSError as problem:
            self.complaint = f'cannot be read: {problem.strerror}'
            return b''

    @functools.cached_property
    def zip_names(self) -> tuple[str, ...]:
        """Return the names of the members of a zip archive, without reading these."""
        if not self.head.startswith(_ZIP):
            return ()
        try:
            with zipfile.ZipFile(self.path) as archive:
                entries = archive.infolist()
                if min((one.header_offset for one in entries), default=0) > 0:
                    raise zipfile.BadZipFile('it holds a complete one that begins further on')
                return tuple(one.filename for one in entries)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as problem:
            self.complaint = f'begins like a zip archive, but is not a complete one: {problem}'
            return ()

    @functools.cached_property
    def zip(self) -> ZipMembers:
        """Return the members of a zip archive; raises ArtifactError where it is none."""
        return ZipMembers(self.data, str(self.path))

    @functools.cached_property
    def onnx(self) -> OnnxHeader | None:
        """Return what an ONNX model says of itself."""
        if not self.head.startswith(_ONNX):
            return None
        try:
            return read_onnx_header(self.data)
        except ValueError as problem:
            self.complaint = f'begins like an ONNX model, but is not a complete one: {problem}'
        except ArtifactError as problem:
            self.complaint = str(problem)
        return None

    @functools.cached_property
    def is_pickle(self) -> bool:
        """Return whether it begins like a pickle."""
        return _PICKLE.match(self.head) is not None

    @functools.cached_property
    def json(self) -> Foreign | None:
        """Return a JSON object."""
        if not self._text.lstrip().startswith('{'):
            return None
        return self._document(lambda: read_json(self.data, self.name), 'JSON')

    @functools.cached_property
    def yaml(self) -> Foreign | None:
        """Return a YAML mapping."""
        if not _YAML.match(self._text):
            return None
        return self._document(lambda: read_yaml(self.data, self.name), 'YAML')

    def diagnose(self) -> str:
        """Return what is wrong with it as the format that it begins like; empty if nothing is."""
        for _ in (self.zip_names, self.onnx, self.json, self.yaml):
            pass
        if any(name.endswith('/data.pkl') for name in self.zip_names) and not self.complaint:
            return (
                'holds weights without a network, as torch.save writes them: export the policy '
                '(ONNX, TorchScript) in its training environment, and import that'
            )
        return self.complaint

    def once(self, make: Callable[[SourceFile], Made]) -> Made:
        """Return what a function makes of this file; it is called only once."""
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]  # type: ignore[return-value]  # it is what that function made

    @functools.cached_property
    def _text(self) -> str:
        """Return the beginning of a text; empty for anything else and for what is too large."""
        if b'\0' in self.head:
            return ''
        cut_off = self.size > len(self.head)  # perhaps within a character
        try:
            text = self.head.decode('utf-8-sig', errors='ignore' if cut_off else 'strict')
        except UnicodeDecodeError:
            return ''
        if self.size > MOST_BYTES:
            self.complaint = f'is {self.size} bytes of text, expected at most {MOST_BYTES}'
            return ''
        return text

    def _document(self, read: Callable[[], object], language: str) -> Foreign | None:
        try:
            value = read()
        except FournexError as problem:
            self.complaint = f'begins like {language}, but: {problem}'
            return None
        return Foreign(value, self.name) if isinstance(value, dict) else None
