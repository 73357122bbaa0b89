"""Plain text tables: columns as wide as they need be, numbers to the right."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBER = re.compile(r'[-+]?[0-9][0-9.,e+-]*|[-+]?inf|—|')


def table(header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = '  ') -> str:
    """
    Return a table of text; a column whose cells are all numbers is aligned to the right.

    :param header: one name a column.
    :param rows: the cells, as many a row as there are names.
    :param indent: put before each line.
    """
    columns = list(zip(header, *rows)) if rows else [(name,) for name in header]
    widths = [max(len(cell) for cell in column) for column in columns]
    right = [all(_NUMBER.fullmatch(cell) for cell in column[1:]) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right)
        )
        return (indent + '  '.join(padded)).rstrip()

    return '\n'.join(line(cells) for cells in (header, *rows))


def number(value: float) -> str:
    """Return a number with four digits that matter."""
    if value.is_integer() and abs(value) < 1e6:
        return str(int(value))
    return f'{value:.4g}'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Return lines of a name and what there is to say about it; empty ones are left out."""
    width = max(len(name) for name, _ in pairs)
    return '\n'.join(f'{name:<{width}}  {text}' for name, text in pairs if text)
