"""
Terms that are read out of the bytes of their messages, where the numbers lie that they need.

Where those are is found out once for each layout of the messages, from the messages as objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError
from .fields import Bound, Picker, Places, Vector
from .message_layout import HEAD, MessageLayout
from .newest_messages import NewestMessages
from .term_plan import UNREADABLE, ReadTerm, Seen
from .transforms import Frames

_RUN = 16
"""So many numbers that lie one behind the other are copied as they lie, and not one by one."""


class InPlace:
    """
    Terms that write into a row, and what is known about where their numbers are.

    :param row: takes their values.
    :param terms: the terms, whose readers are all pickers, and their places in the row.
    """

    def __init__(self, row: Vector, terms: Sequence[tuple[ReadTerm, slice]]) -> None:
        self._row = row
        self._terms = terms
        numbers = {number for term, _ in terms for number in term.sources}
        self._sources = [_Source(number) for number in sorted(numbers)]
        self._made: list[_Made] = []
        self._asked: list[tuple[ReadTerm, Vector]] = []

    def read(self, seen: Seen, newest: NewestMessages) -> None:
        """
        Write the values of the newest messages; those of a message that was there before stay.

        :raises MessageError: a message lacks what a term needs.
        """
        try:
            for source in self._sources:
                if not source.take(newest):
                    self._bind(newest)
                    break
            for made in self._made:
                made.make(seen.frames)
        except (MessageError, *UNREADABLE):
            for source in self._sources:
                source.data = None  # what has been written is not whole
            raise
        for term, out in self._asked:
            out[:] = term.as_read(seen)

    def _bind(self, newest: NewestMessages) -> None:
        """Find out where the numbers are; a term whose numbers are not found is asked."""
        by_number = {source.number: source for source in self._sources}
        for source in self._sources:
            source.begin(newest)
        self._made, self._asked = [], []
        for term, place in self._terms:
            bound, out = _bound(term, newest), self._row[place]
            sources = [by_number[number] for number in term.sources]
            if bound is None or not self._bound_in_place(bound, sources, place):
                self._asked.append((term, out))
        for source in self._sources:
            source.take(newest)

    def _bound_in_place(self, bound: Bound, sources: Sequence[_Source], place: slice) -> bool:
        """Have the numbers of a term taken from now on; return whether all were found."""
        found = []
        for source, places in zip(sources, bound.places):
            one = source.found(places)
            if one is None:
                return False
            found.append(one)
        out, numbers = self._row[place], [np.empty(len(one)) for one in found]
        if bound.write is not None:
            for source, one, array in zip(sources, found, numbers):
                source.have_taken(one, array, 0)
        elif len(found[0]) == len(out):
            sources[0].have_taken(found[0], self._row, place.start)
        else:
            return False
        if bound.write is not None or bound.finish is not None:
            self._made.append(_Made(bound, sources, numbers, out))
        return True


def _bound(term: ReadTerm, newest: NewestMessages) -> Bound | None:
    """Return how a term is made of messages laid out like these; None where it is to be asked."""
    assert isinstance(term.reader, Picker)
    try:
        return term.reader.bound([newest[source] for source in term.sources])
    except (MessageError, *UNREADABLE):
        return None  # the term says it when it is asked


class _Made:
    """A term whose values are made of the numbers that were taken."""

    def __init__(
        self, bound: Bound, sources: Sequence[_Source], numbers: Sequence[Vector], out: Vector
    ) -> None:
        self._bound = bound
        self._sources = sources
        self._numbers = numbers
        self._out = out

    def make(self, frames: Frames) -> None:
        """Write the values, if they can have changed."""
        bound = self._bound
        if not bound.moves:
            for source in self._sources:
                if source.fresh:
                    break
            else:
                return
        if bound.write is not None:
            bound.write(self._numbers, self._out, frames)
        if bound.finish is not None:
            bound.finish(self._out)


class _Take(NamedTuple):
    """Numbers of one type by their places in a message, and where they go."""

    dtype: np.dtype[Any]
    numbers: NDArray[np.intp]
    array: Vector
    start: int

    @property
    def is_run(self) -> bool:
        """Return whether they lie one behind the other, and are many."""
        many = len(self.numbers) >= _RUN
        return many and int(self.numbers[-1] - self.numbers[0]) == len(self.numbers) - 1

    @property
    def stop(self) -> int:
        """Return where they end."""
        return self.start + len(self.numbers)


_Ready = tuple[np.dtype[Any], int, Any, Vector, bool]
"""
Type of some numbers, how many of it a message has room for, which of them, the memory that they go
into, and whether they go there as they are, picked one by one.
"""


class _Source:
    """
    The numbers that are taken out of one source's messages.

    :param number: of the source.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.data: bytes | None = None
        """The message that was taken last."""
        self.fresh = False
        """Whether it has been another one before."""
        self._layout: MessageLayout | None = None
        self._bound = False
        self._takes: list[_Take] = []
        self._ready: list[_Ready] | None = None

    def begin(self, newest: NewestMessages) -> None:
        """Forget what was to be taken, and look at the layout of the newest message."""
        self._layout, self._bound, self.data = newest.layout(self.number), True, None
        self._takes, self._ready = [], None

    def found(self, places: Places) -> list[tuple[str, int]] | None:
        """Return the dtype and place of each number; None where one has none."""
        if self._layout is None:
            return None
        found = []
        for path, index in places:
            one = self._layout.place(path, index)
            if one is None:
                return None
            found.append(one)
        return found

    def have_taken(self, found: Sequence[tuple[str, int]], array: Vector, start: int) -> None:
        """Have numbers taken into an array from a place on."""
        for begin, end in _stretches(found):
            numbers = np.array([number for _, number in found[begin:end]], np.intp)
            one = _Take(np.dtype(found[begin][0]), numbers, array, start + begin)
            last = self._takes[-1] if self._takes else None
            if (
                last is None
                or last.array is not array
                or last.dtype != one.dtype
                or last.stop != one.start
                or last.is_run
                or one.is_run
            ):
                self._takes.append(one)
            else:
                numbers = np.concatenate([last.numbers, numbers])
                self._takes[-1] = _Take(one.dtype, numbers, array, last.start)

    def take(self, newest: NewestMessages) -> bool:
        """Take the numbers of the newest message; return whether its layout is the known one."""
        data = newest.data[self.number]
        if data is self.data and data is not None:
            self.fresh = False
            return True
        if not self._bound or newest.layout(self.number) is not self._layout:
            return False
        self.data, self.fresh = data, True
        if data is None:
            return True
        if self._ready is None:
            self._ready = [_ready(one, len(data) - HEAD) for one in self._takes]
        if self._ready:
            body = data[HEAD:]  # a copy, so that the numbers lie aligned
            for dtype, count, where, out, as_they_are in self._ready:
                found = np.frombuffer(body, dtype, count)
                if as_they_are:
                    found.take(where, None, out, 'clip')
                else:
                    out[:] = found[where]
        return True


def _stretches(found: Sequence[tuple[str, int]]) -> Iterator[tuple[int, int]]:
    """Return where numbers of one type begin and end that lie one behind the other."""
    begin = 0
    for end in range(1, len(found) + 1):
        if end == len(found) or found[end][0] != found[end - 1][0]:
            edges = np.flatnonzero(np.diff([number for _, number in found[begin:end]]) != 1) + 1
            bounds = [begin, *(begin + edges).tolist(), end]
            yield from zip(bounds, bounds[1:])
            begin = end


def _ready(one: _Take, size: int) -> _Ready:
    """Return how numbers are taken out of the bytes of messages that are laid out alike."""
    count, out = size // one.dtype.itemsize, one.array[one.start : one.stop]
    if one.is_run:
        run = slice(int(one.numbers[0]), int(one.numbers[-1]) + 1)
        return one.dtype, count, run, out, False
    return one.dtype, count, one.numbers, out, one.dtype.char == 'd'
