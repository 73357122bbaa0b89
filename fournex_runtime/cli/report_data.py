"""The figures and curves of a recording, as plain data for the page of ``fournex report``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configuration import FOREVER_NS
from ..policy.contract import Contract, parse_contract
from ..session.blame import STAGE_WORDS, STAGES
from ..session.tick import Mode
from .recorded_run import RecordedRun, RecordedSession
from .report_marks import Marks
from .traces import ActionTrace, action_traces, budget_of, budgets, limits, observation_traces
from .words import duration, utc

Panel = dict[str, Any]
Columns = Callable[[NDArray[Any]], list[float | None]]

MOST_POINTS = 6000
"""Points of a curve; of longer runs least and greatest value of each stretch are shown."""
_MOST_CURVES = 12
_BINS = 60


def report_data(run: RecordedRun, marks: Sequence[Marks] = ()) -> dict[str, Any]:
    """
    Return what the page shows of a recording.

    :param run: the recording.
    :param marks: ticks to be marked on the curves.
    """
    manifest = run.manifest
    assert manifest is not None
    span_s = (run.last_ns - run.first_ns) * 1e-9
    lost = sum(topic.missing for topic in run.topics.values())
    facts = [
        ('recording', str(run.path) + (' (not whole)' if run.problem or run.recovered else '')),
        ('begun', utc(run.first_ns)),
        ('duration', f'{span_s:.1f} s'),
        ('dropped', f'{lost} messages' if lost else 'nothing'),
        ('runtime', manifest.runtime),
        ('wiring', manifest.wiring_file),
        *manifest.environment.items(),
    ]
    return {
        'title': run.path.resolve().name,
        'facts': facts,
        'sessions': [
            _session(run, one, [mark for mark in marks if mark.session == one.manifest.name])
            for one in run.sessions
            if one.ticks
        ],
    }


def _session(run: RecordedRun, session: RecordedSession, marks: Sequence[Marks]) -> dict[str, Any]:
    contract = parse_contract(session.manifest.contract)
    points, columns = thinned(len(session.ticks))
    values = action_traces(session, contract)
    return {
        'name': session.manifest.name,
        'policy': session.manifest.policy,
        'hash': session.manifest.bundle_sha256[:12],
        'summary': [*_summary(session), *((one.title, one.outcome) for one in marks)],
        'times': _times(run, session),
        't': _rounded(session.seconds()[points]),
        'tick': [int(session.ticks[point].tick) for point in points],
        'modes': _modes(session),
        'events': sorted(
            [*_events(session), *_divergences(session, marks)], key=lambda event: event['tick']
        ),
        'panels': [
            _stage_panel(session, columns),
            *_age_panels(run, session, columns),
            *_action_panels(values, limits(run, session), columns),
            *_observation_panels(session, contract, columns),
            *_return_panel(session, columns),
        ],
        'histograms': [_histogram(one) for one in values],
    }


def thinned(count: int) -> tuple[NDArray[np.int64], Columns]:
    """
    Return the ticks at which curves have points, and what takes a column to these points.

    A run of more than ``MOST_POINTS`` ticks is cut into stretches of equal length, each of which
    shows first its least and then its greatest value, so that no spike is lost.

    :param count: how many ticks there are.
    """
    if count <= MOST_POINTS:
        return np.arange(count), lambda column: _rounded(column)
    width = math.ceil(2 * count / MOST_POINTS)
    stretches = math.ceil(count / width)
    begins = np.arange(stretches) * width
    middles = np.minimum(begins + width // 2, count - 1)
    points = np.column_stack([begins, middles]).ravel()

    def extremes(column: NDArray[Any]) -> list[float | None]:
        padded = np.full(stretches * width, np.nan)
        padded[:count] = column
        rows = padded.reshape(stretches, width)
        known = ~np.isnan(rows).all(axis=1)
        both = np.full((stretches, 2), np.nan)
        both[known, 0] = np.nanmin(rows[known], axis=1)
        both[known, 1] = np.nanmax(rows[known], axis=1)
        return _rounded(both.ravel())

    return points, extremes


def _rounded(column: NDArray[Any]) -> list[float | None]:
    """Return numbers of five digits, and None for what is not finite: JSON has no NaN."""
    return [float(f'{value:.5g}') if math.isfinite(value) else None for value in column.tolist()]


def _summary(session: RecordedSession) -> list[tuple[str, str]]:
    ticks, seconds = session.ticks, float(session.seconds()[-1])
    count = len(ticks)
    modes = np.array([tick.mode for tick in ticks])
    shares = [
        f'{mode.name.lower()} {(modes == mode).sum()}' for mode in Mode if (modes == mode).any()
    ]
    limited = sum(bool(tick.limited) for tick in ticks)
    return [
        ('ticks', f'{count}' + (f' ({session.missing} missing)' if session.missing else '')),
        ('rate', f'{(count - 1) / seconds:.2f} Hz' if seconds > 0 else '—'),
        ('releases skipped', str(int(session.column('timing', 'skipped').sum()))),
        ('modes', ', '.join(shares)),
        ('limited', f'{limited} ticks had a command cut to its limits'),
        ('return of the last episode', f'{ticks[-1].episode_return:.5g}'),
    ]


def _times(run: RecordedRun, session: RecordedSession) -> list[tuple[str, ...]]:
    rows = [
        _percentiles(STAGE_WORDS.get(name, name), session.column('timing', f'{name}_ns'))
        for name in ('lateness', *STAGES)
    ]
    for source, topic in enumerate(session.manifest.input_topics):
        ages = session.ages_ns(source)
        rows.append(_percentiles(f'age of {topic}', ages[ages >= 0]))
    return rows


def _percentiles(name: str, values_ns: NDArray[np.int64]) -> tuple[str, ...]:
    if not len(values_ns):
        return (name, *['—'] * 5)
    found = np.percentile(values_ns, (50, 95, 99, 99.9, 100)).tolist()
    return (name, *(duration(round(value)) for value in found))


def _modes(session: RecordedSession) -> list[tuple[float, float, str]]:
    """Return begin, end and name of each stretch of one mode, in seconds."""
    seconds = session.seconds()
    found = []
    for mode, group in itertools.groupby(
        range(len(session.ticks)), lambda index: session.ticks[index].mode
    ):
        stretch = list(group)
        end = min(stretch[-1] + 1, len(seconds) - 1)
        name = Mode(mode).name.lower()
        found.append((float(seconds[stretch[0]]), float(seconds[end]), name))
    return found


def _events(session: RecordedSession) -> list[dict[str, Any]]:
    """Return beginnings of episodes, which policy was chosen, changes of mode and why."""
    found = []
    before, chosen = None, ''
    for second, tick in zip(session.seconds().tolist(), session.ticks):
        at = {'t': round(second, 4), 'tick': int(tick.tick)}
        if tick.episode_start:
            words = f'{tick.episode} begins, seed {tick.episode_seed}'
            found.append({**at, 'kind': 'episode', 'words': words})
        other = getattr(tick, 'chosen', '')  # schema 2 has none
        if other != chosen:
            words = f'{other or session.manifest.policy} is chosen'
            found.append({**at, 'kind': 'choice', 'words': words})
            chosen = other
        if tick.mode != before:
            name = Mode(tick.mode).name.lower()
            words = f'{name}: {tick.cause}' if tick.cause else name
            found.append({**at, 'kind': name, 'words': words})
            before = tick.mode
    return found


def _divergences(session: RecordedSession, marks: Sequence[Marks]) -> list[dict[str, Any]]:
    """Return the marked ticks as events."""
    seconds = dict(zip((int(one.tick) for one in session.ticks), session.seconds().tolist()))
    return [
        {
            't': round(seconds[tick.tick], 4),
            'tick': tick.tick,
            'kind': 'divergence',
            'words': f'{one.title}, {tick.stage}: {tick.words}',
        }
        for one in marks
        for tick in one.ticks
        if tick.tick in seconds
    ]


def _panel(title: str, unit: str, curves: Sequence[dict[str, Any]], **more: Any) -> Panel:
    return {'title': title, 'unit': unit, 'curves': list(curves), **more}


def _stage_panel(session: RecordedSession, columns: Columns) -> Panel:
    curves = []
    for name in ('lateness', *STAGES):
        values_ms = session.column('timing', f'{name}_ns') * 1e-6
        values_ms[values_ms <= 0.0] = np.nan  # not done in this tick; and no logarithm
        if np.isfinite(values_ms).any():
            curves.append({'name': STAGE_WORDS.get(name, name), 'y': columns(values_ms)})
    return _panel('release lateness and stages', 'ms', curves, log=True)


def _age_panels(run: RecordedRun, session: RecordedSession, columns: Columns) -> list[Panel]:
    wired = budgets(run, session)
    curves, bounds = [], []
    for source, topic in enumerate(session.manifest.input_topics):
        budget_ns = budget_of(topic, wired)
        if budget_ns >= FOREVER_NS:
            continue
        ages = session.ages_ns(source).astype(np.float64)
        ages[ages < 0] = np.nan
        curves.append({'name': topic, 'y': columns(ages * 1e-6)})
        bounds.append({'name': f'budget of {topic}', 'at': budget_ns * 1e-6})
    return [_panel('age of inputs', 'ms', curves, bounds=bounds)] if curves else []


def _action_panels(
    values: Sequence[ActionTrace],
    bounds: dict[tuple[str, str], tuple[float, ...]],
    columns: Columns,
) -> list[Panel]:
    return [
        _panel(
            f'{one.term} / {one.label}',
            one.unit,
            [
                {'name': 'asked', 'y': columns(one.asked), 'dotted': True},
                {'name': 'sent', 'y': columns(one.commanded)},
            ],
            bounds=[
                {'name': 'limit', 'at': at}
                for at in bounds.get((one.term, one.label)) or bounds.get((one.term, 'all'), ())
            ],
        )
        for one in values
    ]


def _observation_panels(
    session: RecordedSession, contract: Contract, columns: Columns
) -> list[Panel]:
    panels = []
    for one in observation_traces(session, contract):
        if len(one.labels) <= _MOST_CURVES:
            curves = [
                {'name': label, 'y': columns(one.values[:, index])}
                for index, label in enumerate(one.labels)
            ]
        else:
            curves = [
                {'name': 'least', 'y': columns(one.values.min(axis=1))},
                {'name': 'mean', 'y': columns(one.values.mean(axis=1))},
                {'name': 'greatest', 'y': columns(one.values.max(axis=1))},
            ]
        title = f'{one.input}: {one.term}' + (
            f' ({len(one.labels)} values)' if len(one.labels) > _MOST_CURVES else ''
        )
        panels.append(_panel(title, 'as the policy sees it', curves))
    return panels


def _return_panel(session: RecordedSession, columns: Columns) -> list[Panel]:
    total = session.column('episode_return').astype(np.float64)
    if not total.any():
        return []
    return [_panel('return of the episode', '', [{'name': 'return', 'y': columns(total)}])]


def _histogram(one: ActionTrace) -> dict[str, Any]:
    """Return how often a value was asked for and sent, over bins that hold both."""
    both = np.concatenate([one.asked, one.commanded])
    both = both[np.isfinite(both)]
    edges = np.histogram_bin_edges(both, _BINS) if both.size else np.array([0.0, 1.0])
    return {
        'title': f'{one.term} / {one.label}',
        'unit': one.unit,
        'edges': _rounded(edges),
        'asked': np.histogram(one.asked[np.isfinite(one.asked)], edges)[0].tolist(),
        'sent': np.histogram(one.commanded[np.isfinite(one.commanded)], edges)[0].tolist(),
    }
