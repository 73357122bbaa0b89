"""``fournex top``: the live sessions, as ``top`` shows processes."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..session.blame import blame_words
from ..session.silence import NO_TICK
from ..session.tick import Mode
from .parser import Parser, positive
from .ros_imports import needing_ros
from .table import number, table
from .words import duration

_GONE_S = 2.0
"""A session that was silent for so long is shown as gone; its status comes 5 times a second."""
_FORGOTTEN_S = 10.0
_PATIENCE_S = 8.0
"""How long the first session may take to be discovered."""
_SETTLED_S = 1.0
_TO_TOP, _CLEAR_LINE, _CLEAR_BELOW = '\x1b[H', '\x1b[K', '\x1b[J'


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'top',
        'Show every session on the ROS graph: mode, rate, lateness, inference time, ages, faults. '
        'Without a\nterminal, or with --once, one table and the end; exit status 1 if there is no '
        'session, or one is stopped or has no ticks.',
        (
            ('fournex top', 'until Ctrl-C'),
            ('fournex top --once', 'for a script, or a look'),
        ),
    )
    found.add_argument('--once', action='store_true', help='one table, then end')
    found.add_argument(
        '--every', type=positive, default=1.0, metavar='S', help='seconds between two (default 1)'
    )
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    options = parser().parse(arguments)
    with needing_ros('looking at sessions'):
        from ..ros.status_watch import StatusWatch
    with StatusWatch(['top']) as watch:
        if options.once or not sys.stdout.isatty():
            print('looking for sessions …', file=sys.stderr, flush=True)
            end = time.monotonic() + _PATIENCE_S
            while not watch.newest and time.monotonic() < end:
                watch.listen(_SETTLED_S)
            watch.listen(_SETTLED_S)
            print(sessions_table(watch.newest, time.monotonic()))
            return 0 if watch.newest and not any(map(_fails, watch.newest.values())) else 1
        sys.stdout.write('\x1b[2J')
        while True:
            watch.listen(options.every)
            watch.forget(_FORGOTTEN_S)
            lines = sessions_table(watch.newest, time.monotonic()).splitlines()
            text = ''.join(f'{line}{_CLEAR_LINE}\n' for line in lines)
            sys.stdout.write(f'{_TO_TOP}{text}{_CLEAR_BELOW}')
            sys.stdout.flush()


def sessions_table(newest: Mapping[str, tuple[float, Any]], now_s: float) -> str:
    """
    Return the sessions as a table; below it who is chosen, and why those do not act that do not.

    :param newest: by topic, when the newest ``fournex_msgs/SessionStatus`` came, and it.
    :param now_s: now, on the same clock.
    """
    if not newest:
        return 'no session: nobody publishes fournex_msgs/msg/SessionStatus'
    header = ('session', 'policy', 'mode', 'Hz', 'of', 'late p50', 'p99', 'max', 'infer p50',
              'p99', 'oldest input', 'skipped', 'faults', 'episode', 'return')  # fmt: skip
    rows, causes = [], []
    for topic, (came_s, status) in sorted(newest.items()):
        name = topic.removesuffix('/status')
        rows.append(_row(name, status, gone=now_s - came_s > _GONE_S))
        if status.chosen:
            causes.append(f'{name}: {status.chosen} is chosen in place of {status.policy}')
        if status.cause:
            causes.append(f'{name}: {status.cause}')
        if status.blame:
            place = status.stages.index(status.blame)
            taken = status.stage_p50[place], status.stage_p99[place]
            causes.append(f'{name}: {blame_words(status.blame, *taken, status.period)}')
        if status.recording_dropped:
            causes.append(f'{name}: the recording lost {status.recording_dropped} messages')
    return '\n'.join([table(header, rows, ''), *causes])


def _fails(newest: tuple[float, Any]) -> bool:
    _, status = newest
    return status.mode == Mode.STOPPED or _silent(status)


def _silent(status: Any) -> bool:
    return bool(status.rate == 0.0 and status.cause.startswith(NO_TICK))


def _row(name: str, status: Any, gone: bool) -> tuple[str, ...]:
    mode = 'gone' if gone else 'no tick' if _silent(status) else Mode(status.mode).name.lower()
    ages = [(age, topic) for age, topic in zip(status.input_ages, status.inputs) if age >= 0.0]
    age, oldest = max(ages, default=(0.0, '—'))
    times = (
        status.lateness_p50, status.lateness_p99, status.lateness_max, status.infer_p50,
        status.infer_p99,
    )  # fmt: skip
    return (
        name,
        status.acting or status.policy,
        mode,
        f'{status.rate:.2f}',
        f'{1.0 / status.period:g}',
        *(duration(round(seconds * 1e9)) for seconds in times),
        f'{oldest} {duration(round(age * 1e9))}' if ages else '—',
        str(status.overruns),
        str(status.faults),
        f'{status.episode} {status.episode_tick}',
        number(status.episode_return),
    )
