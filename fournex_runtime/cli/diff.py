"""``fournex diff``: two recordings compared, configuration and tick by tick."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

from ..record.recording_difference import recording_difference
from .parser import Parser
from .progress import Progress
from .show_difference import difference_json, show_difference

DIFFERENT = 1


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'diff',
        'Compare two recordings: what of policies, wiring, versions and machine differs; then, '
        'tick by tick of\neach episode, where they part and in which stage (inputs, observation, '
        'raw action, safe action,\ncommand), by how much, and their timing. Exit status 0: the '
        'same ticks of the same configuration,\n1: not.',
        (
            ('fournex diff runs/rover-0001 runs/rover-0002', ''),
            ('fournex diff runs/rover-0001 runs/rover-0002 --json', 'the same for a program'),
        ),
    )
    found.add_argument('before', metavar='BAG1', type=pathlib.Path, help='a recording')
    found.add_argument('after', metavar='BAG2', type=pathlib.Path, help='another one')
    found.add_argument('--json', action='store_true', help='print what is found as JSON')
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    options = parser().parse(arguments)
    progress = Progress('comparing')
    try:
        found = recording_difference(options.before, options.after, progress.update)
    finally:
        progress.clear()
    if options.json:
        print(json.dumps(difference_json(found), indent=2, ensure_ascii=False))
    else:
        print(show_difference(found, options.before, options.after))
    return 0 if found.same else DIFFERENT
