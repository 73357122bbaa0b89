"""The panels of a run's picture: actions, modes, times and ages over time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..configuration import FOREVER_NS
from ..policy.contract import parse_contract
from ..session.tick import Mode
from .picture_scenes import Trace
from .recorded_run import RecordedRun, RecordedSession
from .traces import action_traces, budget_of, budgets
from .words import duration

MODE_COLOURS = {
    Mode.STANDBY: '#b9bec4',
    Mode.POLICY: '#4c9f70',
    Mode.FALLBACK: '#e0902f',
    Mode.STOPPED: '#b03030',
    Mode.MANUAL: '#7060b0',
}
_MOST_CURVES_APART = 2


def traces_of_actions(session: RecordedSession) -> list[Trace]:
    """Return what the policy asked for and what was commanded, both in the term's unit."""
    contract = parse_contract(session.manifest.contract)
    times = session.seconds()
    values = action_traces(session, contract)
    traces = []
    for term in contract.action_terms:
        own = [one for one in values if one.term == term.name]
        if len(own) <= _MOST_CURVES_APART:
            for one in own:
                curves = {'asked': one.asked, 'commanded': one.commanded}
                traces.append(Trace(f'{one.label} ({one.unit})', times, curves))
        else:
            curves = {}
            for one in own:
                curves[f'{one.label} asked'] = one.asked
                curves[f'{one.label} commanded'] = one.commanded
            traces.append(Trace(f'{term.name}\n({own[0].unit})', times, curves))
    return traces


def draw_trace(axes: Any, trace: Trace) -> None:
    """Draw curves; what was asked for dotted, what was commanded solid."""
    for index, (name, values) in enumerate(trace.curves.items()):
        if name.endswith('asked'):
            axes.plot(
                trace.times,
                values,
                ':',
                color=f'C{index // 2}',
                linewidth=1.1,
                label='asked (raw)' if index == 0 else None,
            )
        elif name.endswith('commanded'):
            axes.plot(
                trace.times,
                values,
                color=f'C{index // 2}',
                linewidth=1.1,
                label='commanded (safe)' if index == 1 else None,
            )
        else:
            axes.plot(trace.times, values, color=f'C{index}', linewidth=1.1, label=name or None)
    for bound in trace.bounds:
        axes.axhline(bound, color='#b03030', linestyle='--', linewidth=0.8)
    axes.set_ylabel(trace.label, fontsize=8)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc='upper right', ncols=3)


def draw_modes(axes: Any, session: RecordedSession) -> None:
    """Draw the modes as a strip of colours."""
    seconds = session.seconds()
    for begin, end, mode in _runs(session):
        axes.axvspan(seconds[begin], seconds[end], color=MODE_COLOURS[mode], linewidth=0)
    seen = list(dict.fromkeys(Mode(tick.mode) for tick in session.ticks))
    handles = [
        axes.axvspan(0, 0, color=MODE_COLOURS[mode], label=mode.name.lower()) for mode in seen
    ]
    axes.legend(
        handles=handles,
        fontsize=7,
        loc='lower left',
        bbox_to_anchor=(0.0, 1.0),
        ncols=4,
        frameon=False,
        title_fontsize=7,
    )
    axes.set_yticks([])
    axes.set_ylabel('mode', fontsize=8, rotation=0, ha='right', va='center')


def _runs(session: RecordedSession) -> list[tuple[int, int, Mode]]:
    """Return first tick, tick after the last, and mode, for each stretch of one mode."""
    modes = [Mode(tick.mode) for tick in session.ticks]
    found, begin = [], 0
    for index in range(1, len(modes) + 1):
        if index == len(modes) or modes[index] is not modes[begin]:
            found.append((begin, min(index, len(modes) - 1), modes[begin]))
            begin = index
    return found


def shade_modes(axes: Any, session: RecordedSession) -> None:
    """Shade the stretches in which the policy did not act."""
    seconds = session.seconds()
    for begin, end, mode in _runs(session):
        if mode is not Mode.POLICY:
            axes.axvspan(
                seconds[begin], seconds[end], color=MODE_COLOURS[mode], alpha=0.15, linewidth=0
            )


def draw_times(axes: Any, session: RecordedSession) -> None:
    """Draw release lateness and inference time of each tick."""
    seconds = session.seconds()
    for name, label, colour in (
        ('lateness_ns', 'lateness', '#2a5d84'),
        ('infer_ns', 'inference', '#c98a00'),
    ):
        values_ms = session.column('timing', name) * 1e-6
        known = values_ms > 0.0  # a tick that did not ask the policy, or was not released by time
        if known.any():
            axes.plot(
                seconds[known], values_ms[known], '.', markersize=2.5, color=colour, label=label
            )
        if known.any() and name == 'lateness_ns':
            for percent, style in ((50, '-'), (99, '--')):
                value_ms = float(np.percentile(values_ms[known], percent))
                axes.axhline(
                    value_ms,
                    color=colour,
                    linestyle=style,
                    linewidth=0.9,
                    label=f'lateness p{percent} {value_ms:.2g} ms',
                )
    axes.set_yscale('log')
    low, high = axes.get_ylim()
    axes.set_ylim(low, 20.0 * high)  # room for the legend
    axes.set_ylabel('ms', fontsize=8)
    axes.legend(fontsize=7, loc='upper right', ncols=4)


def draw_ages(axes: Any, run: RecordedRun, session: RecordedSession) -> None:
    """Draw the ages of the inputs that have a budget, each with its budget."""
    wired = budgets(run, session)
    seconds = session.seconds()
    shown = 0
    for source, topic in enumerate(session.manifest.input_topics):
        budget_ns = budget_of(topic, wired)
        if budget_ns >= FOREVER_NS:
            continue
        ages_ms = np.where(session.ages_ns(source) < 0, np.nan, session.ages_ns(source) * 1e-6)
        axes.plot(seconds, ages_ms, color=f'C{shown}', linewidth=0.9, label=f'age of {topic}')
        axes.axhline(
            budget_ns * 1e-6,
            color=f'C{shown}',
            linestyle='--',
            linewidth=0.8,
            label=f'budget {duration(budget_ns)}',
        )
        shown += 1
    axes.set_ylabel('ms', fontsize=8)
    axes.set_ylim(0.0, 1.35 * axes.get_ylim()[1])  # room for the legend
    if shown:
        axes.legend(fontsize=7, loc='upper right', ncols=4)
