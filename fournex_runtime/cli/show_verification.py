"""What came of running a recording again, as text."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from ..record.deviations import Deviation
from ..record.verification import Verification
from .table import number, table

_SHOWN = 20


def summary(bag: pathlib.Path, found: Verification, several: bool = False) -> str:
    """
    Return the counts of one session in one line.

    :param bag: the recording.
    :param found: what came of re-running it.
    :param several: the recording has other sessions, too.
    """
    parts = []
    for stage, count in found.stages.items():
        text = f'{stage} {count.equal} equal'
        if count.unequal:
            text += f' and {count.unequal} UNEQUAL'
        if count.unverifiable:
            text += f' and {count.unverifiable} unverifiable'
        parts.append(text)
    whose = f' of session {found.session}' if several else ''
    return f'replaying {found.ticks} ticks{whose} from {bag}: {", ".join(parts)}'


def differences(found: Verification) -> str:
    """Return what was not equal, how far it is off, and what may be the reason."""
    lines = [f'first difference: {found.first_difference}'] if found.first_difference else []
    if found.deviations:
        lines.append(deviation_table(found.deviations))
    if found.all_equal:
        return '\n'.join(lines)
    lines += [f'other than at the recording: {words}' for words in found.environment]
    if found.only_inference:
        lines.append(
            'observations, limits and commands are as recorded: the network alone computes '
            'something else'
            + (
                ', as other libraries, providers and processors do (--max-error says what is fine)'
                if found.environment
                else ', and nothing of machine and software that is known to matter differs'
            )
        )
    return '\n'.join(lines)


def deviation_table(found: Sequence[Deviation]) -> str:
    """Return the greatest errors, a row a value."""
    rows = [
        (
            one.stage,
            one.name,
            one.unit,
            str(one.ticks),
            str(one.first),
            number(one.greatest),
            str(one.at),
        )
        for one in found[:_SHOWN]
    ]
    text = table(('stage', 'value', 'unit', 'ticks', 'first', 'max |Δ|', 'at tick'), rows)
    more = len(found) - len(rows)
    return text + (f'\n  and {more} more values' if more > 0 else '')
