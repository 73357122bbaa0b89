"""How far and how fast one action term may command, and which limit says so."""

from __future__ import annotations

import dataclasses
import math

RANGE, RATE = 'range', 'rate'
POSITIONS = ('joint_position_target', 'pose_target')
VELOCITIES = ('joint_velocity_target', 'twist')
EFFORTS = ('joint_effort_target',)
ORIENTATION, QUATERNION = 'orientation', slice(3, 7)
"""What the limit of a pose's quaternion is called, and where in the pose its values are."""


def has_quaternion(command: str, size: int) -> bool:
    """Return whether the values of an action term are a pose with a quaternion."""
    return command == 'pose_target' and size == QUATERNION.stop


@dataclasses.dataclass(frozen=True)
class Limits:
    """
    The limits of one action term, one number a value, in the unit of the term.

    :param term: name of the action term.
    :param labels: names of the values.
    :param low: least command.
    :param high: greatest command.
    :param rate: greatest change, per second; infinite where there is none.
    :param acceleration: greatest change of that change, per second squared, of positions;
        infinite where there is none, empty where no value has one.
    :param low_by: what a limit is called that sets ``low``, for records; ``range`` if empty.
    :param high_by: the same of ``high``.
    :param rate_by: the same of ``rate``; ``rate`` if empty.
    :param turn: greatest turn of the pose that the values are, rad/s, which may be infinite; None
        where they are no pose with a quaternion.
    """

    term: str
    labels: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    rate: tuple[float, ...]
    acceleration: tuple[float, ...] = ()
    low_by: tuple[str, ...] = ()
    high_by: tuple[str, ...] = ()
    rate_by: tuple[str, ...] = ()
    turn: float | None = None


@dataclasses.dataclass(frozen=True)
class ValueLimits:
    """
    The limits of one value as somebody states them; infinite where there is none.

    :param low: least command.
    :param high: greatest command.
    :param rate: greatest change, per second.
    :param velocity: greatest speed: change per second of a position, magnitude of a velocity.
    :param acceleration: greatest acceleration: change per second of a velocity, and of the change
        per second of a position.
    :param effort: greatest magnitude of an effort.
    :param workspace: least and greatest coordinate of the box that a position must be in.
    """

    low: float = -math.inf
    high: float = math.inf
    rate: float = math.inf
    velocity: float = math.inf
    acceleration: float = math.inf
    effort: float = math.inf
    workspace: tuple[float, float] = (-math.inf, math.inf)


def term_limits(
    term: str,
    command: str,
    labels: tuple[str, ...],
    values: tuple[ValueLimits, ...],
    turn: float | None = None,
) -> Limits:
    """
    Return what the limits of a term come to: of several that bound one thing the narrowest counts.

    :param term: name of the action term.
    :param command: kind of command, such as ``joint_position_target``.
    :param labels: names of the values.
    :param values: the limits of each.
    :param turn: of a pose with a quaternion, its greatest turn, rad/s.
    :raises ValueError: nothing is within all limits of a value.
    """
    lows, highs, rates = [], [], []
    for label, one in zip(labels, values):
        low, high = [(one.low, RANGE)], [(one.high, RANGE)]
        rate = [(one.rate, RATE)]
        low.append((one.workspace[0], 'workspace'))
        high.append((one.workspace[1], 'workspace'))
        if command in VELOCITIES:
            low.append((-one.velocity, 'velocity'))
            high.append((one.velocity, 'velocity'))
            rate.append((one.acceleration, 'acceleration'))
        elif command in EFFORTS:
            low.append((-one.effort, 'effort'))
            high.append((one.effort, 'effort'))
        else:
            rate.append((one.velocity, 'velocity'))
        lows.append(max(low, key=_bound))
        highs.append(min(high, key=_bound))
        rates.append(min(rate, key=_bound))
        if lows[-1][0] >= highs[-1][0]:
            raise ValueError(
                f'{label}: nothing is within its limits: they are at least {lows[-1][0]:g} '
                f'({lows[-1][1]}) and at most {highs[-1][0]:g} ({highs[-1][1]})'
            )
    accelerations = tuple(one.acceleration for one in values)
    bounded = command in POSITIONS and any(math.isfinite(one) for one in accelerations)
    return Limits(
        term,
        labels,
        tuple(low for low, _ in lows),
        tuple(high for high, _ in highs),
        tuple(rate for rate, _ in rates),
        accelerations if bounded else (),
        tuple(by for _, by in lows),
        tuple(by for _, by in highs),
        tuple(by for _, by in rates),
        turn,
    )


def _bound(one: tuple[float, str]) -> float:
    return one[0]
