"""``fournex replay``: run a recording again and compare it with what happened, bit for bit."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

from ..errors import ConfigurationError
from ..policy.registry import locate_bundle
from ..record.bag_reader import BagReader
from ..record.replay import Verification, read_manifest, verify
from .parser import Parser
from .progress import Progress

FAILED = 1


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
        '--verify', action='store_true', help='compare; what replay does in any case, for now'
    )
    found.add_argument(
        '--bundle',
        metavar='[SESSION=]BUNDLE',
        action='append',
        default=[],
        help='take the policy from this folder or name@version; left out, it is looked for where '
        'it was at the recording, then by its hash in the registry',
    )
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
    several = len(found) > 1
    with BagReader(bag) as reader:
        if reader.truncated:
            print(f'{bag} is cut off; what is there of it is compared')
    for one in found:
        print(prefix + summary(bag, one, several))
        if one.first_difference:
            print(f'first difference: {one.first_difference}')
        if not one.all_equal:
            for words in one.environment:
                print(f'other than at the recording: {words}')
    return 0 if all(one.all_equal for one in found) else FAILED


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


def _bundles(bag: pathlib.Path, words: Sequence[str]) -> dict[str, pathlib.Path]:
    """Return the bundles by session; a lone folder is that of the only session."""
    found = {}
    for word in words:
        session, separator, folder = word.partition('=')
        if not separator:
            session, folder = _only_session(bag), word
        found[session] = locate_bundle(folder)
    return found


def _only_session(bag: pathlib.Path) -> str:
    with BagReader(bag) as reader:
        names = [session.name for session in read_manifest(reader, reader.types()).sessions]
    if len(names) != 1:
        raise ConfigurationError(
            f'{bag} has {len(names)} sessions: say whose bundle it is: --bundle '
            f'{names[0] if names else "SESSION"}=DIR'
        )
    return names[0]
