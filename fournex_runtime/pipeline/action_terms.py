"""
From the policy's outputs to commanded values, term by term, in the unit of the term.

An action value passes ``clip → * scale → + offset`` (the contract). A choice is looked up in the
contract's table. The quaternion of a pose is made one of norm 1 with w of at least 0.

Between two commands, for ramps and soft starts, every value goes straight, and an orientation the
shorter way round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..policy.contract import Term
from ..policy.term_kinds import DISCRETE
from ..safety.limits import QUATERNION, has_quaternion
from ..safety.orientation import LEAST_NORM

Vector = NDArray[np.float64]


class ActionTerm:
    """
    One action term with its arithmetic bound.

    Values may have leading axes: ticks, for instance.

    :param term: the term of the contract.
    """

    def __init__(self, term: Term) -> None:
        self.term = term
        self._low, self._high = np.array(term.clip[0]), np.array(term.clip[1])
        self.bounds = self._low, self._high
        """Least and greatest raw value of each; what is within them, :meth:`clip` lets be."""
        self._scale, self._offset = np.array(term.scale), np.array(term.offset)
        with np.errstate(over='ignore', invalid='ignore'):
            ends = [bound * self._scale + self._offset for bound in (self._low, self._high)]
        self._may_overflow = not np.isfinite(ends).all()

    def clip(self, raw: Vector) -> Vector:
        """Return the raw values within the contract's clip."""
        return raw.clip(self._low, self._high)

    def command(self, clipped: Vector) -> Vector:
        """Return the commanded values in the unit of the term, NaN where there is none."""
        command: Vector
        if self._may_overflow:
            with np.errstate(over='ignore'):  # the gate refuses what is not finite
                command = clipped * self._scale + self._offset
        else:
            command = clipped * self._scale + self._offset
        return command

    def between(self, begin: Vector, end: Vector, share: float) -> Vector:
        """Return the command a share of the way from one to another; not finite if one is not."""
        if has_quaternion(self.term.command, self.term.size):
            turn = (begin * end)[QUATERNION].sum()
            if turn < 0.0:  # a quaternion and its negative are one rotation
                end = end.copy()
                end[QUATERNION] = -end[QUATERNION]
        way: Vector = begin + (end - begin) * share
        return way


class DiscreteTerm(ActionTerm):
    """A choice: an index into the contract's table of commands."""

    def __init__(self, term: Term) -> None:
        super().__init__(term)
        self._choices = np.array(term.choices)
        self.bounds = np.full(term.width, -np.inf), np.full(term.width, np.inf)

    def clip(self, raw: Vector) -> Vector:
        """Return the choice as it is: another one would be another action."""
        return raw

    def command(self, clipped: Vector) -> Vector:
        """Return the row of the table; not a number for a choice that is not in it."""
        choice = clipped[..., 0]
        known = (choice >= 0) & (choice < len(self._choices))
        row = self._choices[np.where(known, choice, 0).astype(np.intp)]
        return np.where(known[..., np.newaxis], row, np.nan)


class PoseTerm(ActionTerm):
    """A pose: position, and a quaternion that networks give without norm."""

    def command(self, clipped: Vector) -> Vector:
        """Return the pose with a quaternion of norm 1, NaN where it is too short for that."""
        pose = super().command(clipped)
        with np.errstate(invalid='ignore', over='ignore'):
            norm = np.sqrt((pose[..., 3:] ** 2).sum(axis=-1, keepdims=True))
            norm = np.where(pose[..., 6:] < 0.0, -norm, norm)
            pose[..., 3:] = np.where(abs(norm) >= LEAST_NORM, pose[..., 3:] / norm, np.nan)
        return pose


def build_action(term: Term) -> ActionTerm:
    """Return the arithmetic of an action term."""
    if term.kind == DISCRETE:
        return DiscreteTerm(term)
    if term.kind == 'pose_target' and term.options['layout'] != 'position':
        return PoseTerm(term)
    return ActionTerm(term)
