"""
A run in one figure: what the robot did, actions, lateness, ages, modes.

With its scenes, the only module that imports ``matplotlib``.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

from ..errors import FournexError, MissingDependencyError, RecordingError
from ..sim.registry import make_robot
from .picture_panels import (
    draw_ages,
    draw_modes,
    draw_times,
    draw_trace,
    shade_modes,
    traces_of_actions,
)
from .picture_scenes import JOINT_STATE, ODOMETRY, POSE, SCENES, Timed
from .recorded_run import RecordedRun, RecordedSession, read_run
from .words import duration

_WIDTH_IN, _HEIGHT_IN = 14.0, 8.2
_SOON_NS = 100_000_000


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
    panels = [*traces, *traces_of_actions(session)]
    heights = [0.18, *(1.0 for _ in panels), 1.0, 1.0]
    axes = right.subplots(len(heights), 1, sharex=True, gridspec_kw={'height_ratios': heights})
    draw_modes(axes[0], session)
    for panel, trace in zip(axes[1:], panels):
        draw_trace(panel, trace)
    draw_times(axes[-2], session)
    draw_ages(axes[-1], run, session)
    for panel in axes[1:]:
        shade_modes(panel, session)
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
        if during and during[0][0] - begun < _SOON_NS:
            before = []
        found.setdefault(run.topics[topic].type, []).extend(
            (max((log_ns - begun) * 1e-9, 0.0), message) for log_ns, message in before + during
        )
    return dict(found)


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
