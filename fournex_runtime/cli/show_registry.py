"""A registry as a table, and the difference of two bundles as another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..policy.bundle import Bundle
from ..policy.bundle_difference import Difference
from ..policy.registry import Entry
from .table import facts, table
from .words import hertz, utc

_HASH = 12
_LONGEST_CELL = 32


def entries_table(entries: Sequence[Entry]) -> str:
    """Return one line a version, and the problems of those that cannot be read."""
    rows = []
    for one in entries:
        contract = one.contract
        rows.append(
            (
                one.reference,
                '' if contract is None else hertz(contract.period_ns),
                '' if contract is None else contract.artifact.backend,
                one.sha256[:_HASH],
                utc(one.added_ns)[:16] if one.added_ns else '',
                _approved(one),
                'UNREADABLE' if one.problem else contract.description if contract else '',
            )
        )
    header = ('policy', 'rate', 'backend', 'sha256', 'added (UTC)', 'approved by', '')
    lines = [table(header, rows, '')]
    lines += [f'\n{one.reference}: {one.problem}' for one in entries if one.problem]
    return '\n'.join(lines)


def entries_json(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the same as plain data."""
    return [
        {
            'reference': one.reference,
            'name': one.name,
            'version': one.version,
            'sha256': one.sha256,
            'folder': str(one.folder),
            'added_ns': one.added_ns,
            'period_ns': None if one.contract is None else one.contract.period_ns,
            'backend': None if one.contract is None else one.contract.artifact.backend,
            'approved': None if one.card is None else one.card.tree().get('approved'),
            'problem': one.problem,
        }
        for one in entries
    ]


def differences_table(
    before: Bundle, after: Bundle, found: Sequence[Difference], network: str
) -> str:
    """Return what differs, fact by fact."""
    head = facts(
        tuple(
            (name, f'{one.contract.reference}  {one.sha256[:_HASH]}…  {one.folder}')
            for name, one in (('before', before), ('after', after))
        )
        + (('network', network or 'the same'),)
    )
    if not found:
        return f'{head}\n\nNothing else differs.'
    rows = [
        (one.where, one.before, one.after)
        for one in found
        if max(len(one.before), len(one.after)) <= _LONGEST_CELL
    ]
    parts = [head, table(('what', 'before', 'after'), rows, '')] if rows else [head]
    parts += [
        f'{one.where}\n  before  {one.before}\n  after   {one.after}'
        for one in found
        if max(len(one.before), len(one.after)) > _LONGEST_CELL
    ]
    return '\n\n'.join(parts)


def _approved(entry: Entry) -> str:
    if entry.card is None:
        return '' if entry.problem else '(no card)'
    approved = entry.card.approved
    return 'nobody' if approved is None else f'{approved.by}, {approved.date}'
