"""``fournex recover``: make a proper bag of a recording that was not finished."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from ..record.recovery import Recovery, recover, words_of
from .parser import Parser
from .words import utc


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'recover',
        'Make a proper bag of a recording that was not finished: after a SIGKILL of the recorder '
        'or a power cut.\nFiles that were cut off are written again with summary and index, and '
        'metadata.yaml anew; it says what is missing.\nWhat is whole stays as it is.',
        (
            ('fournex recover runs/arm-0007', 'then every reader opens it'),
            ('fournex recover arm-0007_2.mcap', 'one file of it'),
        ),
    )
    found.add_argument('bag', metavar='BAG', type=pathlib.Path, help='the recording')
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    options = parser().parse(arguments)
    print(told(recover(options.bag)))
    return 0


def told(found: Recovery) -> str:
    """Return what became of a bag, in words."""
    lines = [f'{found.bag}: {sum(found.counts.values())} messages']
    if found.end_ns is not None:
        lines[0] += f', the last of {utc(found.end_ns)}'
    for name, unused in found.mended.items():
        cut = f'; its last {unused} bytes were part of a chunk' if unused else ''
        lines.append(f'  {name}: was cut off, has its end now{cut}')
    for name in found.aside:
        lines.append(f'  {name}: nothing in it can be read; put aside')
    for name in found.before:
        lines.append(f'  {name}: was cut off when it was recovered before')
    for name in found.gone:
        lines.append(f'  {name}: is not there, and metadata.yaml had it')
    if not (found.mended or found.aside or found.before or found.gone):
        lines.append('  no file was cut off')
    for what, counts in (
        ('missing of what metadata.yaml had', found.lost),
        ('missing between the first and the last', found.missing),
        ('lost while it was recorded', found.dropped),
    ):
        if counts:
            lines.append(f'  {what}: {", ".join(words_of(counts))}')
    told = found.gone or found.lost
    if (found.mended or found.aside or found.before) and not told:
        lines.append('  missing at the end: what came after that, which nothing here knows')
    elif not (told or found.missing or found.dropped):
        lines.append('  nothing is missing between the first message and the last')
    return '\n'.join(lines)
