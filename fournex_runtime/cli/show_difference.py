"""What two recordings differ in, as text and as plain data."""

from __future__ import annotations

import pathlib
from array import array
from typing import Any

import numpy as np

from ..record.recording_difference import (
    EpisodeDifference,
    RecordingDifference,
    SessionDifference,
)
from ..record.verification import Divergence
from .show_verification import deviation_table
from .table import table
from .words import duration

_EPISODES_SHOWN = 20
_LONGEST_CELL = 60
_PERCENTILES = {'p50': 50, 'p99': 99, 'max': 100}


def show_difference(found: RecordingDifference, before: pathlib.Path, after: pathlib.Path) -> str:
    """
    Return a comparison of two recordings as tables.

    :param found: the comparison.
    :param before: the first recording.
    :param after: the second one.
    """
    head = [f'first   {before}', f'second  {after}', *found.problems]
    parts = ['\n'.join(head), _configuration(found)]
    parts += [_session(one) for one in found.sessions]
    return '\n\n'.join(parts)


def _configuration(found: RecordingDifference) -> str:
    if not found.configuration:
        return 'configuration: the same policies, wiring, versions and machine'
    rows = [(one.where, _cut(one.before), _cut(one.after)) for one in found.configuration]
    return 'configuration\n' + table(('what', 'first', 'second'), rows)


def _session(one: SessionDifference) -> str:
    lines = [f'session {one.name}: {one.compared} ticks in both']
    if one.only_before or one.only_after:
        lines[0] += f', {one.only_before} in the first alone, {one.only_after} in the second alone'
    rows = [
        (
            stage,
            str(count.equal),
            str(count.unequal) if count.unequal else '—',
            '' if count.first is None else f'tick {count.first.tick}: {count.first.words}',
        )
        for stage, count in one.stages.items()
    ]
    parts = ['\n'.join(lines) + '\n' + table(('stage', 'equal', 'unequal', 'first'), rows)]
    if one.deviations:
        parts.append('errors\n' + deviation_table(one.deviations))
    parts += [_episodes(one), _timings(one)]
    return '\n\n'.join(parts)


def _episodes(one: SessionDifference) -> str:
    episodes = list(one.episodes.values())
    rows = [
        (
            episode.name or '—',
            str(episode.compared),
            _alone(episode),
            _parting(episode),
            '' if episode.first is None else episode.first.stage,
        )
        for episode in episodes[:_EPISODES_SHOWN]
    ]
    header = ('episode', 'ticks in both', 'in one alone', 'they part at', 'stage')
    more = len(episodes) - len(rows)
    text = 'episodes\n' + table(header, rows)
    return text + (f'\n  and {more} more episodes' if more > 0 else '')


def _parting(episode: EpisodeDifference) -> str:
    if episode.first is None:
        return 'nowhere' if episode.compared else '—'
    return f'tick {episode.first.tick} of it'


def _alone(episode: EpisodeDifference) -> str:
    sides = (('first', episode.only_before), ('second', episode.only_after))
    return ', '.join(f'{side} {count}' for side, count in sides if count) or '—'


def _timings(one: SessionDifference) -> str:
    header = ('time', *(f'{name} {side}' for name in _PERCENTILES for side in ('first', 'second')))
    rows = []
    for name, sides in one.timings.items():
        if not any(sides):
            continue
        first, second = (_percentiles(values) for values in sides)
        cells = [duration(value[at]) if value else '—' for at in _PERCENTILES
                 for value in (first, second)]  # fmt: skip
        rows.append((name.removesuffix('_ns'), *cells))
    return 'timing\n' + table(header, rows)


def _percentiles(values: array[int]) -> dict[str, int]:
    """Return percentiles in nanoseconds; none of no values."""
    if not values:
        return {}
    numbers = np.percentile(np.frombuffer(values, np.int64), list(_PERCENTILES.values()))
    return {name: round(value) for name, value in zip(_PERCENTILES, numbers.tolist())}


def difference_json(found: RecordingDifference) -> dict[str, Any]:
    """Return the same as plain data."""
    return {
        'same': found.same,
        'problems': list(found.problems),
        'configuration': [vars(one) for one in found.configuration],
        'sessions': {one.name: _session_json(one) for one in found.sessions},
    }


def _session_json(one: SessionDifference) -> dict[str, Any]:
    return {
        'same': one.same,
        'compared': one.compared,
        'only_first': one.only_before,
        'only_second': one.only_after,
        'stages': {
            stage: {
                'equal': count.equal,
                'unequal': count.unequal,
                'first': _divergence_json(count.first),
            }
            for stage, count in one.stages.items()
        },
        'errors': [vars(deviation) for deviation in one.deviations],
        'episodes': [
            {
                'episode': episode.name,
                'compared': episode.compared,
                'only_first': episode.only_before,
                'only_second': episode.only_after,
                'first': _divergence_json(episode.first),
            }
            for episode in one.episodes.values()
        ],
        'timing': {
            name: {'first': _percentiles(sides[0]), 'second': _percentiles(sides[1])}
            for name, sides in one.timings.items()
        },
    }


def _divergence_json(one: Divergence | None) -> dict[str, Any] | None:
    return None if one is None else vars(one)


def _cut(text: str) -> str:
    line = ' '.join(text.split())
    return line if len(line) <= _LONGEST_CELL else line[: _LONGEST_CELL - 1] + '…'
