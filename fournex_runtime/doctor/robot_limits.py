"""The wiring's limits and stop commands against those of the robot's URDF."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..policy.contract import Term
from ..safety.limits import Limits
from ..safety.urdf import Joint
from ..session.wiring import StopCommand
from .finding import Finding, failure, not_checked, passed, warning
from .survey import Case

_KINDS = ('joint_position_target', 'joint_velocity_target', 'joint_effort_target')
_SLACK = 1e-3
"""Limits are written with a few digits."""


def check_limits(case: Case, urdf: Mapping[str, Joint], problem: str) -> list[Finding]:
    """
    Judge whether every command that the wiring allows is one that the robot allows.

    :param urdf: the robot's joints; empty where there is no description.
    :param problem: why there is none.
    """
    found = []
    for term, limits, stop in zip(
        case.contract.action_terms, case.wiring.limits, case.wiring.stops
    ):
        if term.command not in _KINDS:
            continue
        about = f'limits.{term.name}'
        if not urdf:
            found.append(not_checked('limits', about, problem or _NO_DESCRIPTION))
            continue
        found += _term(about, term, limits, stop, urdf)
    return found


_NO_DESCRIPTION = 'nobody publishes robot_description'


def _term(
    about: str, term: Term, limits: Limits, stop: StopCommand, urdf: Mapping[str, Joint]
) -> list[Finding]:
    unknown = [joint for joint in term.joints if joint not in urdf]
    found = []
    if unknown:
        why = f'robot_description has no joint {", ".join(unknown)}'
        found.append(not_checked('limits', about, why))
    wide, unlimited = [], []
    for at, joint in enumerate(term.joints):
        if joint in unknown:
            continue
        low, high = _bounds(term.command, urdf[joint])
        if limits.low[at] < low - _SLACK or limits.high[at] > high + _SLACK:
            wide.append(
                f'{joint} {limits.low[at]:g} to {limits.high[at]:g}, the robot {low:g} to {high:g}'
            )
        if stop.values is not None and not low - _SLACK <= stop.values[at] <= high + _SLACK:
            wide.append(f'{joint} stops at {stop.values[at]:g}, the robot has {low:g} to {high:g}')
        speed = urdf[joint].velocity
        if term.command == 'joint_position_target' and math.isfinite(speed):
            if math.isinf(limits.rate[at]):
                unlimited.append(f'{joint} (the robot {speed:g})')
            elif limits.rate[at] > speed + _SLACK:
                wide.append(f'{joint} rate {limits.rate[at]:g}, the robot {speed:g}')
    if wide:
        mend = 'Write limits within those of robot_description'
        found.append(failure('limits', about, '; '.join(wide), mend))
    elif unlimited:
        words = f'rate is unlimited for {", ".join(unlimited)}'
        mend = "Write a rate: the robot's, or what it may do beside people"
        found.append(warning('limits', about, words, mend))
    elif len(unknown) < len(term.joints):
        found.append(passed('limits', about, 'within those of robot_description'))
    return found


def _bounds(command: str, joint: Joint) -> tuple[float, float]:
    if command == 'joint_position_target':
        return joint.lower, joint.upper
    most = joint.velocity if command == 'joint_velocity_target' else joint.effort
    return -most, most
