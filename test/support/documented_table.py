"""A section of a page that a script writes, between two marks."""

from __future__ import annotations

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Section:
    """
    A section of a page.

    :param name: its name in the marks.
    :param script: what writes it.
    :param folder: where that is.
    """

    name: str
    script: str
    folder: str = 'test/support'

    @property
    def begin(self) -> str:
        """Return the line before it."""
        return f'<!-- {self.name}: written by {self.folder}/{self.script} -->'

    @property
    def end(self) -> str:
        """Return the line after it."""
        return f'<!-- {self.name}: end -->'

    def read(self, file: pathlib.Path) -> str:
        """Return what is between the marks."""
        text = file.read_text(encoding='utf-8')
        return text.partition(self.begin)[2].partition(self.end)[0]

    def write(self, file: pathlib.Path, lines: list[str]) -> None:
        """Put lines in the place of those before; at the end, if there were none."""
        text = file.read_text(encoding='utf-8') if file.exists() else '# Fidelity\n\n'
        if self.begin not in text:
            text += f'\n{self.begin}\n{self.end}\n'
        before, _, rest = text.partition(self.begin)
        after = rest.partition(self.end)[2]
        body = '\n'.join([self.begin, *lines, self.end])
        file.write_text(before + body + after, encoding='utf-8')
