"""Units of joint values: radians or degrees, and velocities that are those of the positions."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..safety.urdf import Joint
from .finding import Finding, failure, not_checked, passed, warning
from .measured import Readings, joint_readings
from .survey import Case
from .training import TermStatistics

DEGREES = 180.0 / math.pi
_POSITION, _VELOCITY = 'joint_position', 'joint_velocity'
_ANGLES, _LENGTHS = ('rad', 'deg', 'rev', 'rpm'), ('m', 'cm', 'mm')
_NEAR_POSE = 0.3
"""Values this near (rad) to a pose of the contract in every joint are that pose."""
_ODD = 10.0
"""Standard deviations from the mean of training at which a value is none of training."""
_SPEED_MARGIN = 2.0
_MOVED = 0.05
"""How far (rad, m) a joint must have moved in a survey before its velocity can be judged."""


def check_units(
    case: Case,
    readings: Mapping[str, Readings],
    training: Mapping[str, TermStatistics],
    urdf: Mapping[str, Joint],
) -> list[Finding]:
    """
    Judge whether joints slide or turn as the contract has them, and those that turn in radians.

    A failure needs evidence: the kind of a joint in the URDF, training statistics, the robot's
    limits, or a pose of the contract that the values have in degrees and not in radians.
    """
    found = []
    for one in (*joint_readings(readings, _POSITION), *joint_readings(readings, _VELOCITY)):
        kinds = _kinds(one, urdf)
        if kinds is not None:
            found.append(kinds)
            continue
        angular = [unit.startswith('rad') for unit in units_of(one)]
        if not any(angular):
            found.append(passed('units', one.subject, f'{one.term.unit}: no angles'))
            continue
        trained = training.get(one.term.name)
        if one.term.kind == _POSITION:
            found.append(_position(case, one, np.array(angular), trained, urdf))
        else:
            found.append(_velocity(one, np.array(angular), trained, urdf))
    return found


def units_of(one: Readings) -> list[str]:
    """Return the unit of each value of a joint term."""
    parts = [part.strip() for part in one.term.unit.split(',')]
    return parts if len(parts) == one.term.size else [one.term.unit] * one.term.size


def _kinds(one: Readings, urdf: Mapping[str, Joint]) -> Finding | None:
    """Return that a joint slides which the contract has in an angle, or the other way round."""
    rate = '/s' if one.term.kind == _VELOCITY else ''
    units, wrong = units_of(one), []
    fitting = list(units)
    for at, (joint, unit) in enumerate(zip(one.term.joints, units)):
        kind = urdf[joint].kind if joint in urdf else ''
        angle, length = (unit.split('/')[0] in of for of in (_ANGLES, _LENGTHS))
        if (angle and kind == 'prismatic') or (length and kind in ('revolute', 'continuous')):
            fitting[at] = ('m' if angle else 'rad') + rate
            wrong.append(f'{joint} is {kind} in the URDF ({fitting[at]}), {unit} in the contract')
    if not wrong:
        return None
    unit = fitting[0] if len(set(fitting)) == 1 else f'"{", ".join(fitting)}"'
    mend = (
        f'Write unit: {unit} at {one.term.name} in the contract, or mend joint_names in the '
        'wiring, should another joint of the robot be meant'
    )
    return failure('units', one.subject, '; '.join(wrong), mend)


def _spread(one: Readings, where: NDArray[np.bool_]) -> str:
    values = one.values[:, where]
    return f'{values.min():.3g} to {values.max():.3g}'


def _position(
    case: Case,
    one: Readings,
    angular: NDArray[np.bool_],
    trained: TermStatistics | None,
    urdf: Mapping[str, Joint],
) -> Finding:
    values = np.median(one.values, axis=0)
    radians = np.where(angular, values / DEGREES, values)
    mend = f'Write unit: deg at {one.subject} in the wiring, or let the driver publish radians'
    seen = f'measured {_spread(one, angular)}'
    for name, pose in (('start_pose', case.contract.start_pose),
                       ('default_pose', case.contract.default_pose)):  # fmt: skip
        if not all(joint in pose for joint in one.term.joints):
            continue
        target = np.array([pose[joint] for joint in one.term.joints])
        as_radians, as_degrees = abs(values - target)[angular], abs(radians - target)[angular]
        # Everything divided by 57 is near zero: a pose there proves nothing.
        bent = bool((np.abs(target[angular]) > 2.0 * _NEAR_POSE).any())
        if bent and as_degrees.max() < _NEAR_POSE < as_radians.max():
            words = f'{seen}; in degrees that is the {name} of the contract, in radians it is not'
            return failure('units', one.subject, words, mend)
    limits = [urdf.get(joint) for joint in one.term.joints]
    if all(limit is not None and limit.bounded for limit in limits):
        if all(j.holds(v) for j, v in zip(limits, values) if j):
            return passed('units', one.subject, f"{seen} rad, within the robot's joint limits")
        far = any(j.far_from(v) for j, v in zip(limits, values) if j)
        if far and all(j.holds(v) for j, v in zip(limits, radians) if j):
            words = f"{seen}, far beyond the robot's joint limits; as degrees it is within them"
            return failure('units', one.subject, words, mend)
        words = f"{seen}, beyond the robot's joint limits: another zero, sign or unit?"
        return warning('units', one.subject, words, 'Compare joint_states with the real pose')
    turned = bool(np.abs(one.values[:, angular]).max() > 2.0 * math.pi)
    if trained is not None:
        if turned and trained.odd(values, _ODD) and not trained.odd(radians, _ODD):
            words = f'{seen}; trained on {trained.span}. It looks like degrees'
            return failure('units', one.subject, words, mend)
        if not trained.odd(values, _ODD):
            return passed('units', one.subject, f'{seen} rad; trained on {trained.span}')
    if turned and not _continuous(one, urdf):
        words = f'{seen}: more than a turn in radians; degrees?'
        return warning('units', one.subject, words, mend)
    return passed('units', one.subject, f'{seen} rad, within a turn')


def _continuous(one: Readings, urdf: Mapping[str, Joint]) -> bool:
    return all(joint in urdf and urdf[joint].continuous for joint in one.term.joints)


def _velocity(
    one: Readings,
    angular: NDArray[np.bool_],
    trained: TermStatistics | None,
    urdf: Mapping[str, Joint],
) -> Finding:
    peak = np.abs(one.values).max(axis=0)
    mend = f'Write unit: deg/s at {one.subject} in the wiring, or let the driver publish rad/s'
    seen = f'measured {_spread(one, angular)}'
    fastest = np.array(
        [urdf[joint].velocity if joint in urdf else math.inf for joint in one.term.joints]
    )
    if (angular & (peak > _SPEED_MARGIN * fastest)).any():
        at = int(np.argmax(np.where(angular, peak / fastest, 0.0)))
        words = (
            f'{seen}; {one.term.joints[at]} turns at {fastest[at]:g} rad/s at most. It looks '
            'like degrees'
        )
        return failure('units', one.subject, words, mend)
    if trained is not None:
        extreme = one.values[np.abs(one.values).max(axis=1).argmax()]
        radians = np.where(angular, extreme / DEGREES, extreme)
        if trained.odd(extreme, _ODD) and not trained.odd(radians, _ODD):
            words = f'{seen}; trained on {trained.span}. It looks like degrees'
            return failure('units', one.subject, words, mend)
        return passed('units', one.subject, f'{seen} rad/s; trained on {trained.span}')
    if np.isfinite(fastest).all():
        return passed('units', one.subject, f"{seen} rad/s, within the robot's velocity limits")
    why = 'no training statistics and no velocity limits of the robot to compare with'
    return not_checked('units', one.subject, f'{seen}; {why}')


def check_velocity(readings: Mapping[str, Readings]) -> list[Finding]:
    """Compare velocities with the change of the positions, where a joint moved enough."""
    found = []
    for speed in joint_readings(readings, _VELOCITY):
        slopes = {}
        for place in joint_readings(readings, _POSITION):
            for joint in speed.term.joints:
                if joint in place.term.joints:
                    slope = _slope(place, speed, joint)
                    if slope is not None:
                        slopes[joint] = slope
        if not slopes:
            why = 'no joint moved while looking; move the robot by hand to have it compared'
            found.append(not_checked('velocity', speed.subject, why))
            continue
        joint = max(slopes, key=lambda name: abs(math.log(max(abs(slopes[name]), 1e-6))))
        found.append(_judged(speed, joint, slopes))
    return found


def _slope(place: Readings, speed: Readings, joint: str) -> float | None:
    """Return by which factor a joint's velocity is above the change of its position."""
    at, of = place.term.joints.index(joint), speed.term.joints.index(joint)
    times = np.array(place.times_ns) / 1e9
    positions = place.values[:, at]
    if len(times) < 10 or np.ptp(positions) < _MOVED or np.ptp(times) <= 0.0:
        return None
    measured = np.interp(times, np.array(speed.times_ns) / 1e9, speed.values[:, of])
    middle = 0.5 * (measured[1:] + measured[:-1])
    travelled = np.concatenate([[0.0], np.cumsum(middle * np.diff(times))])
    moved = positions - positions.mean()
    travelled = travelled - travelled.mean()
    return float((moved @ travelled) / (moved @ moved))


def _judged(speed: Readings, joint: str, slopes: Mapping[str, float]) -> Finding:
    slope = slopes[joint]
    words = f'the velocity of {joint} is {slope:.3g} times the change of its position'
    if all(0.5 < one < 2.0 for one in slopes.values()):
        names = ', '.join(slopes)
        return passed('velocity', speed.subject, f'that of the positions for {names}')
    if 0.5 < abs(slope) / DEGREES < 2.0:
        return failure('velocity', speed.subject, f'{words}: degrees', 'Write unit: deg/s')
    if 0.5 < abs(slope) * DEGREES < 2.0:
        mend = 'Write unit: deg at the positions'
        return failure('velocity', speed.subject, f'{words}: the positions are degrees', mend)
    if -2.0 < slope < -0.5:
        mend = 'Mend the sign in the driver'
        return failure('velocity', speed.subject, f'{words}: the sign is turned round', mend)
    mend = 'Look at the units and the filter of the driver'
    return warning('velocity', speed.subject, words, mend)
