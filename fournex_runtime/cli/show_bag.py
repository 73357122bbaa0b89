"""A recording as text: topics, manifest, and how each session did."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..session.tick import Mode
from .recorded_run import RecordedRun, RecordedSession
from .table import facts, number, table
from .words import duration, utc

_EPISODES_SHOWN = 20
_CAUSES_SHOWN = 5


def show_bag(run: RecordedRun) -> str:
    """Return what a recording holds."""
    parts = [_head(run), _topics(run)]
    for session in run.sessions:
        parts.append(_session(session))
    if run.manifest is not None:
        parts.append(
            'written with\n' + table(('what', 'which'), sorted(run.manifest.environment.items()))
        )
    else:
        parts.append('No manifest: Fournex did not write this bag, so it has no ticks to replay.')
    return '\n\n'.join(parts)


def _head(run: RecordedRun) -> str:
    span_ns = run.last_ns - run.first_ns
    count = sum(topic.count for topic in run.topics.values())
    missing = sum(topic.missing for topic in run.topics.values())
    lost = ', '.join(f'{count} of {topic}' for topic, count in sorted(run.dropped.items()))
    manifest = run.manifest
    return facts(
        (
            (
                'bag',
                f'{run.path}'
                + (f'  NOT WHOLE: {run.problem}' if run.problem else '')
                + ('  WAS CUT OFF, and then recovered' if run.recovered else ''),
            ),
            ('set off by', run.cause),
            ('before it', _before(run)),
            ('begun', utc(run.first_ns) if count else ''),
            ('duration', f'{span_ns * 1e-9:.1f} s, {count} messages'),
            (
                'dropped',
                f'{lost}, as they were recorded'
                if lost
                else f'{missing} messages'
                if missing
                else 'nothing: every number is there'
                if manifest is not None and not run.problem
                else '',
            ),
            (
                'never came',
                ', '.join(f'{count} of {topic}' for topic, count in sorted(run.missed.items())),
            ),
            ('runtime', manifest.runtime if manifest is not None else ''),
            ('wiring', manifest.wiring_file if manifest is not None else ''),
        )
    )


def _before(run: RecordedRun) -> str:
    """Return in words which files of the recording come before what is shown."""
    if not run.deleted:
        return ''
    files = f'{run.deleted} file{"s" if run.deleted > 1 else ""} of the recording'
    return files + (', not looked at' if run.path.is_file() else ', deleted to make room')


def _topics(run: RecordedRun) -> str:
    rows = [
        (
            name,
            topic.type,
            str(topic.count),
            f'{topic.rate:.1f}' if topic.rate else '—',
            str(topic.missing) if topic.missing else '—',
        )
        for name, topic in sorted(run.topics.items())
    ]
    return table(('topic', 'type', 'messages', 'Hz', 'missing'), rows, '')


def _session(session: RecordedSession) -> str:
    one = session.manifest
    head = f'session {one.name}: {one.policy} ({one.bundle_sha256[:12]}…), from {one.bundle}'
    if not session.ticks:
        return f'{head}\n  no ticks'
    parts = [head, _figures(session), _times(session), _episodes(session)]
    causes = Counter(
        tick.cause for tick in session.ticks if tick.cause and tick.mode != Mode.STANDBY
    )
    if causes:
        rows = [(str(count), cause) for cause, count in causes.most_common(_CAUSES_SHOWN)]
        parts.append(table(('ticks', 'cause'), rows))
    return '\n\n'.join(parts)


def _figures(session: RecordedSession) -> str:
    ticks = session.ticks
    seconds = session.seconds()
    span_s = float(seconds[-1])
    modes = Counter(Mode(tick.mode).name.lower() for tick in ticks)
    limited = sum(bool(tick.limited) for tick in ticks)
    rate = f'{(len(ticks) - 1) / span_s:.2f} Hz' if span_s > 0 else ''
    skipped = int(session.column('timing', 'skipped').sum())
    return facts(
        (
            (
                '  ticks',
                f'{len(ticks)} ({ticks[0].tick} to {ticks[-1].tick})'
                + (f', {session.missing} missing' if session.missing else ''),
            ),
            ('  rate', f'{rate}, {skipped} releases skipped' if rate else ''),
            ('  modes', ', '.join(f'{mode} {count}' for mode, count in modes.most_common())),
            ('  limited', f'{limited} ticks had a command cut to its limits' if limited else ''),
        )
    )


def _times(session: RecordedSession) -> str:
    rows = []
    for name, label in (
        ('lateness_ns', 'release lateness'),
        ('wait_ns', 'waiting'),
        ('take_ns', 'taking messages'),
        ('decode_ns', 'decoding'),
        ('observe_ns', 'observing'),
        ('infer_ns', 'inference'),
        ('conclude_ns', 'concluding'),
        ('publish_ns', 'publishing'),
        ('record_ns', 'accounts and record'),
    ):
        rows.append((label, *_percentiles(session.column('timing', name))))
    for source, topic in enumerate(session.manifest.input_topics):
        ages = session.ages_ns(source)
        known = ages[[one.inputs[source].last_index > 0 for one in session.ticks]]
        rows.append((f'age of {topic}', *_percentiles(known)))
    return table(('time', 'p50', 'p95', 'p99', 'max'), rows)


def _percentiles(values_ns: NDArray[np.int64]) -> Sequence[str]:
    if len(values_ns) == 0:
        return ('—',) * 4
    found = np.percentile(values_ns, (50, 95, 99, 100)).tolist()
    return [duration(round(value)) for value in found]


def _episodes(session: RecordedSession) -> str:
    rows = []
    grouped = itertools.groupby(session.ticks, lambda tick: (tick.episode, tick.episode_seed))
    for (name, seed), group in grouped:
        ticks = list(group)
        faults = sum(
            tick.mode in (Mode.FALLBACK, Mode.STOPPED) and not tick.stop_requested
            for tick in ticks
        )
        rows.append(
            (
                name,
                str(seed),
                str(len(ticks)),
                number(float(ticks[-1].episode_return)),
                str(faults),
                Mode(ticks[-1].mode).name.lower(),
            )
        )
    more = len(rows) - _EPISODES_SHOWN
    shown = table(
        ('episode', 'seed', 'ticks', 'return', 'faults', 'ended in'), rows[:_EPISODES_SHOWN]
    )
    return shown + (f'\n  and {more} more episodes' if more > 0 else '')
