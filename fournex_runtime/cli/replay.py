"""``fournex replay``: run a recording again and compare it with what happened, bit for bit."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

from ..errors import ConfigurationError
from ..record.replay import Verification, verify
from .parser import Parser
from .progress import Progress

FAILED = 1
_ASPECTS = {
    'observations': 'observations',
    'raw_actions': 'raw actions',
    'safe_actions': 'safe actions',
    'commands': 'commands',
}


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'replay',
        'Run every tick of a recording again, from the recorded messages and through the code '
        'that runs live,\nand compare observation, raw action, safe action and command bit for '
        'bit.',
        (
            ('fournex replay runs/today', 'exit status 1 and the first difference, if any'),
            ('fournex replay runs/today --bundle walk_8/', 'where the bundle has moved to'),
        ),
    )
    found.add_argument('bag', metavar='BAG', type=pathlib.Path, help='the recording')
    found.add_argument(
        '--verify', action='store_true', help='compare; what replay does in any case, for now')
    found.add_argument(
        '--bundle', metavar='[SESSION=]DIR', action='append', default=[],
        help='take the policy bundle from here, not from where it was on the recording machine')
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    options = parser().parse(arguments)
    return replay(options.bag, _bundles(options.bag, options.bundle))


def replay(bag: pathlib.Path, bundles: Mapping[str, pathlib.Path], prefix: str = '') -> int:
    """
    Verify a recording and print what came of it; returns the exit status.

    :param bag: the recording.
    :param bundles: policy bundles by session, for those that are not where they were.
    :param prefix: put before the first line.
    """
    progress = Progress('replaying')
    try:
        found = verify(bag, bundles, progress.update)
    finally:
        progress.clear()
    for one in found:
        print(prefix + summary(bag, one))
        if one.first_difference:
            print(f'first difference: {one.first_difference}')
    return FAILED if any(one.first_difference for one in found) else 0


def summary(bag: pathlib.Path, found: Verification) -> str:
    """Return the counts of one session in one line."""
    parts = []
    for field, words in _ASPECTS.items():
        equal, unequal, unverifiable = getattr(found, field)
        text = f'{words} {equal} equal'
        if unequal:
            text += f', {unequal} UNEQUAL'
        if unverifiable:
            text += f', {unverifiable} unverifiable'
        parts.append(text)
    return f'replaying {found.ticks} ticks of {found.session} from {bag}: ' + '; '.join(parts)


def _bundles(bag: pathlib.Path, words: Sequence[str]) -> dict[str, pathlib.Path]:
    """Return the bundles by session; a lone folder is that of the only session."""
    found = {}
    for word in words:
        session, separator, folder = word.partition('=')
        if not separator:
            session, folder = _only_session(bag), word
        found[session] = pathlib.Path(folder)
    return found


def _only_session(bag: pathlib.Path) -> str:
    from .recorded_run import read_manifest

    names = [session.name for session in read_manifest(bag).sessions]
    if len(names) != 1:
        raise ConfigurationError(
            f'{bag} has {len(names)} sessions: say whose bundle it is: --bundle '
            f'{names[0] if names else "SESSION"}=DIR')
    return names[0]
