"""What another version of a policy would have done, as text."""

from __future__ import annotations

import numpy as np

from ..record.comparison import Comparison, ValueComparison
from .table import number, table


def show_comparison(found: Comparison) -> str:
    """Return one session's comparison: a line of counts, and a row a value."""
    lines = [
        f'{found.session}: {found.recorded} against {found.other} on {found.compared} of '
        f'{found.ticks} recorded ticks'
    ]
    if found.idle:
        lines.append(f'  {_ticks(found.idle)} in which the recorded policy did not act')
    if found.seconds:
        lines.append(f'  {_ticks(found.seconds)} of those compared are of a second policy')
    if found.left_out:
        lines.append(
            f'  {_ticks(found.left_out)} of a second policy that {found.other} would not have '
            'asked are left out'
        )
    if found.unknown:
        lines.append(
            f'  {_ticks(found.unknown)} that are not in the bag with all their messages: nobody '
            'knows what the other version would have done'
        )
    if found.refused:
        lines.append(
            f'  {_ticks(found.refused).upper()} IN WHICH {found.other} WOULD NOT HAVE ACTED, '
            f'the first: {found.first_refusal}'
        )
    if found.only_one:
        lines.append(f'  commanded by one of them only: {", ".join(found.only_one)}')
    if found.own_last_actions:
        lines.append('  its last action is its own, since its outputs are others than recorded')
    header = ('term', 'value', 'unit', 'mean |Δ|', 'p50', 'p99', 'max', 'at tick', 'first Δ')
    terms = ['', *(one.term for one in found.values)]
    rows = [_row(one, one.term if one.term != before else '')
            for one, before in zip(found.values, terms)]  # fmt: skip
    return '\n'.join([*lines, table(header, rows)])


def _ticks(count: int) -> str:
    return '1 tick' if count == 1 else f'{count} ticks'


def _row(one: ValueComparison, term: str) -> tuple[str, ...]:
    error = one.error
    if not error.size:
        return (term, one.label, one.unit, *['—'] * 6)
    p50, p99 = np.percentile(error, [50, 99])
    greatest, tick = one.greatest
    return (
        term,
        one.label,
        one.unit,
        number(float(error.mean())),
        number(float(p50)),
        number(float(p99)),
        number(greatest),
        str(tick) if greatest else '—',
        str(one.first) if one.first >= 0 else '—',
    )
