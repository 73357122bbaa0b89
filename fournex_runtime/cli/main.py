"""
The command ``fournex``: finds the verb, runs it, turns errors into messages and exit statuses.

Each verb is a module of this package with ``main(arguments) -> int``, imported when it is asked
for, so that help costs nothing.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from ..configuration import nearest
from ..errors import FournexError

REFUSED = 2
INTERRUPTED = 130

VERBS = {
    'demo': 'drive a simulated robot with its trained policy over real ROS 2, and verify it',
    'doctor': 'look at the live robot and name what does not fit the policy; nothing moves',
    'run': 'drive your robot: host the sessions of a wiring file',
    'guard': 'publish the stop commands where a runtime was killed',
    'top': 'show the live sessions: mode, rate, lateness, ages, faults',
    'replay': 'run a recording again and compare it with what happened, bit for bit',
    'diff': 'compare two recordings: configuration, and tick by tick where they part',
    'import': 'make a policy bundle of what a training left behind',
    'recover': 'make a proper bag of a recording that was not finished',
    'report': 'write a recording as one page with all its curves, for a browser',
    'inspect': 'show what is in a policy bundle, a wiring file or a recording',
    'policies': 'keep policies by name and version: list, compare, verify, approve',
    'evaluate': "count how often a policy succeeds at a simulated robot's task",
}
_MODULES = {'import': 'import_artifact'}
"""Modules of verbs that are no names in Python."""
_GROUPS = {
    'Bring a policy': ('import', 'policies'),
    'Drive a robot': ('demo', 'doctor', 'run', 'guard', 'top'),
    'Understand what happened': ('replay', 'diff', 'report', 'inspect', 'recover'),
    'Judge a policy': ('evaluate',),
}
_EXAMPLES = {
    'fournex demo': 'a rover drives to three goals, in about 20 s',
    'fournex import policy.zip': 'asks for what the artifact does not say',
    'fournex doctor wiring.yaml': 'before the robot moves: what is wired wrong?',
    'fournex run wiring.yaml --record runs': 'drive, and record every tick',
    'fournex replay runs/rover-0001': 'the same ticks again, from the recorded messages',
    'fournex diff runs/r-0001 runs/r-0002': 'two runs: where do they part?',
    'fournex policies diff walk@7 walk@8': 'what differs, value by value',
    'fournex inspect my_policy/': "the policy's contract, to check by eye",
    'fournex evaluate rover --episodes 20': 'twenty rooms, no ROS needed',
}


def usage() -> str:
    """Return the text of ``fournex --help``."""
    lines = [
        'usage: fournex VERB …',
        '',
        'Your trained policy, on your robot, at its rate, with every tick explained and',
        'repeatable.',
    ]
    for title, verbs in _GROUPS.items():
        lines += ['', f'{title}:', *(f'  {verb:<10}{VERBS[verb]}' for verb in verbs)]
    lines += ['', 'Examples:']
    for command, what in _EXAMPLES.items():
        lines.append(f'  {command:<45}{what}')
    lines += [
        '',
        'fournex VERB --help explains one of them.',
        'Exit status: 0 all is well; 1 a comparison or evaluation failed; 2 bad input, refused.',
    ]
    return '\n'.join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command line and return its exit status.

    :param arguments: without the program's name; those of the process if left out.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _dispatch(words)
        sys.stdout.flush()
    except FournexError as problem:
        print(problem, file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ('-h', '--help', 'help'):
        print(usage())
        return 0 if words else REFUSED
    if words[0] == '--version':
        from .. import __version__

        print(f'fournex {__version__}')
        return 0
    if words[0] not in VERBS:
        print(
            f'fournex: {words[0]!r} is not a verb.{nearest(words[0], list(VERBS))}\n'
            'See: fournex --help',
            file=sys.stderr,
        )
        return REFUSED
    module = _MODULES.get(words[0], words[0])
    verb = importlib.import_module(f'fournex_runtime.cli.{module}')
    return int(verb.main(words[1:]))


if __name__ == '__main__':
    sys.exit(main())
