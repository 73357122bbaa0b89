"""``fournex replay``: run a recording again and compare it with what happened, bit for bit."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable, Mapping, Sequence

from ..configuration import nearest
from ..errors import ConfigurationError
from ..policy.registry import locate_bundle
from ..record.bag_reader import BagReader
from ..record.compare import compare
from ..record.recorded_configuration import read_manifest
from ..record.replay import verify
from ..record.selection import ALL_TICKS, Selection
from ..record.session_replay import ReplayedTick
from ..record.verification import Verification
from .parser import Parser, fraction, not_negative, whole_number
from .progress import Progress
from .show_comparison import show_comparison
from .show_tick import show_tick
from .show_verification import differences, summary

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
            (
                'fournex replay runs/today --tick 200',
                'all of one tick: what was seen, wanted, sent',
            ),
            ('fournex replay runs/today --from 100 --to 250', 'compare a part of it'),
            ('fournex replay runs/today --policy walk@8', 'what another version would have done'),
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
    found.add_argument(
        '--tick', type=whole_number(0), metavar='N', help='show this tick, and compare it'
    )
    found.add_argument(
        '--from',
        type=whole_number(0),
        metavar='N',
        dest='first',
        help='the first tick to compare',
    )
    found.add_argument(
        '--to', type=whole_number(0), metavar='N', dest='last', help='the last tick to compare'
    )
    found.add_argument('--episode', default='', metavar='ID', help='compare this episode only')
    found.add_argument(
        '--policy',
        metavar='[SESSION=]OTHER',
        action='append',
        default=[],
        help='do not verify: run this policy (a folder, or name@version) on the recorded inputs, '
        'one step at a time, and compare what it would have sent',
    )
    found.add_argument(
        '--wiring', type=pathlib.Path, metavar='OTHER', help='the same with another wiring file'
    )
    found.add_argument(
        '--max-error',
        type=not_negative,
        metavar='X',
        help='with these: exit status 1 if a value differs by more than this, in its unit; '
        "without: by how much the network's outputs may differ, on another machine for instance",
    )
    found.add_argument(
        '--max-unverifiable',
        type=fraction,
        metavar='SHARE',
        help='how many of the ticks may be unverifiable before the exit status is 1, from 0 to 1 '
        '(0.001: one of a thousand); left out: none',
    )
    found.add_argument('--session', default='', metavar='NAME', help='with --tick: show only its')
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    options = parser().parse(arguments)
    _refuse_what_goes_nowhere(options)
    bundles = _bundles(options.bag, options.bundle)
    if options.tick is not None:
        return show(options.bag, bundles, options.tick, options.session)
    selection = Selection(options.first or 0, options.last, options.episode)
    if options.policy or options.wiring is not None:
        others = _bundles(options.bag, options.policy, '--policy')
        return against(
            options.bag,
            others,
            options.wiring,
            bundles,
            selection,
            options.max_error,
            options.max_unverifiable or 0.0,
        )
    return replay(
        options.bag,
        bundles,
        selection,
        max_error=options.max_error,
        max_unverifiable=options.max_unverifiable or 0.0,
    )


def _refuse_what_goes_nowhere(options: argparse.Namespace) -> None:
    """Refuse options that would be passed over beside others."""
    if options.tick is not None:
        what = '--tick is one tick, as it was recorded'
        others = {
            '--from': options.first,
            '--to': options.last,
            '--episode': options.episode or None,
            '--policy': options.policy or None,
            '--wiring': options.wiring,
            '--max-error': options.max_error,
            '--max-unverifiable': options.max_unverifiable,
        }
    elif options.policy or options.wiring is not None:
        what = '--policy and --wiring compare with another version'
        others = {'--verify': options.verify or None, '--session': options.session or None}
        if options.max_error is None and options.max_unverifiable is not None:
            raise ConfigurationError(
                '--max-unverifiable: a comparison fails with --max-error only'
            )
    else:
        what = 'without --tick every session is compared'
        others = {'--session': options.session or None}
    given = [flag for flag, value in others.items() if value is not None]
    if given:
        raise ConfigurationError(f'{what}: leave out {" and ".join(given)}')


def show(
    bag: pathlib.Path, bundles: Mapping[str, pathlib.Path], number: int, session: str = ''
) -> int:
    """
    Make one tick again and print all of it; returns the exit status.

    :param bag: the recording.
    :param bundles: policy bundles by session, for those that are not where they were.
    :param number: number of the tick.
    :param session: show only this session's.
    """
    seen: list[ReplayedTick] = []
    found = _verified(bag, bundles, Selection(number, number), seen.append)
    names = [tick.engine.wiring.name for tick in seen]
    if session and session not in names:
        raise ConfigurationError(
            f'{bag} has no tick {number} of session {session!r}.{nearest(session, names)}'
        )
    chosen = [tick for tick in seen if session in ('', tick.engine.wiring.name)]
    with BagReader(bag) as reader:
        counts = {
            one.name: reader.counts.get(one.tick_topic, 0)
            for one in read_manifest(reader, reader.types()).sessions
        }
    for tick in chosen:
        name = tick.engine.wiring.name
        if len(seen) > 1:
            print(f'session {name}')
        print(show_tick(tick, counts[name] - 1))
    wanted = {tick.engine.wiring.name for tick in chosen}
    return 0 if all(one.all_equal for one in found if one.session in wanted) else FAILED


def against(
    bag: pathlib.Path,
    policies: Mapping[str, pathlib.Path],
    wiring: pathlib.Path | None,
    bundles: Mapping[str, pathlib.Path],
    selection: Selection,
    max_error: float | None,
    max_unverifiable: float = 0.0,
) -> int:
    """
    Print what other versions would have done; returns the exit status.

    :param bag: the recording.
    :param policies: the other policy bundles by session.
    :param wiring: another wiring, or None.
    :param bundles: recorded policy bundles by session, for those that are not where they were.
    :param selection: the ticks to compare.
    :param max_error: the greatest difference that is fine; None: any.
    :param max_unverifiable: the greatest share of the ticks that may be unknown.
    """
    progress = Progress('replaying')
    try:
        found = compare(bag, policies, wiring, bundles, progress.update, selection)
    finally:
        progress.clear()
    for one in found:
        print(show_comparison(one))
    if max_error is None:
        return 0
    return FAILED if any(one.exceeds(max_error, max_unverifiable) for one in found) else 0


def _verified(
    bag: pathlib.Path,
    bundles: Mapping[str, pathlib.Path],
    selection: Selection,
    watch: Callable[[ReplayedTick], None] | None = None,
) -> list[Verification]:
    progress = Progress('replaying')
    try:
        return verify(bag, bundles, progress.update, selection, watch)
    finally:
        progress.clear()


def replay(
    bag: pathlib.Path,
    bundles: Mapping[str, pathlib.Path],
    selection: Selection = ALL_TICKS,
    prefix: str = '',
    max_error: float | None = None,
    max_unverifiable: float = 0.0,
) -> int:
    """
    Verify a recording and print what came of it; returns the exit status.

    :param bag: the recording.
    :param bundles: policy bundles by session, for those that are not where they were.
    :param selection: the ticks to compare.
    :param prefix: put before the first line.
    :param max_error: by how much the network's outputs may differ, in their units; None: not at
        all.
    :param max_unverifiable: the greatest share of the ticks that may be unverifiable.
    """
    found = [one for one in _verified(bag, bundles, selection) if one.ticks]
    several = len(found) > 1
    with BagReader(bag) as reader:
        if reader.truncated:
            print(f'{bag} is not whole: {reader.problem}; what is there of it is compared')
        elif reader.recovered:
            print(f'{bag} was cut off and then recovered; what is there of it is compared')
    for one in found:
        print(prefix + summary(bag, one, several))
        words = differences(one)
        if words:
            print(words)
    return 0 if all(one.within(max_error, max_unverifiable) for one in found) else FAILED


def _bundles(
    bag: pathlib.Path, words: Sequence[str], flag: str = '--bundle'
) -> dict[str, pathlib.Path]:
    """Return the bundles by session; a lone folder is that of the only session."""
    found = {}
    for word in words:
        session, separator, folder = word.partition('=')
        if not separator:
            session, folder = _only_session(bag, flag), word
        if session in found:
            raise ConfigurationError(f'{flag} says twice which bundle session {session!r} has')
        found[session] = locate_bundle(folder)
    return found


def _only_session(bag: pathlib.Path, flag: str) -> str:
    with BagReader(bag) as reader:
        names = [session.name for session in read_manifest(reader, reader.types()).sessions]
    if len(names) != 1:
        raise ConfigurationError(
            f'{bag} has {len(names)} sessions: say whose bundle it is: {flag} '
            f'{names[0] if names else "SESSION"}=BUNDLE'
        )
    return names[0]
