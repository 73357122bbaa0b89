"""Lists that exporters write into ``metadata_props`` of ONNX: ``a,b`` and ``-inf;inf,0.1;0.2``."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..errors import ArtifactError

_FLAGS = {'true': True, 'false': False, '1': True, '0': False, '1.000': True, '0.000': False}


class MetadataLists:
    """
    The metadata of one model.

    :param metadata: texts by key.
    :param file: name of the model, for messages and facts.
    """

    def __init__(self, metadata: Mapping[str, str], file: str) -> None:
        self._metadata = metadata
        self._file = file

    def __contains__(self, key: str) -> bool:
        """Return whether there is a key."""
        return key in self._metadata

    def place(self, key: str) -> str:
        """Return file and key, for messages."""
        return f'{self._file}: metadata {key}'

    def problem(self, key: str, expected: str, found: str) -> ArtifactError:
        """Return the error for a value that is not what was expected."""
        return ArtifactError(f'{self.place(key)}: expected {expected}, found {found}')

    def text(self, key: str) -> str:
        """Return a text; empty where there is none."""
        return self._metadata.get(key, '')

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of different names."""
        if key not in self._metadata:
            raise ArtifactError(f'{self.place(key)}: is missing')
        found = tuple(part.strip() for part in self._metadata[key].split(','))
        if not all(found) or len(set(found)) != len(found):
            raise self.problem(key, 'different names, separated by commas', f'{found}')
        return found

    def numbers(self, key: str, count: int | None = None) -> tuple[float, ...]:
        """Return a list of finite numbers; of so many, if that is given."""
        found: list[float] = []
        for row in self.rows(key, count):
            if len(row) != 1:
                raise self.problem(key, 'single numbers', f'{row}')
            found.extend(row)
        return tuple(found)

    def wholes(self, key: str, count: int) -> tuple[int, ...]:
        """Return a list of whole numbers from 0, which exporters write with decimals."""
        found = self.numbers(key, count)
        if any(one != int(one) or one < 0 for one in found):
            raise self.problem(key, 'whole numbers from 0', f'{found}')
        return tuple(int(one) for one in found)

    def flags(self, key: str, count: int) -> tuple[bool, ...]:
        """Return a list of true and false, which some exporters write as numbers."""
        parts = [part.strip().lower() for part in self._metadata[key].split(',')]
        if len(parts) != count or not all(part in _FLAGS for part in parts):
            raise self.problem(key, f'{count} times true or false', f'{parts}')
        return tuple(_FLAGS[part] for part in parts)

    def rows(
        self, key: str, count: int | None = None, infinite: bool = False
    ) -> tuple[tuple[float, ...], ...]:
        """
        Return a list of rows of numbers, separated by commas and, within a row, by semicolons.

        :param key: the key.
        :param count: how many rows there must be.
        :param infinite: numbers may be infinite.
        """
        parts = self._metadata[key].split(',')
        if count is not None and len(parts) != count:
            raise self.problem(key, f'{count} values', f'{len(parts)}')
        return tuple(
            tuple(self._number(key, text, infinite) for text in part.split(';')) for part in parts
        )

    def _number(self, key: str, text: str, infinite: bool) -> float:
        try:
            value = float(text)
        except ValueError as problem:
            raise self.problem(key, 'numbers', f'{text.strip()!r:.60}') from problem
        if math.isnan(value) or not (infinite or math.isfinite(value)):
            raise self.problem(key, 'finite numbers', text.strip())
        return value
