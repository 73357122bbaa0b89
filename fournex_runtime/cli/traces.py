"""What a recorded session did over time: actions, observations; and its budgets and limits."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..configuration import FOREVER_NS, Section, parse
from ..errors import WiringError
from ..pipeline.action_terms import build_action
from ..policy.contract import ArrayLayout, Contract, Term, parse_contract
from .recorded_run import RecordedRun, RecordedSession
from .words import units

Vector = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class ActionTrace:
    """
    One commanded value over the ticks of a session, in the unit of its term.

    :param term: name of the action term.
    :param label: name of the value.
    :param unit: its unit.
    :param asked: what the policy asked for, of a chunk its first action; NaN where it was not
        asked.
    :param commanded: what was sent; NaN where nothing was.
    """

    term: str
    label: str
    unit: str
    asked: Vector
    commanded: Vector


@dataclasses.dataclass(frozen=True, eq=False)
class ObservationTrace:
    """
    One observation term over the ticks of a session, as the policy saw it.

    :param input: name of the artifact's input.
    :param term: name of the term.
    :param labels: name of each value.
    :param values: newest values, one row a tick; NaN where there was no observation.
    """

    input: str
    term: str
    labels: tuple[str, ...]
    values: Vector


def action_traces(session: RecordedSession, contract: Contract) -> list[ActionTrace]:
    """Return what the policies asked for and what was commanded."""
    others = [parse_contract(one.contract) for one in session.manifest.fallback_policies]
    wanted = [_wanted(session, one) for one in (contract, *others)]  # all have the same terms
    found = []
    for number, term in enumerate(contract.action_terms):
        raw = functools.reduce(_where_known, (terms[number] for terms in wanted))
        commanded = np.full((len(session.ticks), term.size), np.nan)
        for row, tick in enumerate(session.ticks):
            for array in tick.safe_action:
                if array.name == term.name:
                    commanded[row] = array.float64_data
        for column, (label, unit) in enumerate(zip(term.labels, units(term.unit, term.labels))):
            found.append(ActionTrace(term.name, label, unit, raw[:, column], commanded[:, column]))
    return found


def _where_known(values: Vector, others: Vector) -> Vector:
    """Return values, and others where they are unknown."""
    return np.where(np.isnan(values), others, values)


def _wanted(session: RecordedSession, contract: Contract) -> list[Vector]:
    """Return what a policy asked for, by action term; NaN where it was not asked."""
    asked = _asked(session, contract)
    found = []
    start = 0
    for term in contract.action_terms:
        found.append(build_action(term).command(asked[:, start : start + term.width]))
        start += term.width
    return found


def _asked(session: RecordedSession, contract: Contract) -> Vector:
    """Return the raw actions as rows, of a chunk the first; NaN where the policy was not asked."""
    rows = np.full((len(session.ticks), contract.action_size), np.nan)
    steps = 1 if contract.chunk is None else contract.chunk.size
    for row, tick in enumerate(session.ticks):
        if tick.raw_action and tick.policy == contract.reference:
            given = [getattr(array, f'{array.dtype}_data') for array in tick.raw_action]
            rows[row] = np.concatenate([one.reshape(steps, -1)[0] for one in given])
    return rows


def observation_traces(session: RecordedSession, contract: Contract) -> list[ObservationTrace]:
    """Return what the session's own policy saw, but for images."""
    found = []
    for name, terms in contract.inputs.items():
        layout = contract.input_layouts[name]
        rows = np.full((len(session.ticks), layout.size), np.nan)
        for row, tick in enumerate(session.ticks):
            for array in tick.observation if tick.policy == contract.reference else ():
                if array.name == name:
                    rows[row] = getattr(array, f'{array.dtype}_data')
        at = 0
        for term in terms:
            begin = newest_position(term, layout, at)
            at += term.size * term.history
            if begin is not None:
                values = rows[:, begin : begin + term.size]
                found.append(ObservationTrace(name, term.name, term.labels, values))
    return found


def newest_position(term: Term, layout: ArrayLayout, at: int) -> int | None:
    """
    Return where in the input's array the newest values of a term begin; None for an image.

    :param term: the term.
    :param layout: how the input's terms lie in its array.
    :param at: how many values of one frame stand before the term.
    """
    if term.shape or layout.axis not in (None, 0):
        return None
    frame = 0 if layout.newest_first else (layout.history - 1) * math.prod(layout.frame)
    past = 0 if term.newest_first else (term.history - 1) * term.size
    return frame + at + past


def budgets(run: RecordedRun, session: RecordedSession) -> dict[str, int]:
    """Return the least budget of each topic as the recorded wiring has it, nanoseconds."""
    found: dict[str, int] = {}
    inputs = _wired(run, session).section('inputs')
    for term in inputs.keys():
        section = inputs.section(term)
        parts = [section] if 'budget' in section else map(section.section, section.keys())
        for port in parts:
            if 'topic' in port:
                topic, budget_ns = port.text('topic'), port.duration_ns('budget')
                found[topic] = min(budget_ns, found.get(topic, FOREVER_NS))
    return found


def budget_of(topic: str, found: Mapping[str, int]) -> int:
    """Return the budget of a resolved topic, whose name in the wiring may be a relative one."""
    names = [name for name in found if topic == name or topic.endswith('/' + name.lstrip('/'))]
    return found[names[0]] if names else FOREVER_NS


def limits(run: RecordedRun, session: RecordedSession) -> dict[tuple[str, str], tuple[float, ...]]:
    """Return least and greatest command by term and value, as the recorded wiring has them."""
    found: dict[tuple[str, str], tuple[float, ...]] = {}
    section = _wired(run, session).section('limits')
    for term in section.keys():
        one = section.section(term)
        for label in one.keys():
            part = one.section(label)
            found[term, label] = tuple(part.number(key) for key in ('min', 'max') if key in part)
    return found


def _wired(run: RecordedRun, session: RecordedSession) -> Section:
    assert run.manifest is not None
    wiring = parse(run.manifest.wiring, run.manifest.wiring_file, WiringError)
    return wiring.section('sessions').section(session.manifest.name)
