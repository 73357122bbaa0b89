"""One observation term with its arithmetic bound: from messages to its present values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..clip import clip
from ..errors import MessageError, UnresolvedFrame
from ..finite import all_finite
from ..immutable import immutable
from ..policy.contract import Term
from .fields import Picker, Reader, Vector
from .framed_readers import FramePose
from .image_reader import ImageReader
from .noise import noise
from .raw_image import NewestImage
from .transforms import Frames
from .trigonometry import sine_and_cosine_of_turn

Values = NDArray[Any]
UNREADABLE = (ValueError, IndexError, AttributeError, TypeError)
"""What a reader raises at a message that is not what it should be."""
_GAIT_STEPS = 10**9
"""Offsets of a gait are whole numbers of this part of a turn."""


class NonFinite(MessageError):
    """A term's value is not finite; never passed on to history, state or policy."""


@immutable
class LastAction:
    """
    The action of the tick before, as the policy gave it and after the contract's clip.

    :param raw: all action terms in order, as the artifact gave them.
    :param clipped: the same within the contract's clip.
    """

    raw: Vector
    clipped: Vector


@immutable
class Seen:
    """
    What the terms of a tick are made of.

    :param messages: the newest message of each source of the session.
    :param last_action: of the tick before.
    :param tick: number of the tick in its episode.
    :param frames: where frames are.
    :param seed: of the episode.
    """

    messages: Sequence[Any]
    last_action: LastAction
    tick: int
    frames: Frames
    seed: int = 0


class TermPlan(Protocol):
    """What gives a term's present values."""

    term: Term

    @property
    def arithmetic(self) -> Arithmetic | None:
        """Return what :meth:`present` adds to :meth:`as_read`; None for nothing."""
        ...

    def as_read(self, seen: Seen) -> Values:
        """
        Return the term's present values before offset, clip and scale, in its unit.

        Arguments and errors are those of :meth:`present`.
        """
        ...

    def present(self, seen: Seen) -> Values:
        """
        Return the term's present values after offset, clip and scale.

        :param seen: what the tick has.
        :raises NonFinite: a value is not finite.
        :raises MessageError: a message lacks what the term needs.
        """
        ...


class Arithmetic:
    """
    Offset, clip and scale of a term; ``shape`` makes them fit an image's channels.

    What changes no bit is left out: the offset 0 (``-0.0 - 0.0`` is ``-0.0``) and the scale 1.
    """

    def __init__(self, term: Term, shape: tuple[int, ...] = (-1,)) -> None:
        low, high = np.array(term.clip[0]), np.array(term.clip[1])
        self.clips = bool(np.isfinite(low).any() or np.isfinite(high).any())
        self.low, self.high = low.reshape(shape), high.reshape(shape)
        self.offset = np.array(term.offset).reshape(shape)
        self.scale = np.array(term.scale).reshape(shape)
        self.shifts = bool((self.offset != 0.0).any() or np.signbit(self.offset).any())
        self.scales = bool((self.scale != 1.0).any())

    def apply(self, values: Vector) -> Vector:
        """Return the values after offset, clip and scale; works in place, may overflow."""
        if self.shifts:
            values -= self.offset
        if self.clips:
            clip(values, self.low, self.high, values)
        if self.scales:
            values *= self.scale
        return values


class ReadTerm:
    """
    A term that is read from messages.

    :param term: the term.
    :param reader: writes its values.
    :param ports: for each port the index of its source, or the frame that stands for one.
    """

    def __init__(self, term: Term, reader: Reader, ports: Sequence[int | FramePose]) -> None:
        self.term = term
        self.reader = reader
        self._ports = ports
        self._source = ports[0] if len(ports) == 1 and isinstance(ports[0], int) else None
        self.sources = tuple(port for port in ports if isinstance(port, int))
        """Index of the source of each port that is a topic."""
        self.can_be_bound = isinstance(reader, Picker) and len(self.sources) == len(ports)
        """Whether it can be read out of the bytes of its messages."""
        self._size, self.arithmetic = term.size, Arithmetic(term)

    def unresolved(self, seen: Seen) -> str:
        """Return which frame the term lacks, in words; empty for none, and before its messages."""
        if any(seen.messages[source] is None for source in self.sources):
            return ''
        try:
            self.as_read(seen)
        except UnresolvedFrame as problem:
            return str(problem)
        except MessageError:
            return ''  # it has its frames; its fault is another one
        return ''

    def as_read(self, seen: Seen) -> Values:
        """Return the values of the messages; see :class:`TermPlan`."""
        term = self.term
        values = np.empty(self._size)
        if self._source is not None:  # nearly every term: one topic, no frame
            messages: Sequence[Any] = (seen.messages[self._source],)
        else:
            messages = [
                seen.messages[port] if isinstance(port, int) else port(seen.frames)
                for port in self._ports
            ]
        try:
            self.reader(messages, values, seen.frames)
        except UNREADABLE as problem:
            raise MessageError(f'{term.name}: cannot be read: {problem}') from problem
        if not all_finite(values):
            labels = [term.labels[i] for i in np.flatnonzero(~np.isfinite(values))[:3]]
            raise NonFinite(f'{term.name}: not finite at {", ".join(labels)}')
        return values

    def present(self, seen: Seen) -> Values:
        """Return the present values; see :class:`TermPlan`."""
        return self.arithmetic.apply(self.as_read(seen))


class ImageTerm:
    """An image; whole numbers go through untouched where the artifact takes whole numbers."""

    def __init__(self, term: Term, reader: ImageReader, source: int, whole: bool) -> None:
        self.term = term
        self._reader = reader
        self._newest = NewestImage(source)
        self._whole = whole
        self._share = term.options['range'] == '0-1'
        by_channel = (-1, 1, 1) if term.options['layout'] == 'chw' else (1, 1, -1)
        self.arithmetic = Arithmetic(term, by_channel)

    def as_read(self, seen: Seen) -> Values:
        """Return the pixels as the contract lays them out; see :class:`TermPlan`."""
        try:
            return self._reader(self._newest(seen.messages))
        except UNREADABLE as problem:
            raise MessageError(f'{self.term.name}: cannot be read: {problem}') from problem

    def present(self, seen: Seen) -> Values:
        """Return the present pixels; see :class:`TermPlan`."""
        pixels = self.as_read(seen)
        if self._whole:
            return pixels
        values = pixels.astype(np.float64, order='C')
        if self._share:
            values /= 255.0
        return self.arithmetic.apply(values)


class LastActionTerm:
    """The action of the tick before."""

    arithmetic = None

    def __init__(self, term: Term) -> None:
        self.term = term
        self._raw = term.options['of'] == 'raw'

    def as_read(self, seen: Seen) -> Values:
        """Return the last action; see :class:`TermPlan`."""
        return seen.last_action.raw if self._raw else seen.last_action.clipped

    present = as_read


class NoiseTerm:
    """Random numbers that the seed of the episode and the number of the tick say."""

    arithmetic = None

    def __init__(self, term: Term) -> None:
        self.term = term
        self._distribution = term.options['distribution']

    def as_read(self, seen: Seen) -> Values:
        """Return the noise of the tick; see :class:`TermPlan`."""
        term = self.term
        return noise(seen.seed, term.name, seen.tick, term.size, self._distribution)

    present = as_read


class TimeTerm:
    """A term that depends on nothing but the number of the tick in its episode."""

    def __init__(self, term: Term, period_ns: int) -> None:
        self.term = term
        self._period_ns = period_ns
        self._values: Callable[[int], Sequence[float]] = (
            self._phase if term.kind == 'gait_phase' else self._clock
        )
        self.arithmetic = Arithmetic(term)
        options = term.options
        self._offsets = [round(one * _GAIT_STEPS) for one in options.get('offsets', ())]

    def as_read(self, seen: Seen) -> Values:
        """Return the values of the tick; see :class:`TermPlan`."""
        return np.array(self._values(seen.tick))

    def present(self, seen: Seen) -> Values:
        """Return the present values; see :class:`TermPlan`."""
        return self.arithmetic.apply(self.as_read(seen))

    def _phase(self, tick: int) -> Sequence[float]:
        """Return sine and cosine of ``2 pi (time / period + offset)``, a pair an offset."""
        turn_ns = self.term.options['period']
        whole = turn_ns * _GAIT_STEPS
        now = tick * self._period_ns * _GAIT_STEPS
        pairs = [sine_and_cosine_of_turn(now + one * turn_ns, whole) for one in self._offsets]
        if self.term.options['layout'] == 'interleaved':
            return [value for pair in pairs for value in pair]
        return [pair[index] for index in (0, 1) for pair in pairs]

    def _clock(self, tick: int) -> Sequence[float]:
        of = self.term.options['of']
        if of == 'tick':
            return [float(tick)]
        time_ns = tick * self._period_ns
        if of == 'seconds':
            return [time_ns / 1e9]
        return [min(1.0, time_ns / self.term.options['length'])]
