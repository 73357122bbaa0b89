"""What an examination found, as a table for people and as JSON for programs."""

from __future__ import annotations

import collections
import dataclasses
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

from ..doctor.finding import Finding, Level

_MARKS = {
    Level.FAILURE: '✗',
    Level.WARNING: '!',
    Level.NOT_CHECKED: '–',
    Level.PASS: '✓',
}
_WIDEST = 110


def show_findings(title: str, findings: Sequence[Finding], verbose: bool) -> str:
    """
    Return a table: failures first, then warnings, then what could not be checked.

    :param title: of the table.
    :param findings: of one session.
    :param verbose: list what passed, too.
    """
    count = collections.Counter(one.level for one in findings)
    width = min(_WIDEST, max(60, shutil.get_terminal_size((_WIDEST, 0)).columns))
    lines = [f'{title}  {counts(count)}']
    column = max(len(one.check) for one in findings) + 2
    for level, mark in _MARKS.items():
        if level is Level.PASS and not verbose:
            continue
        for one in _together([one for one in findings if one.level is level]):
            lines += _finding(mark, one, column, width)
    if count[Level.PASS] and not verbose:
        lines.append(f' ✓ {count[Level.PASS]} passed (fournex doctor -v lists them)')
    return '\n'.join(lines)


def _together(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings with those made one that say the same about several subjects."""
    found: dict[tuple[str, str, str], Finding] = {}
    for one in findings:
        key = (one.check, one.found, one.mend)
        before = found.get(key)
        about = one.subject if before is None else f'{before.subject}, {one.subject}'
        found[key] = dataclasses.replace(one, subject=about)
    return list(found.values())


def counts(count: collections.Counter[Level]) -> str:
    """Return how many checks were made and how they ended."""
    made = sum(count.values()) - count[Level.NOT_CHECKED]
    words = [f'{made} check{"" if made == 1 else "s"}', f'{count[Level.FAILURE]} failed']
    warnings = count[Level.WARNING]
    words.append(f'{warnings} warning{"" if warnings == 1 else "s"}')
    if count[Level.NOT_CHECKED]:
        words.append(f'{count[Level.NOT_CHECKED]} not checked')
    return ', '.join(words)


def _finding(mark: str, one: Finding, column: int, width: int) -> list[str]:
    head = f' {mark} {one.check:<{column}}'
    text = f'not checked: {one.found}' if one.level is Level.NOT_CHECKED else one.found
    indent = ' ' * len(head)
    lines = textwrap.wrap(
        f'{one.subject}: {text}', width, initial_indent=head, subsequent_indent=indent
    )
    if one.mend:
        lines += textwrap.wrap(
            one.mend, width, initial_indent=f'{indent}→ ', subsequent_indent=f'{indent}  '
        )
    return lines


def finding_data(one: Finding) -> dict[str, Any]:
    """Return a finding as plain data."""
    return {
        'check': one.check,
        'level': one.level.value,
        'subject': one.subject,
        'found': one.found,
        'mend': one.mend,
    }
