"""
The terms of an input as one row of numbers: read in place, with one arithmetic for all of them.

It gives the bits that the terms give one by one, or nothing: whatever is out of the ordinary, a
value that is not finite above all, is left to them, who can say what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError
from .fields import Picker, Vector
from .message_layout import HEAD, MessageLayout
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
        picked: dict[int, list[tuple[ReadTerm, slice]]] = {}
        self._others: list[tuple[TermPlan, Vector]] = []
        for one, end in zip(terms, ends):
            place = slice(end - one.term.size, end)
            self._add(one.arithmetic, place)
            if isinstance(one, ReadTerm) and one.picked_from is not None:
                picked.setdefault(one.picked_from, []).append((one, place))
            else:
                self._others.append((one, self._raw[place]))
        self._picked = [_Picked(self._raw, *of_source) for of_source in picked.items()]
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
            for part in self._picked:
                part.read(seen, newest)
            for term, out in self._others:
                out[:] = term.as_read(seen)
        except MessageError:
            return None  # another one may have to complain first
        values = self._raw
        if not values.dot(values) < self._most:  # neither for NaN
            return None
        worked = self._worked
        if self._shifts:
            values = np.subtract(values, self._offset, worked)
        if self._clips:
            values = values.clip(self._low, self._high, worked)
        if self._scales:
            values = np.multiply(values, self._scale, worked)
        return values


class _Take(NamedTuple):
    """Numbers of a message by their places, and where they go."""

    dtype: np.dtype[Any]
    numbers: NDArray[np.intp]
    place: slice


class _Picked:
    """
    The terms whose values can be picked out of one source's messages.

    :param row: takes the values of all terms.
    :param source: index of the source.
    :param terms: the terms with their places in the row.
    """

    def __init__(self, row: Vector, source: int, terms: Sequence[tuple[ReadTerm, slice]]) -> None:
        self._row = row
        self._source = source
        self._terms = terms
        self._data: bytes | None = None
        self._layout: MessageLayout | None = None
        self._takes: list[tuple[np.dtype[Any], NDArray[np.intp], Vector]] = []
        self._finishes: list[tuple[Picker, Vector]] = []
        self._asked: list[tuple[ReadTerm, Vector]] = []

    def read(self, seen: Seen, newest: NewestMessages) -> None:
        """
        Write the values of the newest message.

        :raises MessageError: it lacks what a term needs.
        """
        data = newest.data[self._source]
        if data is not self._data:  # else what was written then is still there
            self._data = None
            layout = newest.layout(self._source)
            if layout is None or layout is not self._layout:
                self._bind(newest, layout)
            assert data is not None
            body = data[HEAD:]  # a copy, so that the numbers lie aligned
            for dtype, numbers, out in self._takes:
                found = np.frombuffer(body, dtype, len(body) // dtype.itemsize)
                if dtype.char == 'd':
                    found.take(numbers, None, out, 'clip')
                else:
                    out[:] = found[numbers]
            for reader, out in self._finishes:
                reader.finish(out)
            self._data = data
        for term, out in self._asked:
            out[:] = term.as_read(seen)

    def _bind(self, newest: NewestMessages, layout: MessageLayout | None) -> None:
        """Find out where the values are in messages of a layout; where not, a term is asked."""
        self._layout = None
        message = newest[self._source]
        takes: list[_Take] = []
        self._finishes, self._asked = [], []
        for one, place in self._terms:
            reader, out = one.reader, self._row[place]
            assert isinstance(reader, Picker)
            take = None if layout is None else _take(layout, reader, message, place)
            if take is None:
                self._asked.append((one, out))
                continue
            takes.append(take)
            if reader.finishes:
                self._finishes.append((reader, out))
        self._takes = [(one.dtype, one.numbers, self._row[one.place]) for one in _joined(takes)]
        self._layout = layout


def _take(layout: MessageLayout, reader: Picker, message: Any, place: slice) -> _Take | None:
    """Return the numbers of one term; None where they do not all have one place and one type."""
    try:
        places = reader.places(message) or ()
    except (MessageError, *UNREADABLE):
        return None  # the term says it when it is asked
    found = [layout.place(*one) for one in places]
    dtypes = {one[0] for one in found if one is not None}
    if len(found) != place.stop - place.start or None in found or len(dtypes) != 1:
        return None
    numbers = [one[1] for one in found if one is not None]
    return _Take(np.dtype(dtypes.pop()), np.array(numbers, np.intp), place)


def _joined(takes: Sequence[_Take]) -> list[_Take]:
    """Return the takes with those that write next to each other as one."""
    found: list[_Take] = []
    for one in takes:
        last = found[-1] if found else None
        if last is not None and last.dtype == one.dtype and last.place.stop == one.place.start:
            numbers = np.concatenate([last.numbers, one.numbers])
            found[-1] = _Take(one.dtype, numbers, slice(last.place.start, one.place.stop))
        else:
            found.append(one)
    return found
