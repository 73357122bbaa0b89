"""
The terms of an input as one row of numbers: read in place, with one arithmetic for all of them.

It gives the bits that the terms give one by one, or nothing: whatever is out of the ordinary, a
value that is not finite above all, is left to them, who can say what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..clip import clip
from ..errors import MessageError
from .fields import Vector
from .in_place import InPlace
from .newest_messages import NewestMessages
from .term_plan import UNREADABLE, Arithmetic, ReadTerm, Seen, TermPlan

_GREATEST = 1e38
"""What is within this after the arithmetic is finite in every type that an input can have."""


class RowPlan:
    """
    The present values of the terms of an input.

    :param terms: its terms; none an image.
    """

    def __init__(self, terms: Sequence[TermPlan]) -> None:
        ends = np.cumsum([one.term.size for one in terms]).tolist()
        size = ends[-1]
        self._raw, self._worked = np.zeros(size), np.zeros(size)
        self._offset, self._scale = np.zeros(size), np.ones(size)
        self._low, self._high = np.full(size, -np.inf), np.full(size, np.inf)
        self._shifts = self._clips = self._scales = False
        picked: list[tuple[ReadTerm, slice]] = []
        self._others: list[tuple[TermPlan, Vector]] = []
        for one, end in zip(terms, ends):
            place = slice(end - one.term.size, end)
            self._add(one.arithmetic, place)
            if isinstance(one, ReadTerm) and one.can_be_bound:
                picked.append((one, place))
            else:
                self._others.append((one, self._raw[place]))
        self._in_place = InPlace(self._raw, picked) if picked else None
        # Of squares, so that one sum tells that every value is finite and small enough.
        self._most = max(0.0, self._within()) ** 2

    def _within(self) -> float:
        """Return how large values may be whose arithmetic cannot overflow."""
        scale, offset = float(abs(self._scale).max()), float(abs(self._offset).max())
        within: float = min(_GREATEST**0.5, _GREATEST / max(1.0, scale) - offset)
        bounds = np.concatenate([self._low, self._high])
        return 0.0 if (abs(bounds[np.isfinite(bounds)]) > within).any() else within

    def _add(self, arithmetic: Arithmetic | None, place: slice) -> None:
        """Put the arithmetic of a term into that of the row; what it leaves out changes no bit."""
        if arithmetic is None:
            return
        if arithmetic.shifts:
            self._shifts, self._offset[place] = True, arithmetic.offset
        if arithmetic.clips:
            self._clips = True
            self._low[place], self._high[place] = arithmetic.low, arithmetic.high
        if arithmetic.scales:
            self._scales, self._scale[place] = True, arithmetic.scale

    def present(self, seen: Seen, newest: NewestMessages) -> Vector | None:
        """
        Return the present values after offset, clip and scale; the next call overwrites them.

        :param seen: what the tick has.
        :param newest: its messages.
        :returns: None where the terms have to be asked one by one.
        """
        try:
            if self._in_place is not None:
                self._in_place.read(seen, newest)
            for term, out in self._others:
                out[:] = term.as_read(seen)
        except (MessageError, *UNREADABLE):
            return None  # another one may have to complain first
        values = self._raw
        if not values.dot(values) < self._most:  # neither for NaN
            return None
        worked = self._worked
        if self._shifts:
            values = np.subtract(values, self._offset, worked)
        if self._clips:
            values = clip(values, self._low, self._high, worked)
        if self._scales:
            values = np.multiply(values, self._scale, worked)
        return values
