"""
A run in one figure: what the robot did, actions, lateness, ages, modes.

The only module, with the scenes, that imports ``matplotlib``.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

from ..configuration import FOREVER_NS, parse
from ..errors import FournexError, MissingDependencyError, RecordingError, WiringError
from ..pipeline.command_terms import ActionTerm
from ..policy.contract import parse_contract
from ..session.tick import Mode
from ..sim.registry import make_robot
from .picture_scenes import JOINT_STATE, ODOMETRY, POSE, SCENES, Timed, Trace
from .recorded_run import RecordedRun, RecordedSession, read_run
from .words import duration, units

MODE_COLOURS = {
    Mode.STANDBY: '#b9bec4',
    Mode.POLICY: '#4c9f70',
    Mode.FALLBACK: '#e0902f',
    Mode.STOPPED: '#b03030',
}
_WIDTH_IN, _HEIGHT_IN = 14.0, 8.2
_MOST_CURVES_APART = 2


def picture(bag: pathlib.Path, out: pathlib.Path, robot: str, seed: int, goals: int = 0) -> None:
    """
    Draw the run that a bag holds.

    :param bag: the recording.
    :param out: the PNG file to write.
    :param robot: name of the simulated robot.
    :param seed: what its episode was drawn from; of a bag with several, this one is drawn.
    :param goals: goals or targets an episode; 0 for the robot's own number.
    :raises RecordingError: the bag has no ticks.
    :raises MissingDependencyError: matplotlib is not installed.
    """
    figure_class = _matplotlib()
    run = read_run(bag, (ODOMETRY, JOINT_STATE, POSE))
    session = _episode(run, seed)
    body = make_robot(robot, goals)
    body.reset(seed)
    figure = figure_class(figsize=(_WIDTH_IN, _HEIGHT_IN), layout='constrained')
    left, right = figure.subfigures(1, 2, width_ratios=(1.0, 1.1))
    traces = SCENES[robot](left.subplots(), body, _near(run, session))
    panels = [*traces, *_actions(session)]
    heights = [0.18, *(1.0 for _ in panels), 1.0, 1.0]
    axes = right.subplots(len(heights), 1, sharex=True, gridspec_kw={'height_ratios': heights})
    _modes(axes[0], session)
    for panel, trace in zip(axes[1:], panels):
        _trace(panel, trace)
    _times(axes[-2], session)
    _ages(axes[-1], run, session)
    for panel in axes[1:]:
        _shade(panel, session)
        panel.grid(True, color='0.92')
        panel.tick_params(labelsize=8)
    axes[-1].set_xlabel('time (s)', fontsize=9)
    axes[-1].set_xlim(0.0, max(float(session.seconds()[-1]), 1e-3))
    figure.suptitle(_title(session), fontsize=12)
    partial = out.with_name(f'.{out.name}.partial.png')
    try:
        figure.savefig(partial, dpi=110)
        partial.replace(out)
    except OSError as problem:
        raise FournexError(f'{out}: cannot be written: {problem.strerror}') from problem


def _matplotlib() -> Any:
    """Return matplotlib's Figure, which draws without a display and without pyplot's state."""
    os.environ.setdefault('MPLBACKEND', 'Agg')
    try:
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise MissingDependencyError(
            'matplotlib', 'drawing a run', 'pip install matplotlib'
        ) from problem
    return Figure


def _episode(run: RecordedRun, seed: int) -> RecordedSession:
    """Return the first session that has ticks: those of the seed, or all if none carries it."""
    for session in run.sessions:
        if session.ticks:
            chosen = [
                index for index, tick in enumerate(session.ticks) if tick.episode_seed == seed
            ] or range(len(session.ticks))
            return RecordedSession(
                session.manifest,
                [session.ticks[index] for index in chosen],
                [session.log_ns[index] for index in chosen],
            )
    raise RecordingError(f'{run.path}: has no ticks to draw')


def _near(run: RecordedRun, session: RecordedSession) -> dict[str, Timed]:
    """Return the session's input messages of the episode by type, in seconds from its start."""
    begun, ended = session.log_ns[0], session.log_ns[-1]
    found: dict[str, list[tuple[float, Any]]] = {}
    for topic in session.manifest.input_topics:
        kept = run.messages.get(topic)
        if kept is None:
            continue
        before = [one for one in kept if one[0] < begun][-1:]  # what was latched at the start
        during = [one for one in kept if begun <= one[0] <= ended]
        if during and during[0][0] - begun < 1_000_000:
            before = []
        found.setdefault(run.topics[topic].type, []).extend(
            (max((log_ns - begun) * 1e-9, 0.0), message) for log_ns, message in before + during
        )
    return dict(found)


def _actions(session: RecordedSession) -> list[Trace]:
    """Return what the policy asked for and what was commanded, both in the term's unit."""
    contract = parse_contract(session.manifest.contract)
    times = session.seconds()
    asked = _asked(session, contract.action_size)
    traces = []
    start = 0
    for term in contract.action_terms:
        values = ActionTerm(term)
        commanded = np.full((len(times), term.size), np.nan)
        for row, tick in enumerate(session.ticks):
            for array in tick.safe_action:
                if array.name == term.name:
                    commanded[row] = array.float64_data
        raw = values.command(asked[:, start : start + term.size])
        start += term.size
        curves = {}
        for column, label in enumerate(term.labels):
            curves[f'{label} asked'] = raw[:, column]
            curves[f'{label} commanded'] = commanded[:, column]
        each = units(term.unit, term.labels)
        if term.size <= _MOST_CURVES_APART:
            names = list(curves)
            for column, label in enumerate(term.labels):
                pair = names[2 * column : 2 * column + 2]
                traces.append(
                    Trace(
                        f'{label} ({each[column]})',
                        times,
                        {name.removeprefix(f'{label} '): curves[name] for name in pair},
                    )
                )
        else:
            traces.append(Trace(f'{term.name} ({each[0]})', times, curves))
    return traces


def _asked(session: RecordedSession, size: int) -> Any:
    """Return the raw actions as rows; not a number where the policy was not asked."""
    rows = np.full((len(session.ticks), size), np.nan)
    for row, tick in enumerate(session.ticks):
        if tick.raw_action:
            rows[row] = np.concatenate([array.float32_data for array in tick.raw_action])
    return rows


def _trace(axes: Any, trace: Trace) -> None:
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


def _modes(axes: Any, session: RecordedSession) -> None:
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


def _shade(axes: Any, session: RecordedSession) -> None:
    seconds = session.seconds()
    for begin, end, mode in _runs(session):
        if mode is not Mode.POLICY:
            axes.axvspan(
                seconds[begin], seconds[end], color=MODE_COLOURS[mode], alpha=0.15, linewidth=0
            )


def _times(axes: Any, session: RecordedSession) -> None:
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


def _ages(axes: Any, run: RecordedRun, session: RecordedSession) -> None:
    """Draw the ages of the inputs that have a budget, each with its budget."""
    budgets = _budgets(run, session)
    seconds = session.seconds()
    shown = 0
    for source, topic in enumerate(session.manifest.input_topics):
        budget_ns = next(
            (ns for name, ns in budgets.items() if topic.endswith('/' + name.lstrip('/'))), None
        )
        if budget_ns is None or budget_ns >= FOREVER_NS:
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


def _budgets(run: RecordedRun, session: RecordedSession) -> dict[str, int]:
    """Return the least budget of each topic as the recorded wiring has it."""
    assert run.manifest is not None
    wiring = parse(run.manifest.wiring, run.manifest.wiring_file, WiringError)
    inputs = wiring.section('sessions').section(session.manifest.name).section('inputs')
    found: dict[str, int] = {}
    for term in inputs.keys():
        section = inputs.section(term)
        ports = (
            [section] if 'topic' in section else [section.section(port) for port in section.keys()]
        )
        for port in ports:
            topic, budget_ns = port.text('topic'), port.duration_ns('budget')
            found[topic] = min(budget_ns, found.get(topic, FOREVER_NS))
    return found


def _title(session: RecordedSession) -> str:
    seconds = float(session.seconds()[-1])
    rate = f' at {(len(session.ticks) - 1) / seconds:.2f} Hz' if seconds > 0 else ''
    late_ns = round(float(np.percentile(session.column('timing', 'lateness_ns'), 99)))
    last = session.ticks[-1]
    return (
        f'{session.manifest.policy}   {len(session.ticks)} ticks{rate}   '
        f'lateness p99 {duration(late_ns)}   return {last.episode_return:.1f}   '
        f'{last.episode}'
    )
