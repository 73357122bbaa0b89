"""Reads how far and how fast a session may command: the ``limits:`` of a wiring."""

from __future__ import annotations

import math

from ..configuration import Section, parse_number
from ..policy.contract import Contract, Term
from ..safety.limits import (
    EFFORTS,
    ORIENTATION,
    POSITIONS,
    QUATERNION,
    VELOCITIES,
    Limits,
    ValueLimits,
    has_quaternion,
    term_limits,
)
from .wiring_terms import check_terms
from .wiring_urdf import NO_LIMITS, Robot, read_joints

_ELSEWHERE = {
    'velocity': (*POSITIONS, *VELOCITIES),
    'acceleration': (*POSITIONS, *VELOCITIES),
    'effort': EFFORTS,
}
"""Limits by their physical name, and the kinds of command that they are for."""
_AXES = ('x', 'y', 'z')


def read_limits(section: Section, contract: Contract, robot: Robot) -> tuple[Limits, ...]:
    """
    Read ``limits:`` of every action term.

    :param section: the mapping.
    :param contract: the contract of the session's policy.
    :param robot: where URDFs are; takes what was read of them.
    :raises WiringError: it is not valid or does not fit the contract.
    """
    check_terms(section, contract, contract.action_terms, 'action term')
    found = tuple(
        _TermReader(section.section(one.name), one, robot).read() for one in contract.action_terms
    )
    section.finish()
    return found


class _TermReader:
    """Reads the limits of a term; a value's own come before those of ``all``."""

    def __init__(self, section: Section, term: Term, robot: Robot) -> None:
        self._section = section
        self._term = term
        self._everyone = section.optional_section('all')
        self._joints = read_joints(section, term, robot)

    def read(self) -> Limits:
        """Return the limits."""
        section, term = self._section, self._term
        workspace, turn = self._workspace(), self._turn()
        values = tuple(
            self._value(label, section.optional_section(label), workspace)
            for label in (term.labels if turn is None else term.labels[: QUATERNION.start])
        )
        if turn is not None:
            values += (ValueLimits(-1.0, 1.0),) * (QUATERNION.stop - QUATERNION.start)
        if self._everyone is not None:
            self._everyone.finish()
        section.finish()
        try:
            return term_limits(term.name, term.command, term.labels, values, turn)
        except ValueError as problem:
            raise section.problem('', str(problem)) from problem

    def _value(
        self, label: str, own: Section | None, workspace: dict[str, tuple[float, float]]
    ) -> ValueLimits:
        places = [place for place in (own, self._everyone) if place is not None]
        command, joint = self._term.command, self._joints.get(label, NO_LIMITS)
        physical = {key: self._physical(places, key) for key in _ELSEWHERE}
        for key, most in (('velocity', joint.velocity), ('effort', joint.effort)):
            if command in _ELSEWHERE[key] and math.isfinite(most):
                physical[key] = min(most, _unless(physical[key]))
        # What bounds the same thing by another name makes the plain one unnecessary.
        ranged = {
            **dict.fromkeys(VELOCITIES, physical['velocity']),
            **dict.fromkeys(EFFORTS, physical['effort']),
        }.get(command)
        slowed = physical['acceleration' if command in VELOCITIES else 'velocity']
        box = workspace.get(label)
        bounded = joint.bounded and command in POSITIONS
        needless = ranged is not None or box is not None or bounded
        low = self._number(places, label, 'min', -math.inf if needless else None)
        high = self._number(places, label, 'max', math.inf if needless else None)
        rate = self._number(places, label, 'rate', math.inf if slowed is not None else None)
        if low >= high:
            raise self._section.problem(label, f'min {low} is not below max {high}')
        if bounded:
            low, high = max(low, joint.lower), min(high, joint.upper)
        if own is not None:
            own.finish()
        return ValueLimits(
            low,
            high,
            rate,
            velocity=_unless(physical['velocity']),
            acceleration=_unless(physical['acceleration']),
            effort=_unless(physical['effort']),
            workspace=box or (-math.inf, math.inf),
        )

    def _number(self, places: list[Section], label: str, key: str, default: float | None) -> float:
        for place in places:
            if key in place:
                return _rate(place) if key == 'rate' else place.number(key)
        if default is not None:
            return default
        raise self._section.problem(
            '',
            f'{label} has no {key}: give it under {label}: or under all:'
            + (' (a change per second, or unlimited)' if key == 'rate' else ''),
        )

    def _physical(self, places: list[Section], key: str) -> float | None:
        for place in places:
            if key in place:
                if self._term.command not in _ELSEWHERE[key]:
                    raise place.problem(
                        key,
                        f'is for {", ".join(_ELSEWHERE[key])}; a {self._term.command} has min, '
                        'max and rate',
                    )
                return _positive(place, key, place.number(key))
        return None

    def _turn(self) -> float | None:
        """Read ``orientation: {rate: 1.5}``; None for a term without a quaternion."""
        section, term = self._section, self._term
        if not has_quaternion(term.command, term.size):
            if ORIENTATION in section and ORIENTATION not in term.labels:
                words = 'is for a pose_target of layout position+quaternion_xyzw'
                raise section.problem(ORIENTATION, words)
            return None
        for label in term.labels[QUATERNION]:
            if label in section:
                raise section.problem(
                    label,
                    'is no number that can be limited alone: what is left of the quaternion would '
                    f'be another rotation. Write {ORIENTATION}: {{rate: RAD_PER_S or unlimited}}',
                )
        if ORIENTATION not in section:
            raise section.problem(
                '',
                f'{ORIENTATION} is missing: say how fast the pose may turn, '
                f'{ORIENTATION}: {{rate: RAD_PER_S or unlimited}}',
            )
        own = section.section(ORIENTATION)
        found = _rate(own)
        own.finish()
        return found

    def _workspace(self) -> dict[str, tuple[float, float]]:
        """Read ``workspace: {x: [least, greatest], …}``, the box that a pose must be in."""
        section = self._section.optional_section('workspace')
        if section is None:
            return {}
        if self._term.command != 'pose_target':
            raise self._section.problem(
                'workspace', f'is for pose_target; a {self._term.command} has min and max'
            )
        found = {}
        for axis in _AXES:
            least, *more = section.numbers(axis)
            if len(more) != 1 or least >= more[0]:
                raise section.problem(axis, 'expected [least, greatest], the least one first')
            found[axis] = (least, more[0])
        section.finish()
        return found


def _unless(limit: float | None) -> float:
    return math.inf if limit is None else limit


def _positive(place: Section, key: str, value: float) -> float:
    if value <= 0.0:
        raise place.problem(key, f'{value} is not above 0')
    return value


def _rate(place: Section) -> float:
    words = 'a number per second or unlimited'
    return _positive(place, 'rate', place.parsed('rate', _parse_rate, words))


def _parse_rate(text: str) -> float:
    return math.inf if text == 'unlimited' else parse_number(text)
