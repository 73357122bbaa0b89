"""A place in foreign data, read by type; whatever is not as expected is named by file and path."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from ..configuration import nearest
from ..errors import ArtifactError
from .foreign_data import Tagged


@dataclasses.dataclass(frozen=True)
class Foreign:
    """
    A value of a file that some other program wrote.

    :param value: plain data, as :mod:`foreign_data` reads it.
    :param file: name of the file, for messages and facts.
    :param path: dotted path of the value in it; empty for the whole file.
    """

    value: Any
    file: str
    path: str = ''

    @property
    def where(self) -> str:
        """Return file and path: the detail of a fact that stands here."""
        return f'{self.file}: {self.path}' if self.path else self.file

    def problem(self, expected: str, found: str = '') -> ArtifactError:
        """Return the error for a value that is not what was expected."""
        return ArtifactError(f'{self.where}: expected {expected}, found {found or self._found()}')

    def __contains__(self, key: str) -> bool:
        """Return whether this is a mapping that has a key."""
        return isinstance(self.value, dict) and key in self.value

    def __getitem__(self, key: str) -> Foreign:
        """Return the value of a key; an error names the nearest one if there is none."""
        self.keys()
        if key not in self.value:
            what = f'{self.where}: has no {key}'
            raise ArtifactError(f'{what}.{nearest(key, [str(one) for one in self.value][:20])}')
        return Foreign(self.value[key], self.file, f'{self.path}.{key}' if self.path else key)

    def get(self, key: str) -> Foreign | None:
        """Return the value of a key; None where there is none or it is null."""
        if key not in self or self.value[key] is None:
            return None
        return self[key]

    def keys(self) -> tuple[str, ...]:
        """Return the keys of a mapping."""
        if not isinstance(self.value, dict):
            raise self.problem('a mapping')
        return tuple(self.value)

    def entries(self) -> Iterator[tuple[str, Foreign]]:
        """Return keys and values of a mapping."""
        for key in self.keys():
            yield key, self[key]

    def items(self, count: int | None = None) -> list[Foreign]:
        """Return the items of a list; of so many, if that is given."""
        expected = 'a list' if count is None else f'a list of {count}'
        if not isinstance(self.value, list):
            raise self.problem(expected)
        if count is not None and len(self.value) != count:
            raise self.problem(expected, f'{len(self.value)}')
        return [
            Foreign(item, self.file, f'{self.path}[{index}]')
            for index, item in enumerate(self.value)
        ]

    def text(self) -> str:
        """Return a text that is not empty."""
        if not isinstance(self.value, str) or not self.value:
            raise self.problem('a text')
        return self.value

    def texts(self, count: int | None = None) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(item.text() for item in self.items(count))

    def number(self) -> float:
        """Return a finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self.problem('a number')
        try:
            found = float(self.value)
        except OverflowError as problem:
            raise self.problem('a finite number') from problem
        if not math.isfinite(found):
            raise self.problem('a finite number')
        return found

    def numbers(self, count: int | None = None) -> tuple[float, ...]:
        """Return a list of finite numbers."""
        return tuple(item.number() for item in self.items(count))

    def whole(self, least: int = 0) -> int:
        """Return a whole number of at least ``least``."""
        found = self.number()
        if found != int(found) or found < least:
            raise self.problem(f'a whole number of at least {least}')
        return int(found)

    def wholes(self, count: int | None = None, least: int = 0) -> tuple[int, ...]:
        """Return a list of whole numbers."""
        return tuple(item.whole(least) for item in self.items(count))

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.problem('true or false')
        return self.value

    def word(self, *words: str) -> str:
        """Return one of some words."""
        found = self.text()
        if found not in words:
            raise self.problem(f'one of {", ".join(words)}')
        return found

    def _found(self) -> str:
        if isinstance(self.value, dict):
            return f'a mapping with {", ".join(map(str, list(self.value)[:6])) or "nothing"}'
        if isinstance(self.value, list):
            return f'a list of {len(self.value)}'
        if isinstance(self.value, Tagged):
            return f'a value with the tag {self.value}'
        return 'nothing' if self.value is None else f'{self.value!r:.80}'
